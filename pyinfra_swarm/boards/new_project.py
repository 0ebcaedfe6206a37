"""A user's own project: the thin files that pyinfra reads, laid into a folder and kept current.

The files are those of the repository, which is such a project itself; a wheel carries them as
``pyinfra_swarm/project``. A record in the folder holds a hash of each file as it was laid, so that
a later version can tell which files their owner has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from pyinfra_swarm.boards.settings_text import unfilled
from pyinfra_swarm.run.plain_file import write
from pyinfra_swarm.settings.paths import ROOT, is_project

RECORD = ".pyinfra-swarm.json"
SETTINGS, EXAMPLE = "cluster.toml", "cluster.example.toml"
GITIGNORE = ".gitignore"
_WHOLE = ("inventory.py", "config.py", EXAMPLE)
_FOLDERS = ("group_data", "deploys", "facts")
_PAGES = ("docs", "examples")
"""What messages point to, so that it is where they say; without the notes for developers."""
_IN_THE_WHEEL = Path(__file__).resolve().parents[1] / "project"

_IGNORED = """\
# Keys and other secrets stay out of the repository.
.env
.env.*
*.key
key.txt
keys.txt
*.pem
!ca.pem
!*[-_]ca.pem
*.unlock-key
unlock-key
*unlock_key*
!/deploys/*.py
id_*
!id_*.pub
*.tar
*.tar.age
*.tar.gz
/*.conf

# What a drift check writes.
drift.json
.drift.json.lock
drift.html

# What Python and pyinfra leave.
__pycache__/
.venv/
pyinfra-debug.log
"""


class Unusable(Exception):
    """The folder cannot become a project; the message says what to do."""


@dataclass
class _Report:
    laid: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    yours: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def template() -> dict[str, str]:
    """The text of each file of a project, by its path in the project's folder."""
    root = _IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else ROOT
    names = [*_WHOLE, *_below(root)]
    return {name: (root / name).read_text(encoding="utf-8") for name in names} | {
        GITIGNORE: _IGNORED
    }


def _below(root: Path) -> Iterator[str]:
    for folder in _FOLDERS:
        for path in sorted((root / folder).glob("*.py")):
            yield f"{folder}/{path.name}"
    for folder in _PAGES:
        for path in sorted((root / folder).rglob("*")):
            name = path.relative_to(root)
            if path.is_file() and "decisions" not in name.parts:
                yield name.as_posix()


def is_a_clone(folder: Path) -> bool:
    """Whether a folder is a clone of the repository, which is a project without being laid."""
    return is_project(folder) and (folder / "pyinfra_swarm/cli.py").is_file()


def refuse_other_contents(folder: Path) -> None:
    """Raises :class:`Unusable` for a folder that is no project and holds something else.

    Hidden files are allowed: a repository's, or a virtual environment.
    """
    if is_a_clone(folder):
        return
    _refuse_inside_another(folder)
    names = [path.name for path in folder.iterdir()]
    if RECORD not in names and any(not name.startswith(".") for name in names):
        raise Unusable(
            f"{folder} is not empty, and not a project\n"
            "    instead: pyinfra-swarm init FOLDER, or pyinfra-swarm init . to make it one"
        )


def has_settings(folder: Path) -> bool:
    """Whether there is a ``cluster.toml``, which is its owner's and never overwritten."""
    return os.path.lexists(folder / SETTINGS)


def lay(folder: Path, settings: str = "") -> str:
    """Make a project of a folder, or update one; returns what was done, for its owner.

    A file that its owner has changed or deleted stays as it is. ``cluster.toml`` is laid once, from
    the example. settings: its text instead, which is laid also into a project that has
    none. Into a clone nothing else is laid. Raises :class:`Unusable`.
    """
    if is_a_clone(folder):
        return _settings_alone(folder, settings)
    _refuse_inside_another(folder.resolve())
    new = template()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        known = _recorded(folder)
        report, hashes = _Report(), {}
        for name, text in new.items():
            hashes[name] = _lay_one(folder, name, text, known, report)
        report.gone = sorted(
            name for name in known.keys() - new.keys() if os.path.lexists(folder / name)
        )
        if (settings or not known) and not os.path.lexists(folder / SETTINGS):
            write(folder / SETTINGS, settings or unfilled(new[EXAMPLE]))
            report.laid.append(SETTINGS)
        record = {"version": version("pyinfra-swarm"), "files": hashes}
        write(folder / RECORD, json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise _not_writable(folder, error) from error
    return _in_words(folder, report, first=not known, written=bool(settings))


def _settings_alone(folder: Path, settings: str) -> str:
    """Lay ``cluster.toml`` into a clone, which has everything else."""
    if not settings or has_settings(folder):
        raise Unusable(
            f"{folder} is a clone of the repository, which is a project already\n"
            "    instead: pyinfra-swarm init --hosts ADDRESSES, which looks at your boards and "
            f"writes {SETTINGS}; or copy {EXAMPLE} to it"
        )
    try:
        write(folder / SETTINGS, settings)
    except OSError as error:
        raise _not_writable(folder, error) from error
    return _next(folder, written=True)


def _not_writable(folder: Path, error: OSError) -> Unusable:
    return Unusable(
        f"{error.filename or folder}: {error.strerror or error}\n"
        "    instead: a folder that you may write to"
    )


def _refuse_inside_another(folder: Path) -> None:
    """A project inside a project is a slip: `init home` typed in `home`."""
    outer = next((above for above in folder.parents if os.path.lexists(above / RECORD)), None)
    if outer is not None and not os.path.lexists(folder / RECORD):
        raise Unusable(
            f"{folder} would be inside {outer}, which is a project already\n"
            f"    instead: pyinfra-swarm init {shlex.quote(str(outer))}, to update that one"
        )


def _lay_one(folder: Path, name: str, text: str, known: Mapping[str, str], report: _Report) -> str:
    """Lay or leave one file; returns the hash to record for it."""
    path, old, current = folder / name, known.get(name), _hash(text.encode())
    if not os.path.lexists(path):
        if old is not None:
            report.deleted.append(name)
            return old
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, text)
        report.laid.append(name)
        return current
    plain = path.is_file() and not path.is_symlink()
    there = _hash(path.read_bytes()) if plain else "not a plain file"
    if there == current:
        return current
    if old is None or there != old:
        report.yours.append(name)
        return old or ""
    write(path, text)
    report.updated.append(name)
    return current


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _recorded(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    if not os.path.lexists(path):
        return {}
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {str(name): str(known) for name, known in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(
            f"{path} cannot be read as the record of what was laid\n"
            "    instead: restore it from your repository, or delete it: then every file that "
            "differs counts as yours"
        ) from error


def _in_words(folder: Path, report: _Report, *, first: bool, written: bool) -> str:
    lines = []
    if first:
        lines.append(f"{folder} is a project now: {len(report.laid)} files.")
    else:
        lines += _named("New", report.laid)
        lines += _named("Updated", report.updated)
    if GITIGNORE in report.yours:
        report.yours.remove(GITIGNORE)
        lines += _named("Your .gitignore lacks lines about keys", _lacking(folder))
    lines += _named("Changed by you, and left as they are", report.yours)
    if report.yours:
        root = _IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else ROOT
        lines.append(f"  To compare one with the current version: diff FILE {root}/FILE")
    lines += _named("Deleted by you, and not laid again", report.deleted)
    lines += _named("No longer needed; delete them, unless you use them", report.gone)
    if SETTINGS in report.laid:
        lines.append(_next(folder, written=written))
    return "\n".join(lines or ["Everything is current."])


def _next(folder: Path, *, written: bool) -> str:
    do = "look at" if written else "write your hosts into"
    return (
        f"Next: {do} {folder / SETTINGS}, and in {folder} run\n"
        "  pyinfra inventory.py deploys/site.py --dry"
    )


def _lacking(folder: Path) -> list[str]:
    """The lines of the template's .gitignore about secrets that the owner's does not have."""
    path = folder / GITIGNORE
    theirs = path.read_bytes().decode(errors="replace").splitlines() if path.is_file() else []
    secrets = _IGNORED.partition("\n\n")[0].splitlines()[1:]
    return [line for line in secrets if line not in theirs]


def _named(title: str, names: list[str]) -> list[str]:
    return [f"{title}: {', '.join(names)}"] if names else []
