"""What the hosts run: Docker's packages as the lab repacks them, an SSH server and sudo.

All of it is unpacked, never installed: the machine gets no daemon and no user from it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from lab import authority
from lab.cache import cached, recipe_key
from lab.commands import run
from lab.docker_packages import DockerPackages, docker_packages
from lab.own_packages import own_packages
from lab.release import Release, machine_release, write_sources

_DOCKER = ("docker-ce", "docker-ce-cli", "containerd.io")
_ACCESS = ("openssh-server", "sudo")
_MERGED = ("bin", "sbin", "lib", "lib64")
"""Names that are links into ``/usr`` on the machine; a folder laid over one would hide it all."""


def busybox(say: Callable[[str], None] = print) -> Path:
    """A static busybox, for images without a registry."""
    return _packages(say).busybox


def versions(say: Callable[[str], None] = print) -> tuple[str, ...]:
    """The engine versions there are, oldest first. Downloads them where the cache has none."""
    return _packages(say).versions


def version(usual: int = 0) -> str:
    """The engine of hosts for which any will do: ``ENGINES_VERSION``, or the usual one of all."""
    return os.environ.get("ENGINES_VERSION") or versions()[usual]


def _packages(say: Callable[[str], None]) -> DockerPackages:
    release = machine_release()
    own = own_packages("", release.architecture)
    return docker_packages(release, authority.authority(), say, own)


def programs(version: str, say: Callable[[str], None] = print) -> Path:
    """A folder to be laid over the machine's root: the engine of this version, sshd and sudo.

    Raises ``LabError`` where the packages cannot be had.
    """
    release = machine_release()
    site = _packages(say).site
    found = [next(site.rglob(f"{name}_{version}-*.deb"), None) for name in _DOCKER[:2]]
    containerd = sorted(site.rglob(f"{_DOCKER[2]}_*.deb"))
    if None in found or not containerd:
        raise ValueError(f"there is no engine {version}, but {', '.join(versions())}")
    # Each engine has come with its own: the older one with the older.
    index = versions().index(version)
    packages = [*(deb for deb in found if deb), containerd[min(index, len(containerd) - 1)]]
    mine = (Path(__file__).read_text(), repr(release), *(str(deb) for deb in packages))
    return cached(
        f"engine-{version}", recipe_key([], *mine), partial(_unpack, release, packages, say)
    )


def _unpack(
    release: Release, packages: list[Path], say: Callable[[str], None], folder: Path
) -> None:
    say("the hosts' SSH server and sudo: downloading")
    for part in ("apt/lists/partial", "apt/archives/partial", "apt/empty"):
        (folder / part).mkdir(parents=True)
    apt = folder / "apt"
    write_sources(release.sources, apt / "sources.list")
    settings = {
        "Dir::Etc::SourceList": apt / "sources.list",
        "Dir::Etc::SourceParts": apt / "empty",
        "Dir::State::Lists": apt / "lists",
        "Dir::Cache": apt,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    run(["apt-get", *options, "-qq", "update"])
    # What they need and the machine has is not needed again: the hosts see the machine's root.
    wanted = ("install", "--download-only", "--reinstall", "--no-install-recommends", *_ACCESS)
    run(["apt-get", *options, "-qqy", *wanted], env={"DEBIAN_FRONTEND": "noninteractive"})
    for package in [*packages, *(apt / "archives").glob("*.deb")]:
        run(["dpkg-deb", "-x", package, folder])
    shutil.rmtree(apt)
    for name in _MERGED:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, folder / "usr" / name, dirs_exist_ok=True, symlinks=True)
            shutil.rmtree(folder / name)
    # A host's own configuration is the host's to write.
    shutil.rmtree(folder / "etc")
