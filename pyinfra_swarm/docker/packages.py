"""Docker's packages, of one version on every host, held; and who may use Docker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.daemon import UNIT_DROP_IN_CONTENT, daemon_json
from pyinfra_swarm.docker.installation import PACKAGES, Engine
from pyinfra_swarm.engine.versions import engine_version, newest
from pyinfra_swarm.run.findings import Change, Finding, Notice

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True, kw_only=True)
class RecordConfiguration(Change):
    """The unit's drop-in is written; reload: systemd has read the unit before, and does so again.

    The installation of a package makes systemd read its unit by itself.
    """

    reload: bool


@dataclass(frozen=True, kw_only=True)
class Install(Change):
    """The packages are installed and held.

    version: the engine's; ``None`` where it is not known before the repository is set up.
    first_configuration: ``daemon.json`` for an engine that has none yet.
    """

    version: str | None
    first_configuration: str | None


@dataclass(frozen=True)
class Hold(Change):
    """The installed packages are held."""


@dataclass(frozen=True, kw_only=True)
class AddToGroup(Change):
    """These users become members of group ``docker``."""

    users: tuple[str, ...]


def members(settings: Settings, host: Host) -> tuple[str, ...]:
    """Who may use Docker without sudo on a host: the declared admins (or the login user)."""
    admins = [admin.name for admin in settings.admins(host)]
    return tuple(
        dict.fromkeys(name for name in [*admins, *settings.docker.users] if name != "root")
    )


def apt_name(version: str | None, offered: Sequence[str]) -> str | None:
    """apt's name of this engine's version; ``None`` where it does not offer it."""
    return next((text for text in offered if engine_version(text) == version), None)


def wanted_version(
    settings: Settings,
    seen: Engine,
    others: Iterable[Engine],
    candidates: Iterable[Iterable[str]],
) -> str | None:
    """The engine version that a host without Docker gets; ``None`` where it is not known yet.

    The declared one; else the one the cluster runs; else the newest that every host can have.
    others: the other hosts' engines; candidates: per host, the versions its repository offers.
    """
    if settings.docker.version:
        return settings.docker.version
    running = {other.version for other in others if other.version and other.complete}
    if seen.version:
        running.add(seen.version)
    if running:
        return newest(running)  # more than one is the preflight's finding
    offers = [set(map(engine_version, offer)) for offer in candidates]
    return newest(set.intersection(*offers)) if offers else None


def plan_packages(
    settings: Settings, host: Host, seen: Engine, version: str | None, *, in_swarm: bool
) -> list[Finding]:
    """What differs from the five packages in this version, held, and from the declared users."""
    findings: list[Finding] = []
    if seen.drop_in != UNIT_DROP_IN_CONTENT or (seen.running and seen.reload_needed):
        findings.append(
            RecordConfiguration(
                "docker.service",
                "does not record which configuration it has read",
                reload=seen.complete,
            )
        )
    findings += _plan_installation(settings, seen, version, in_swarm=in_swarm)
    unheld = [name for name, package in seen.packages.items() if not package.held]
    if unheld and seen.complete:
        findings.append(
            Hold(
                "Docker's packages",
                "not held: an unattended upgrade could restart the engine at any time",
                expected="held",
                found=f"not held: {', '.join(unheld)}",
            )
        )
    declared = members(settings, host)
    missing = tuple(name for name in declared if name not in seen.group)
    if missing:
        findings.append(
            AddToGroup(
                "group docker",
                "lacks declared admins",
                expected=", ".join(missing),
                users=missing,
            )
        )
    undeclared = [name for name in seen.group if name not in declared]
    if undeclared:
        findings.append(
            Notice(
                "group docker",
                "has undeclared members, each as good as root",
                found=", ".join(undeclared),
                remedy="Declare them in docker.users, or remove them with "
                "`sudo gpasswd -d USER docker`",
            )
        )
    return findings


def _plan_installation(
    settings: Settings, seen: Engine, version: str | None, *, in_swarm: bool
) -> list[Finding]:
    first = daemon_json(settings, version or "0", extras=False)
    configuration = first if seen.daemon_json is None else None
    missing = [name for name in PACKAGES if name not in seen.packages]
    if missing:
        some = len(missing) < len(PACKAGES)
        return [
            Install(
                "Docker",
                "is only partly installed" if some else "is not installed",
                expected=version or "the newest version that every host can have",
                found=f"without {', '.join(missing)}" if some else "",
                version=version,
                first_configuration=configuration,
            )
        ]
    if not version or seen.version == version:
        return []
    if in_swarm:
        return [
            Notice(
                "Docker",
                "is not the declared version",
                expected=version,
                found=str(seen.version),
                remedy="deploys/upgrade.py upgrades the nodes, one at a time; this deploy leaves "
                "the version of a node as it is",
            )
        ]
    return [
        Install(
            "Docker",
            "is not the declared version, and the host is in no swarm yet",
            expected=version,
            found=str(seen.version),
            version=version,
            first_configuration=configuration,
        )
    ]
