"""The folder of the user's project, and paths as a user writes them."""

from __future__ import annotations

import os.path
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds this package: the repository in a clone, else where packages are."""


def project() -> Path:
    """The folder of the project that is worked on: its inventory, its deploys, its settings.

    The working directory where that is a project, else the clone that this package is in. Where
    there is neither, the working directory: a reader of its files then reports what is missing.
    """
    here = Path.cwd()
    return next((folder for folder in (here, ROOT) if is_project(folder)), here)


def is_project(folder: Path) -> bool:
    """Whether a folder has what every project has."""
    # As os.path asks: a folder that may not be entered is none.
    return all(os.path.isfile(folder / name) for name in ("inventory.py", "deploys/site.py"))


def not_a_project(folder: Path) -> tuple[str, str]:
    """Why nothing can be done in a folder that is no project, and what to do instead."""
    return (
        f"{folder} is not a project: it has no inventory.py, or no deploys/site.py",
        "go to the folder of your project; `pyinfra-swarm init FOLDER` makes one",
    )


def from_user(text: str) -> Path:
    """A path in which ``~`` is a home; that of a user who does not exist stays as it was written.

    (:meth:`pathlib.Path.expanduser` raises ``RuntimeError`` there, not an ``OSError`` as whatever
    then opens the file does.)
    """
    return Path(os.path.expanduser(text))
