"""Folders with a system in them, to run its programs in: not booted, no hosts."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lab.cache import cached, is_cached, recipe_key
from lab.commands import run
from lab.errors import LabError
from lab.release import Release, write_sources

DEBIANS = {"12": "bookworm", "13": "trixie"}
"""Releases of Debian's that users have, by their codenames."""


def debian(version: str, machine: Release) -> Release:
    """A release of Debian's, from where this machine has its own.

    Raises LabError when this machine runs another distribution.
    """
    if machine.distribution != "debian":
        raise LabError("Debian's releases come from the archives of a machine that runs Debian")
    codename = DEBIANS[version]
    sources = tuple(
        replace(source, suite=source.suite.replace(machine.codename, codename))
        for source in machine.sources
    )
    return replace(machine, version=version, codename=codename, sources=sources)


def _kind(release: Release) -> str:
    return f"root.{release.distribution}{release.version}"


def _key(release: Release, packages: Sequence[str]) -> str:
    return recipe_key(["roots"], repr(release), *packages)


def is_built(release: Release, packages: Sequence[str]) -> bool:
    """Whether it is in the cache."""
    return is_cached(_kind(release), _key(release, packages))


def root(release: Release, packages: Sequence[str], say: Callable[[str], None]) -> Path:
    """The folder of a system with these packages, made if need be.

    say: is told what is being made
    Raises LabError when it cannot be made.
    """
    folder = cached(
        _kind(release), _key(release, packages), lambda made: _make(made, release, packages, say)
    )
    return folder / "root"


def _make(
    folder: Path, release: Release, packages: Sequence[str], say: Callable[[str], None]
) -> None:
    say(f"unpacking {release.distribution} {release.version}")
    write_sources(release.sources, folder / "sources.list")
    run(
        # In namespaces of its own: whatever happens, no mount and no process outlives it.
        ["unshare", "--mount", "--propagation=private", "--pid", "--mount-proc"]
        + ["--fork", "--kill-child=KILL"]
        + ["mmdebstrap", "--mode=root", "--variant=minbase", "--skip=check/empty"]
        + [f"--include={','.join(packages)}"]
        + [f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale")]
        + ['--aptopt=Apt::Install-Recommends "false"']
        + [release.codename, str(folder / "root"), str(folder / "sources.list")]
    )


def inside(root: Path, script: str) -> list[str]:
    """The words of a program that runs a script (`sh -euc`) in a system, as its root.

    It has processes, mounts and a network of its own, which end with it.
    """
    mounts = "mount -t proc proc proc; mount -t sysfs sys sys; mount --bind /dev dev"
    enter = f'cd "$0"; {mounts}; mount -t tmpfs tmp tmp; mount -t tmpfs run run; exec chroot . "$@"'
    return [
        *("unshare", "--mount", "--propagation=private", "--pid", "--net", "--ipc", "--uts"),
        *("--fork", "--kill-child=KILL", "sh", "-euc", enter, str(root)),
        *("env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "sh", "-euc", script),
    ]
