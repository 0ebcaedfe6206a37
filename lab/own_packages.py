"""Docker's own `.deb` files, as anybody with internet downloads them, offered beside the lab's.

They come from the folder that `LAB_DOCKER_PACKAGES` or `lab up --docker-packages` names. An engine
is offered with all that belongs to it, or the folder is refused: half a set could not be installed.
"""

import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from lab.commands import run
from lab.errors import LabError

VARIABLE = "LAB_DOCKER_PACKAGES"

ENGINE = "docker-ce"

OF_ONE_VERSION = (ENGINE, "docker-ce-cli")
"""Docker gives these the same version."""

OF_ANY_VERSION = ("containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
"""These have versions of their own; the newest goes with every engine."""


@dataclass(frozen=True)
class Package:
    """A `.deb` file."""

    name: str
    version: str
    architecture: str
    path: Path


@dataclass(frozen=True)
class OwnPackages:
    """What a folder offers; nothing without a folder.

    digest: changes with whatever is in the packages
    """

    packages: tuple[Package, ...] = ()
    digest: str = ""

    @property
    def engines(self) -> tuple[str, ...]:
        """Versions of the engine, such as `29.7.2`."""
        return tuple(upstream(one.version) for one in self.packages if one.name == ENGINE)

    def put_into(self, pool: Path) -> None:
        """Copy them; they take the place of packages with the same name and version."""
        mine = {(one.name, one.version) for one in self.packages}
        for path in pool.glob("*.deb"):
            if _identity(path)[:2] in mine:
                path.unlink()
        for one in self.packages:
            shutil.copy2(one.path, pool)


def upstream(version: str) -> str:
    """Docker's own number in a package's version.

    Raises LabError where there is none.
    """
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", version)
    if not found:
        raise LabError(f'"{version}" is no version of a package of Docker\'s')
    return found[1]


def own_packages(folder: str, architecture: str) -> OwnPackages:
    """The packages in a folder, or in the one that the environment names.

    Raises LabError: naming what is missing, all at once.
    """
    named = folder or os.environ.get(VARIABLE, "")
    if not named:
        return OwnPackages()
    place = Path(os.path.expanduser(named))  # pathlib's own raises for the home of nobody
    paths = sorted(place.glob("*.deb"))
    if not paths:
        raise LabError(
            f"{place} holds no .deb files: download Docker's packages for this machine's release"
            f" ({', '.join((*OF_ONE_VERSION, *OF_ANY_VERSION))})"
        )
    packages = tuple(Package(*_identity(path), path) for path in paths)
    if problems := _problems(packages, architecture):
        raise LabError(
            f"{place} cannot be offered to the hosts:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
        )
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return OwnPackages(packages, digest.hexdigest())


def _problems(packages: tuple[Package, ...], architecture: str) -> list[str]:
    found = [
        f"{one.path.name} is for {one.architecture}; the hosts are {architecture}"
        for one in packages
        if one.architecture not in (architecture, "all")
    ]
    versions = {name: {one.version for one in packages if one.name == name} for name in _names()}
    for version in sorted(set().union(*(versions[name] for name in OF_ONE_VERSION))):
        found += [
            f"{name} {version} is missing"
            for name in OF_ONE_VERSION
            if version not in versions[name]
        ]
    if not versions[ENGINE]:
        found.append(f"there is no {ENGINE}")
    found += [f"there is no {name}" for name in OF_ANY_VERSION if not versions[name]]
    return found


def _names() -> tuple[str, ...]:
    return (*OF_ONE_VERSION, *OF_ANY_VERSION)


def _identity(path: Path) -> tuple[str, str, str]:
    """Name, version and architecture."""
    said = run(["dpkg-deb", "-W", "--showformat=${Package} ${Version} ${Architecture}", path])
    name, version, architecture = said.split()
    return name, version, architecture
