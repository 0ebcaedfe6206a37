"""Docker from its own repository: one version everywhere, held, configured, running."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.facts import Installation, Offered, PublishedKey
from pyinfra_swarm.docker.plan import (
    DAEMON_JSON,
    FORWARDING,
    KEYRING,
    PACKAGES,
    SOURCES,
    UNIT_DROP_IN,
    UNIT_DROP_IN_CONTENT,
    Engine,
    accepted_key,
    daemon_json,
    key_url,
    members,
    plan_daemon,
    plan_packages,
    plan_repository,
    restart_needed,
    restart_stopped,
    same_configuration,
    sources,
    wanted_version,
)
from pyinfra_swarm.engine.api import RESET_FAILED, RESTART, WITHIN
from pyinfra_swarm.engine.versions import engine_version
from pyinfra_swarm.firewall.host_files import UNIT as FIREWALL
from pyinfra_swarm.keys.unlock_operations import after_restart, unlockable
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.nodes.observing import memberships
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
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.shell import write_file
from pyinfra_swarm.swarm.plan import may_restart

if TYPE_CHECKING:
    from pyinfra_swarm.nodes.membership import Observed
    from pyinfra_swarm.settings import Settings

APT = """\
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt() {
  apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \\
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
"""
"""Shell: ``apt ARGS`` waits for another apt to finish, asks nothing, keeps changed files."""


@converges("docker")
def repository(settings: Settings) -> Commands:
    """Docker's own apt repository, its key checked against the pinned fingerprint before use.

    + settings: the cluster's settings.

    Where Docker is still to be installed, apt's lists are refreshed, so that every host knows
    what it can have before any of them chooses a version.
    """
    engine = observe(Installation)
    findings = plan_repository(settings, engine)
    due = report("docker", findings)
    if not due and engine.complete:
        return
    if not engine.curl:
        yield script(f"{APT}apt update && apt install -y curl ca-certificates", timeout=600)
    steps: list[str] = []
    if any(finding.what == "Docker's apt key" for finding in findings) and is_executing():
        url = key_url(settings, engine)
        published = observe(PublishedKey, url=url)
        if published.error:
            yield fail(
                f"Docker's apt key could not be fetched from {url}: {published.error}. "
                "Is the repository reachable from this host (network, DNS, proxy, clock)? "
                "Nothing was installed"
            )
            return
        key = accepted_key(published.text, settings)
        if isinstance(key, Refusal):
            report("docker", [key])
            return
        # Never the text as it came: what reads it later may find more in it than was judged.
        steps.append(write_file(KEYRING, key.armoured))
    if engine.stale:
        steps.append(_REMOVE_STALE + shlex.join(engine.stale))
    if engine.sources != sources(settings, engine):
        steps.append(write_file(SOURCES, sources(settings, engine)))
    if not engine.complete:
        progress("reading the package lists")
        steps.append(f"{APT}apt update")
    yield script("\n".join(steps), timeout=600)


_REMOVE_STALE = """\
remove() {
  for file in "$@"; do
    case "$file" in
      *keyring*|*.gpg|*trusted.gpg.d*) rm -f "$file";;
      *.sources)
        awk '
          /^[ \\t]*$/ { end(); next }
          { stanza = stanza $0 "\\n"; if (!/^#/ && /download\\.docker\\.com/) docker = 1 }
          END { end() }
          function end() {
            if (stanza != "" && !docker) { printf "%s%s", blank, stanza; blank = "\\n" }
            stanza = ""; docker = 0
          }' "$file" > "$file.new"
        if [ -s "$file.new" ]; then cat "$file.new" > "$file"; else rm "$file"; fi
        rm "$file.new";;
      *) sed -i '/download\\.docker\\.com/d' "$file"; [ -s "$file" ] || rm "$file";;
    esac
  done
}
remove """
"""Shell: takes Docker's entries out of apt's files, and leaves whatever else is in them."""


@converges("docker")
def installed(settings: Settings) -> Commands:
    """The five packages, of one version on every host, held; declared admins in group docker.

    + settings: the cluster's settings.

    A host without Docker gets the declared version, else the one that the cluster runs, else the
    newest that all hosts can have. Changing the engine of a host that is in a swarm is not this
    operation's business.
    """
    me = this_host(settings)
    engine = observe(Installation)
    in_swarm = not observe(State).in_none
    version = _wanted(settings, engine)
    findings = plan_packages(settings, me, engine, version, in_swarm=in_swarm)
    if not report("docker", findings):
        return
    steps: list[str] = []
    if engine.drop_in != UNIT_DROP_IN_CONTENT:
        steps.append(write_file(UNIT_DROP_IN, UNIT_DROP_IN_CONTENT))
    if engine.complete and (engine.drop_in != UNIT_DROP_IN_CONTENT or engine.reload_needed):
        steps.append("systemctl daemon-reload")
    if not engine.complete or (version and engine.version != version and not in_swarm):
        exact = None
        if is_executing():
            offered = observe(Offered).versions
            if not apt_name(version, offered):
                progress("apt's lists do not have it: fetching them anew")
                yield script(FETCH_LISTS_ANEW, timeout=600)
                offered = observe(Offered).versions
            exact = apt_name(version, offered)
        if is_executing() and (exact is None or version is None):
            names = ", ".join(dict.fromkeys(map(engine_version, offered))) or "none at all"
            yield fail(
                f"Docker {version or ''} cannot be installed: the repository offers {names}. "
                "Is it reachable (`apt-get update`), and is docker.version one that it has?"
            )
            return
        if engine.daemon_json is None:
            # Written before the engine starts for the first time, it costs no restart. Additions
            # of the user's come later: only the installed engine can judge them.
            first = daemon_json(settings, version or "0", extras=False)
            steps.append(write_file(DAEMON_JSON, first))
        progress(f"installing Docker {version} (this takes a while on a small board)")
        steps.append(installation(exact or ""))
    elif not all(package.held for package in engine.packages.values()):
        steps.append(_HOLD)
    newcomers = [name for name in members(settings, me) if name not in engine.group]
    steps += [f"usermod -aG docker {name}" for name in newcomers]
    yield script("\n".join(steps), timeout=1800)


FETCH_LISTS_ANEW = f"{APT}rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin\napt update"
"""Shell: a power cut can leave lists behind that are empty, and that apt holds for up to date."""


def apt_name(version: str | None, offered: Sequence[str]) -> str | None:
    """apt's name of this engine's version, where it offers it."""
    return next((text for text in offered if engine_version(text) == version), None)


_HOLD = "printf '%s hold\\n' " + " ".join(PACKAGES) + " | dpkg --set-selections"


def installation(version: str, *, only_fetch: bool = False) -> str:
    """Shell: the packages, the engine's in this version (apt's name of it), completed and held.

    only_fetch: they are left in apt's store, for later.
    """
    packages = " ".join(
        f"{name}={version}" if name in ("docker-ce", "docker-ce-cli") else name for name in PACKAGES
    )
    options = "--no-install-recommends --allow-downgrades --allow-change-held-packages"
    # After a power cut in the middle of dpkg's work apt does not even fetch; and the old engine
    # may have failed so often, with what is meant for the new one, that systemd starts none.
    begin = f"{APT}{RESET_FAILED}\ndpkg --configure -a\n"
    if only_fetch:
        return f"{begin}apt install -y --download-only {options} {packages}"
    return f"{begin}apt install -y {options} {packages}\n{_HOLD}"


def _wanted(settings: Settings, engine: Engine) -> str | None:
    """The version this host is to have; asks every host what it can have only where it must."""
    said = {name: found for name, found in observe_all(Installation).items() if found}
    # What one worker says must not choose the version of all hosts that have none yet.
    ours = {host.name: said[host.name] for host in settings.managers if host.name in said}
    engines = ours if any(found.complete and found.version for found in ours.values()) else said
    if engine.complete or settings.docker.version:
        return wanted_version(settings, engine, engines.values(), [])
    known = wanted_version(settings, engine, engines.values(), [])
    if known or not is_executing():
        return known  # before the repository is set up nobody knows what it offers
    offers = [offer.versions for offer in observe_all(Offered).values() if offer and offer.versions]
    return wanted_version(settings, engine, engines.values(), offers)


@converges("docker")
def followers(settings: Settings) -> Commands:
    """:func:`daemon`, on managers that do not lead: their restarts come before the leader's.

    + settings: the cluster's settings.

    Call it with ``_serial=True``, before :func:`daemon`.
    """
    yield from _daemon(settings, followers=True)


@converges("docker")
def daemon(settings: Settings) -> Commands:
    """``daemon.json`` as declared, read by a running daemon that starts at boot.

    + settings: the cluster's settings.

    Call it with ``_serial=True``: where a restart is needed it happens on one host at a time, only
    while the other managers keep a quorum, and the next host waits until this one is back. After a
    node that does not come back no other is restarted.
    """
    yield from _daemon(settings)


_not_back = ""
"""The node whose engine is being restarted, and, where it does not come back, stays so named."""


def _daemon(settings: Settings, *, followers: bool = False) -> Commands:
    global _not_back
    observe_ahead(Installation)
    engine = observe(Installation)
    wanted = daemon_json(settings, engine.version or "0")
    due = engine.complete and engine.running and restart_needed(engine, wanted)
    if followers and not (due and _follows()):
        current_host().noop("docker: not before the other managers")
        return
    findings = plan_daemon(settings, engine)
    if not report("docker", [*findings, *(_refusals(settings) if due else [])]):
        return
    if not same_configuration(engine.daemon_json, wanted):
        yield script(
            f"umask 022; mkdir -p /etc/docker; trap 'rm -f {DAEMON_JSON}.new' EXIT\n"
            f"cat > {DAEMON_JSON}.new\n"
            f"dockerd --validate --config-file {DAEMON_JSON}.new >&2\n"
            f"sync {DAEMON_JSON}.new\nmv {DAEMON_JSON}.new {DAEMON_JSON}",
            stdin=wanted,
        )
    if any(finding.what == FORWARDING for finding in findings):
        yield script(f"sysctl -qw {FORWARDING}=1")
    if engine.running and not due:
        if not engine.enabled:
            yield script("systemctl enable docker.service")
        return
    if due and (refused := _refusals(settings)):  # what was asked first is some seconds old
        report("docker", refused)
    before = observe(State)
    if is_executing() and before.in_swarm:
        _not_back = current_host().name
    progress("restarting Docker" if engine.running else "starting Docker")
    waits = f"systemctl --quiet is-failed {FIREWALL}" if settings.firewall.enabled else "false"
    yield script(
        "systemctl daemon-reload; systemctl enable docker.service\n"
        f"{RESTART} || {waits} || "
        "{ journalctl -u docker.service -n 20 --no-pager >&2; exit 1; }",
        timeout=300,
    )
    if not observe(Installation).running:
        report(
            "docker",
            [
                Notice(
                    "docker.service",
                    "waits for the firewall, whose rules could not be loaded",
                    remedy="deploys/firewall.py mends them, and starts it",
                )
            ],
        )
        return
    yield from after_restart(settings)
    if before.in_swarm:
        yield script(_BACK_IN_SWARM + ("manager" if before.manager else "worker"), timeout=180)
        _not_back = ""


def _follows() -> bool:
    """Whether this host is a manager that does not lead."""
    own = observe(State)
    return any(node.id == own.node and not node.leader for node in own.nodes or ())


def _refusals(settings: Settings) -> list[Finding]:
    """Why this host's engine must not be restarted now, if it must not."""
    own, me = observe(State), current_host().name
    if not own.in_swarm:
        return []
    if _not_back:
        return [restart_stopped(_not_back)]
    # A manager lists the nodes as the leader does; only one that cannot needs the others.
    alone = (own.controls and settings.host(me).is_manager) or not own.manager
    observed: Observed = {me: own} if alone else memberships()
    refusal = may_restart(settings, observed, me) or unlockable(settings)
    return [refusal] if refusal else []


_BACK_IN_SWARM = (
    WITHIN
    + """\
back() {
  state=$(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null) || return 1
  [ "$state" = active ] || return 1
  [ "$1" = worker ] && return
  status=$(docker node inspect self --format '{{.ManagerStatus.Reachability}}' 2>/dev/null)
  [ "$status" = reachable ]
}
pause=2
wait_for() {
  within 120 back "$1" || {
    docker info 2>&1 | tail -n 3 >&2
    echo "after 120 s this node is not back in the swarm (journalctl -u docker)" >&2
    exit 1
  }
}
wait_for """
)
"""Shell: waits until this node is an active one again, and as a manager a reachable one."""
