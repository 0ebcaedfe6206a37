"""Files of clear text that would be shared: those that a git repository keeps, or could."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pyinfra_swarm.run.printable import plain, quoted
from pyinfra_swarm.secrets.value import Unreadable


def must_not_be_shared(path: Path, what: str) -> None:
    """what: what the file is for a person, as `file = "secrets/db"`.

    Raises :class:`Unreadable` for a file in a git repository, unless git ignores it.
    """
    real = Path(os.path.realpath(path))
    repository = next((one for one in real.parents if os.path.lexists(one / ".git")), None)
    if repository is None:
        return
    inside = f"{what}: is clear text inside a git repository, {plain(repository)}"
    ignore = f"Add {quoted('/' + str(real.relative_to(repository)))} to its .gitignore"
    otherwise = "or keep it elsewhere, or encrypt it and declare it by age or sops"
    try:
        if _git(repository, "check-ignore", "--quiet", "--", str(real)) == 0:
            return
        tracked = _git(repository, "ls-files", "--error-unmatch", "--", str(real)) == 0
    except OSError:
        raise Unreadable(
            f"{inside}, and there is no git here that could say whether it ignores the file",
            f"Install git, {otherwise}",
        ) from None
    if tracked:
        raise Unreadable(
            f"{inside}, which keeps it",
            f"Take it out (`git rm --cached {quoted(real)}`), and replace the value: the history "
            f"keeps it. {ignore}",
        )
    raise Unreadable(f"{inside}, which does not ignore it", f"{ignore}, {otherwise}")


def _git(repository: Path, *words: str) -> int:
    """The status with which git ends: 0 for yes."""
    # Variables of a surrounding git command, as a hook has them, would mean another repository.
    environment = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", "-c", "core.fsmonitor=false", "-C", str(repository), *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ).returncode
