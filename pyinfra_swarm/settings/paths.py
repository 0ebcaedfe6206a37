"""The root of the project, and paths as a user writes them."""

from __future__ import annotations

import os.path
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The root of the project: the folder that holds this package."""


def from_user(text: str) -> Path:
    """A path in which ``~`` is a home; that of a user who does not exist stays as it was written.

    (:meth:`pathlib.Path.expanduser` raises ``RuntimeError`` there, not an ``OSError`` as whatever
    then opens the file does.)
    """
    return Path(os.path.expanduser(text))
