"""The Linux distribution this machine runs, and where it gets packages from.

The hosts' packages come from the same sources, so nothing here names a mirror.
"""

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lab.commands import run
from lab.errors import LabError

ARM64 = "arm64"
"""dpkg's name of the architecture that hosts may have besides this machine's."""


@dataclass(frozen=True)
class Source:
    """One suite of an apt archive.

    uri: the archive
    suite: such as `trixie-updates`
    component: such as `main`
    signed_by: keyring of the archive; empty for apt's default ones
    """

    uri: str
    suite: str
    component: str
    signed_by: str

    def line(self) -> str:
        """As one line of `sources.list`."""
        option = f"[signed-by={self.signed_by}] " if self.signed_by else ""
        return f"deb {option}{self.uri} {self.suite} {self.component}"


@dataclass(frozen=True)
class Release:
    """A distribution's release.

    distribution: `debian` or `ubuntu`
    version: such as `13`
    codename: such as `trixie`
    architecture: dpkg's name, such as `amd64`
    sources: the machine's own apt sources of this release
    """

    distribution: str
    version: str
    codename: str
    architecture: str
    sources: tuple[Source, ...]

    def of(self, architecture: str) -> "Release":
        """The same release for another architecture, from the same archives."""
        return replace(self, architecture=architecture)

    def following(self) -> tuple[Source, ...]:
        """Where the next release would be found on the same archives."""
        return tuple(
            replace(source, suite="testing")
            for source in self.sources
            if source.suite == self.codename and self.distribution == "debian"
        )


def machine_release() -> Release:
    """Read the release from this machine.

    Raises LabError when its apt has no sources for the release it runs.
    """
    system = platform.freedesktop_os_release()
    codename = system.get("VERSION_CODENAME", "")
    targets = run(
        [
            *("apt-get", "indextargets", "--format"),
            *("$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)", "Created-By: Packages"),
        ]
    )
    found = _sources(targets.splitlines(), codename)
    if not found:
        raise LabError(
            f"apt on this machine has no sources for the release it runs ({codename or 'unnamed'});"
            " the lab's hosts would have no packages. Add them under /etc/apt/sources.list.d."
        )
    return Release(
        distribution=system.get("ID", ""),
        version=system.get("VERSION_ID", ""),
        codename=codename,
        architecture=run(["dpkg", "--print-architecture"]).strip(),
        sources=found,
    )


def _sources(targets: Iterable[str], codename: str) -> tuple[Source, ...]:
    """The targets that belong to `codename`, each once."""
    found: dict[Source, None] = {}
    for target in targets:
        uri, suite, component, signed_by = target.split("|")
        if codename and re.fullmatch(rf"{re.escape(codename)}(-(updates|security))?", suite):
            found[Source(uri, suite, component, "" if "$" in signed_by else signed_by)] = None
    return tuple(found)


def write_sources(sources: Iterable[Source], path: Path) -> None:
    """Write a `sources.list`."""
    path.write_text("".join(source.line() + "\n" for source in sources))
