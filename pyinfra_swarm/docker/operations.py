"""Docker from its own repository: one version everywhere, held, configured, running."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.apt_key import WriteKey, accepted_key
from pyinfra_swarm.docker.daemon import (
    UNIT_DROP_IN_CONTENT,
    EnableAtBoot,
    RestartDaemon,
    StartDaemon,
    SwitchForwardingOn,
    WriteConfiguration,
    not_yet,
    plan_daemon,
    restart_stopped,
)
from pyinfra_swarm.docker.facts import Installation, Offered, PublishedKey
from pyinfra_swarm.docker.installation import PACKAGES, Engine
from pyinfra_swarm.docker.packages import (
    AddToGroup,
    Hold,
    Install,
    RecordConfiguration,
    apt_name,
    plan_packages,
    wanted_version,
)
from pyinfra_swarm.docker.paths import DAEMON_JSON, KEYRING, SOURCES, UNIT_DROP_IN
from pyinfra_swarm.docker.repository import (
    InstallCurl,
    RemoveOldEntries,
    WriteSources,
    plan_repository,
)
from pyinfra_swarm.engine.api import THIS_ENGINE, WITHIN
from pyinfra_swarm.engine.versions import engine_version
from pyinfra_swarm.floating_address.handing_on_operations import given_up, taken_back
from pyinfra_swarm.host.units import FIREWALL
from pyinfra_swarm.keys.restart_operations import after_restart, unlockable
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.quorum import may_restart
from pyinfra_swarm.run import clock, durations
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    current_host,
    fail,
    is_executing,
    observe,
    observe_ahead,
    observe_all,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import ENGINE, Finding, Notice, Refusal, changes, unhandled
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.pyinfra_internals import PyinfraCommand
from pyinfra_swarm.run.writing import write_file

if TYPE_CHECKING:
    from pyinfra_swarm.nodes.membership import Observed
    from pyinfra_swarm.settings import Settings

_APT = program(__file__, "apt.sh")


@converges("docker")
def repository(settings: Settings) -> Commands:
    """Docker's own apt repository, its key checked against the pinned fingerprint before use.

    Where Docker is still to be installed, apt's lists are refreshed, so that every host knows
    what it can have before any of them chooses a version.
    """
    engine = observe(Installation)
    findings = plan_repository(settings, engine)
    if not report("docker", findings) and engine.complete:
        return
    steps: list[str] = []
    for step in changes(findings):
        match step:
            case InstallCurl():
                install = f"{_APT}apt update && apt install -y curl ca-certificates"
                yield script(install, timeout=600)
            case WriteKey(url=url):
                if is_executing():
                    key = yield from _published_key(settings, url)
                    if key is None:
                        return
                    steps.append(write_file(KEYRING, key))
            case RemoveOldEntries(files=files):
                remove = program(__file__, "remove_old_entries.sh", files=" ".join(files))
                steps.append(remove)
            case WriteSources(content=content):
                steps.append(write_file(SOURCES, content))
            case _:
                raise unhandled(step)
    if not engine.complete:
        progress("reading the package lists")
        steps.append(f"{_APT}apt update")
    yield script("\n".join(steps), timeout=600)


def _published_key(settings: Settings, url: str) -> Generator[PyinfraCommand, None, str | None]:
    """The key at this address, judged, in the form that is written; ``None`` where that failed.

    Never the text as it came: what reads it later may find more in it than was judged.
    """
    published = observe(PublishedKey, url=url)
    if published.error:
        yield fail(
            f"Docker's apt key could not be fetched from {url}: {published.error}. "
            "Is the repository reachable from this host (network, DNS, proxy, clock)? "
            "Nothing was installed"
        )
        return None
    key = accepted_key(published.text, settings)
    if isinstance(key, Refusal):
        report("docker", [key])
        return None
    return key.armoured


@converges("docker")
def installed(settings: Settings) -> Commands:
    """The five packages, of one version on every host, held; declared admins in group docker.

    A host without Docker gets the declared version, else the one that the cluster runs, else the
    newest that all hosts can have. On a host that is in a swarm the version stays as it is:
    :mod:`rolling.upgrade_operations` changes it.
    """
    engine = observe(Installation)
    in_swarm = not observe(State).in_none
    version = _wanted(settings, engine)
    findings = plan_packages(settings, this_host(settings), engine, version, in_swarm=in_swarm)
    if not report("docker", findings):
        return
    steps: list[str] = []
    for step in changes(findings):
        match step:
            case RecordConfiguration(reload=reload):
                steps.append(write_file(UNIT_DROP_IN, UNIT_DROP_IN_CONTENT))
                if reload:
                    steps.append("systemctl daemon-reload")
            case Install(version=version, first_configuration=configuration):
                exact = yield from _offered(version)
                if exact is None:
                    return
                if configuration is not None:
                    # Written before the engine starts for the first time, it costs no restart.
                    # Additions of the user's come later: only the installed engine can judge them.
                    steps.append(write_file(DAEMON_JSON, configuration))
                progress(f"installing Docker {version} (this takes a while on a small board)")
                steps.append(installation(exact))
            case Hold():
                steps.append(f"printf '%s hold\\n' {_NAMES} | dpkg --set-selections")
            case AddToGroup(users=users):
                steps += [f"usermod -aG docker {name}" for name in users]
            case _:
                raise unhandled(step)
    yield script("\n".join(steps), timeout=1800)


_NAMES = " ".join(PACKAGES)


def _offered(version: str | None) -> Generator[PyinfraCommand, None, str | None]:
    """apt's name of this version; ``None``, and the host has failed, where it offers none.

    Empty while the change is only planned.
    """
    if not is_executing():
        return ""
    offered = observe(Offered).versions
    if not apt_name(version, offered):
        progress("apt's lists do not have it: fetching them again")
        yield script(FETCH_LISTS_AGAIN, timeout=600)
        offered = observe(Offered).versions
    exact = apt_name(version, offered)
    if exact is None:
        names = ", ".join(dict.fromkeys(map(engine_version, offered))) or "none at all"
        yield fail(
            f"Docker {version or ''} cannot be installed: the repository offers {names}. "
            "Is it reachable (`apt-get update`), and does it have docker.version?"
        )
    return exact


FETCH_LISTS_AGAIN = f"{_APT}rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin\napt update"
"""Shell: a power cut can leave empty lists behind, which apt takes for up to date."""


def installation(version: str, *, only_fetch: bool = False) -> str:
    """Shell: the packages, the engine's in this version (apt's name of it), completed and held.

    only_fetch: they are left in apt's store, for later.
    """
    packages = " ".join(
        f"{name}={version}" if name in ("docker-ce", "docker-ce-cli") else name for name in PACKAGES
    )
    return program(
        __file__,
        "install.sh",
        using=[_APT],
        packages=packages,
        names=_NAMES,
        only_fetch="yes" if only_fetch else "no",
    )


def _wanted(settings: Settings, engine: Engine) -> str | None:
    """The version this host is to have; asks every host what it can have only where it must."""
    seen = {name: found for name, found in observe_all(Installation).items() if found}
    # What one worker says must not choose the version of all hosts that have none yet.
    managers = {host.name: seen[host.name] for host in settings.managers if host.name in seen}
    decide = any(found.complete and found.version for found in managers.values())
    engines = managers if decide else seen
    if engine.complete or settings.docker.version:
        return wanted_version(settings, engine, engines.values(), [])
    known = wanted_version(settings, engine, engines.values(), [])
    if known or not is_executing():
        return known  # what it offers is not known before the repository is set up
    offers = [offer.versions for offer in observe_all(Offered).values() if offer and offer.versions]
    return wanted_version(settings, engine, engines.values(), offers)


@converges("docker")
def followers(settings: Settings) -> Commands:
    """:func:`daemon`, on managers that do not lead: their restarts come before the leader's.

    Call it with ``_serial=True``, before :func:`daemon`.
    """
    yield from _daemon(settings, followers=True)


@converges("docker")
def daemon(settings: Settings) -> Commands:
    """``daemon.json`` as declared, read by a running daemon that starts at boot.

    Call it with ``_serial=True``: where a restart is needed it happens on one host at a time, only
    while the other managers keep a quorum, and the next host waits until this one is back. After a
    node that does not come back no other is restarted.
    """
    yield from _daemon(settings)


@dataclass
class _Restarts:
    """not_back: the node whose engine is being restarted, until it is back."""

    not_back: str = ""


def _daemon(settings: Settings, *, followers: bool = False) -> Commands:
    observe_ahead(Installation)
    seen = observe(Installation)
    later = not_yet(settings, seen)
    if later and not observe(State).in_swarm:
        later = []  # nothing runs on it that a restart would stop for everybody
    findings = plan_daemon(settings, seen, later)
    restarts = any(isinstance(finding, RestartDaemon) for finding in findings)
    if followers and not (restarts and _follows()):
        current_host().noop("docker: not before the other managers")
        return
    if not report("docker", [*findings, *(_refusals(settings) if restarts else [])]):
        return
    for step in changes(findings):
        match step:
            case WriteConfiguration(content=content):
                yield write_daemon_json(content)
            case SwitchForwardingOn():
                yield script("sysctl -qw net.ipv4.ip_forward=1")
            case EnableAtBoot():
                yield script("systemctl enable docker.service")
            case StartDaemon():
                progress("starting Docker")
                yield from _restart(settings)
            case RestartDaemon():
                if refused := _refusals(settings):  # what was asked first is some seconds old
                    report("docker", refused)
                progress("restarting Docker")
                yield from _restart(settings, interrupts=True)
            case _:
                raise unhandled(step)


def write_daemon_json(content: str) -> PyinfraCommand:
    """``daemon.json`` gets this content, once the engine has found it valid."""
    return script(program(__file__, "write_daemon_json.sh", path=DAEMON_JSON), stdin=content)


def _restart(settings: Settings, *, interrupts: bool = False) -> Commands:
    """The engine is started or restarted, and a node waited for until it is back in its swarm.

    interrupts: it runs now, so how long it is away is remembered, for the plan of the next time.
    """
    before, begun = observe(State), clock.now()
    if is_executing() and before.in_swarm:
        this_run(_Restarts).not_back = current_host().name
        yield from given_up(settings)
    firewall = FIREWALL if settings.firewall.enabled else ""
    yield script(program(__file__, "restart.sh", may_wait_for=firewall), timeout=300)
    if not observe(Installation).running:
        report(
            "docker",
            [
                Notice(
                    "docker.service",
                    "waits for the firewall, whose rules could not be loaded",
                    remedy="Run deploys/firewall.py: it repairs the rules and starts Docker",
                )
            ],
        )
        return
    yield from after_restart(settings)
    if before.in_swarm:
        role = "manager" if before.manager else "worker"
        yield script(back_in_swarm(role), timeout=180)
        yield from taken_back(settings)
        this_run(_Restarts).not_back = ""
    if interrupts:
        durations.keep(ENGINE, clock.now() - begun)


def _follows() -> bool:
    """Whether this host is a manager that does not lead."""
    own = observe(State)
    return any(node.id == own.node and not node.leader for node in own.nodes or ())


def _refusals(settings: Settings) -> list[Finding]:
    """Why this host's engine must not be restarted now, if it must not."""
    own, me = observe(State), current_host().name
    if not own.in_swarm:
        return []
    if not_back := this_run(_Restarts).not_back:
        return [restart_stopped(not_back)]
    # A manager lists the nodes as the leader does; only one that cannot needs the others.
    alone = (own.controls and settings.host(me).is_manager) or not own.manager
    observed: Observed = {me: own} if alone else memberships()
    refusal = may_restart(settings, observed, me) or unlockable(settings)
    return [refusal] if refusal else []


def back_in_swarm(role: str) -> str:
    """Shell: waits until this node is an active one again, and as a manager a reachable one."""
    return program(__file__, "back_in_swarm.sh", using=[THIS_ENGINE, WITHIN], role=role)
