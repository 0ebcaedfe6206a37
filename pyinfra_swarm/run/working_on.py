"""The project that a command works on, told where it is not the folder in which it is typed."""

from __future__ import annotations

import sys
from pathlib import Path

from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.settings.paths import project


def tell_project() -> None:
    """Name the project in one line on standard error, unless it is the working directory."""
    if (folder := project()) != Path.cwd():
        print(f"Project: {plain(str(folder))}", file=sys.stderr, flush=True)
