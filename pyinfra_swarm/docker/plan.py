"""Docker on a host: what is declared, what was observed, and the difference, with reasons."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyinfra_swarm.docker.openpgp import PublicKey, Unreadable, read_key
from pyinfra_swarm.engine.versions import engine_version, major, newest
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.observation import Observation

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings

PACKAGES = (
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
)
"""What is installed and held. The first two carry the engine's version."""

SOURCES = "/etc/apt/sources.list.d/docker.sources"
KEYRING = "/etc/apt/keyrings/docker.asc"
DAEMON_JSON = "/etc/docker/daemon.json"
LOADED_JSON = "/run/pyinfra-swarm/daemon.json"
FORWARDING = "net.ipv4.ip_forward"
UNIT_DROP_IN = "/etc/systemd/system/docker.service.d/pyinfra-swarm.conf"

UNIT_DROP_IN_CONTENT = f"""\
# Written by pyinfra-swarm. Keeps what the daemon has read, so that a restart is asked for only
# when the running daemon really differs from the file.
[Service]
ExecStartPre=-/bin/sh -c 'mkdir -p /run/pyinfra-swarm && cp {DAEMON_JSON} {LOADED_JSON} \
|| rm -f {LOADED_JSON}'
"""


@dataclass(frozen=True)
class Package(Observation):
    """An installed package: its version, and whether apt would leave it alone."""

    version: str
    held: bool


@dataclass(frozen=True)
class Engine(Observation):
    """Docker's installation on a host.

    distribution, codename, architecture: as apt names them (``debian``, ``trixie``, ``amd64``).
    packages: those of :data:`PACKAGES` that are installed whole.
    sources, keyring: the content of our own files, empty where absent.
    stale: other apt files that name Docker's repository, and keyrings only they use; shared: old
    keyrings that other sources name as well.
    daemon_json: the file's content, ``None`` where absent; loaded_json: what the running daemon
    has read, ``None`` where it did not say.
    drop_in: the content of our unit drop-in; reload_needed: systemd has not read it yet.
    running, enabled: the docker service; changed_since_start: daemon.json is younger than the
    running daemon (used only where loaded_json is unknown).
    group: the members of group ``docker``.
    forwarding: the kernel passes IPv4 packets on, which the daemon sees to when it starts.
    """

    distribution: str
    codename: str
    architecture: str
    curl: bool
    packages: Mapping[str, Package]
    sources: str
    keyring: str
    stale: tuple[str, ...]
    daemon_json: str | None
    loaded_json: str | None
    drop_in: str
    running: bool
    enabled: bool
    reload_needed: bool
    changed_since_start: bool
    group: tuple[str, ...]
    forwarding: bool = True
    shared: tuple[str, ...] = ()

    @property
    def version(self) -> str | None:
        """The installed engine's version, such as ``28.5.2``."""
        package = self.packages.get("docker-ce")
        return engine_version(package.version) if package else None

    @property
    def complete(self) -> bool:
        """All packages are installed."""
        return all(name in self.packages for name in PACKAGES)


# What is declared
# ----------------


def sources(settings: Settings, engine: Engine) -> str:
    """The deb822 sources file for Docker's repository."""
    return (
        "# Written by pyinfra-swarm.\n"
        "Types: deb\n"
        f"URIs: {settings.docker.repository.rstrip('/')}/{engine.distribution}\n"
        f"Suites: {engine.codename}\n"
        "Components: stable\n"
        f"Architectures: {engine.architecture}\n"
        f"Signed-By: {KEYRING}\n"
    )


def key_url(settings: Settings, engine: Engine) -> str:
    """Where Docker publishes the key of its repository."""
    return f"{settings.docker.repository.rstrip('/')}/{engine.distribution}/gpg"


