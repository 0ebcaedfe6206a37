"""The folder of the user's project, and paths as a user writes them."""

from __future__ import annotations

import os.path
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds this package: the repository in a clone, else where packages are."""


def project() -> Path:
    """The folder of the project that is worked on: its inventory, its deploys, its settings.

    The working directory where that is a project, else the nearest project above it, else the clone
    that this package is in. Where there is none, the working directory: a reader of its files then
    reports what is missing.
    """
    here = Path.cwd()
    return next(filter(is_project, (here, *_above(here), ROOT)), here)


def _above(folder: Path) -> Iterator[Path]:
    """The folders above that a project may be in: up to the home, and on one file system.

    pyinfra runs what is in a project. So none counts that is somebody else's, or that everybody
    may write to: nobody types the name of a folder above.
    """
    home = Path(os.path.expanduser("~"))
    own = {os.geteuid()} | ({_before_sudo()} if os.geteuid() == 0 else set())
    with suppress(OSError):  # one that may not be looked at
        device = folder.stat().st_dev
        for above in folder.parents if folder != home else ():
            seen = above.stat()
            if seen.st_dev != device:
                return
            if seen.st_uid in own and not seen.st_mode & stat.S_IWOTH:
                yield above
            if above == home:
                return


def _before_sudo() -> int:
    """The user who has typed sudo; root where nobody has."""
    user = os.environ.get("SUDO_UID", "")
    return int(user) if user.isascii() and user.isdecimal() else 0


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