def daemon_json(settings: Settings, version: str, *, extras: bool = True) -> str:
    """The content of ``daemon.json`` for an engine version.

    ``live-restore`` does not work with swarm, and swarm does not work with the nftables back end,
    so both are pinned; engines before 29 refuse the latter's key, engines before 27 ``ip6tables``.
    extras: with the settings' own additions, which only ``dockerd --validate`` can judge.
    """
    content: dict[str, Any] = {
        "iptables": True,
        "live-restore": False,
        "log-driver": "json-file",
        "log-opts": {
            "max-file": str(settings.docker.log_max_files),
            "max-size": settings.docker.log_max_size,
        },
    }
    if major(version) >= 27:
        content["ip6tables"] = True
    if major(version) >= 29:
        content["firewall-backend"] = "iptables"
    if extras:
        content.update(settings.docker.daemon)
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def members(settings: Settings, host: Host) -> tuple[str, ...]:
    """Who may use Docker without sudo on a host: the declared admins (or the login user)."""
    admins = [admin.name for admin in settings.admins(host)]
    return tuple(
        dict.fromkeys(name for name in [*admins, *settings.docker.users] if name != "root")
    )


def wanted_version(
    settings: Settings,
    engine: Engine,
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
    if engine.version:
        running.add(engine.version)
    if running:
        return newest(running)  # more than one is the preflight's finding
    offers = [set(map(engine_version, offer)) for offer in candidates]
    return newest(set.intersection(*offers)) if offers else None


# The differences
# ---------------


def plan_repository(settings: Settings, engine: Engine) -> list[Finding]:
    """Docker's own apt repository, its key pinned, nothing stale beside it."""
    findings: list[Finding] = []
    if not engine.curl:
        findings.append(Change("package curl", "is needed to talk to the engine's API"))
    findings += _plan_keyring(engine.keyring, settings)
    if engine.sources != sources(settings, engine):
        findings.append(
            Change(
                "Docker's apt repository",
                "is not set up" if not engine.sources else "differs from what is declared",
                expected=f"{settings.docker.repository.rstrip('/')}/{engine.distribution}",
            )
        )
    if engine.stale:
        findings.append(
            Change(
                "apt sources",
                "an older entry for Docker's repository would clash with ours over Signed-By",
                expected="removed",
                found=", ".join(engine.stale),
            )
        )
    if engine.shared:
        findings.append(
            Notice(
                "apt sources",
                "other sources use an old keyring of Docker's, so it stays; Docker's own source "
                "does not use it any more",
                found=", ".join(engine.shared),
                remedy="Give those other sources a keyring of their own, then remove this one",
            )
        )
    return findings


def _plan_keyring(keyring: str, settings: Settings) -> list[Finding]:
    """Apt's file with Docker's key: it holds what is written there, and nothing that it lacks."""
    if not keyring:
        reason, found = "is missing", ""
    else:
        try:
            key = read_key(keyring)
        except Unreadable as error:
            reason, found = f"is not the one that is pinned: its file {error}", ""
        else:
            found = key.fingerprint
            if found != settings.docker.key_fingerprint:
                reason = "is not the one that is pinned"
            elif key.armoured != keyring:
                reason = "is the one that is pinned, but its file is not as it was written"
            else:
                return []
    pinned = settings.docker.key_fingerprint
    return [Change("Docker's apt key", reason, expected=pinned, found=found)]


def plan_packages(
    settings: Settings, host: Host, engine: Engine, version: str | None, *, in_swarm: bool
) -> list[Finding]:
    """The five packages, of one version, held; and who may use Docker."""
    findings: list[Finding] = []
    missing = [name for name in PACKAGES if name not in engine.packages]
    if missing:
        findings.append(
            Change(
                "Docker",
                "is not installed" if len(missing) == len(PACKAGES) else "is installed in part",
                expected=version or "the newest version that every host can have",
                found="" if len(missing) == len(PACKAGES) else f"without {', '.join(missing)}",
            )
        )
    elif version and engine.version != version:
        if in_swarm:
            findings.append(
                Notice(
                    "Docker",
                    "runs another version than declared",
                    expected=version,
                    found=str(engine.version),
                    remedy="deploys/upgrade.py brings the nodes to it, one at a time; this deploy "
                    "leaves them alone",
                )
            )
        else:
            findings.append(
                Change(
                    "Docker",
                    "is of another version than declared, on a host that is in no swarm yet",
                    expected=version,
                    found=str(engine.version),
                )
            )
    unheld = [name for name, package in engine.packages.items() if not package.held]
    if unheld and not missing:
        findings.append(
            Change(
                "Docker's packages",
                "are not held: an unattended upgrade would restart the engine at its own time",
                expected="held",
                found=f"free: {', '.join(unheld)}",
            )
        )
    if engine.drop_in != UNIT_DROP_IN_CONTENT or (engine.running and engine.reload_needed):
        findings.append(Change("docker.service", "does not record what configuration it has read"))
    newcomers = [name for name in members(settings, host) if name not in engine.group]
    if newcomers:
        findings.append(
            Change("group docker", "lacks declared admins", expected=", ".join(newcomers))
        )
    strangers = [name for name in engine.group if name not in members(settings, host)]
    if strangers:
        findings.append(
            Notice(
                "group docker",
                "has members that are not declared, each of them as good as root",
                found=", ".join(strangers),
                remedy="Declare them in docker.users, or remove them with `gpasswd -d USER docker`",
            )
        )
    return findings


def plan_daemon(settings: Settings, engine: Engine) -> list[Finding]:
    """The daemon's configuration, in the file and in the running daemon, and that it runs.

    On a host without Docker only the user's additions are still to come: what is ours is written
    with the installation.
    """
    findings: list[Finding] = []
    if not engine.complete:
        if settings.docker.daemon:
            additions = ", ".join(sorted(settings.docker.daemon))
            findings.append(Change("daemon.json", "has additions declared", expected=additions))
        return findings
    wanted = daemon_json(settings, engine.version or "0")
    if not same_configuration(engine.daemon_json, wanted):
        findings.append(
            Change(
                "daemon.json",
                "is missing" if engine.daemon_json is None else "differs from what is declared",
                expected=_difference(wanted, engine.daemon_json),
                found=_difference(engine.daemon_json, wanted),
            )
        )
    if not engine.running or not engine.enabled:
        findings.append(
            Change(
                "docker.service",
                "is not running" if not engine.running else "does not start at boot",
                expected="running and enabled",
            )
        )
    elif restart_needed(engine, wanted):
        findings.append(
            Change("the running Docker daemon", "has not read the configuration that is declared")
        )
    if engine.running and not engine.forwarding:
        findings.append(
            Change(
                FORWARDING,
                "was switched off since Docker has started: containers reach nothing, and "
                "nothing reaches them",
                expected="1",
                found="0",
            )
        )
    return findings


def restart_needed(engine: Engine, wanted: str) -> bool:
    """Whether the running daemon works with another configuration than the wanted one."""
    if engine.loaded_json is not None:
        return not same_configuration(engine.loaded_json, wanted)
    # The daemon was started without our drop-in: it has read the file, unless that changed since.
    return engine.changed_since_start or not same_configuration(engine.daemon_json, wanted)


def restart_stopped(name: str) -> Refusal:
    """Why no further node's engine is restarted, where that of this host is not back."""
    return Refusal(
        "the running Docker daemon",
        f"is not restarted: {name} has not come back into the swarm since its engine was",
        remedy=f"Bring {name} back (`journalctl -u docker` on it), then run again",
    )


def same_configuration(one: str | None, other: str | None) -> bool:
    """Whether two ``daemon.json`` texts mean the same; a broken one equals nothing."""
    if one is None or other is None:
        return one == other
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


def _difference(one: str | None, other: str | None) -> str:
    """What one ``daemon.json`` says that the other does not."""
    try:
        mine, theirs = (json.loads(text) if text else {} for text in (one, other))
        extra = {key: value for key, value in mine.items() if theirs.get(key) != value}
    except (ValueError, AttributeError):
        return "not valid JSON" if one else ""
    return json.dumps(extra, sort_keys=True) if extra else ""


def accepted_key(published: str, settings: Settings) -> PublicKey | Refusal:
    """The key that the repository publishes, judged before it is used for anything."""
    try:
        key = read_key(published)
        reason, found = "is not the one that is pinned", key.fingerprint
    except Unreadable as error:
        key, reason, found = None, f"is not one public key: the text {error}", "no readable key"
    if key and key.fingerprint == settings.docker.key_fingerprint:
        return key
    return Refusal(
        "Docker's apt key",
        f"what the repository publishes {reason}, so nothing is installed from there",
        expected=settings.docker.key_fingerprint,
        found=found,
        remedy="Compare with the fingerprint in Docker's documentation; if Docker has changed "
        "its key, set docker.key_fingerprint",
    )
