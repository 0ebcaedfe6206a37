"""Docker brought to the declared version in a running swarm, one node at a time."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.daemon import daemon_json
from pyinfra_swarm.docker.facts import Installation, Offered
from pyinfra_swarm.docker.operations import FETCH_LISTS_AGAIN, installation
from pyinfra_swarm.docker.packages import apt_name
from pyinfra_swarm.docker.paths import DAEMON_JSON
from pyinfra_swarm.rolling.jobs import Options, Roll
from pyinfra_swarm.rolling.operations import Job, look
from pyinfra_swarm.rolling.plan import unready
from pyinfra_swarm.rolling.restart_operations import RESTARTED
from pyinfra_swarm.rolling.stages import stages
from pyinfra_swarm.rolling.upgrade import upgrade
from pyinfra_swarm.run.converge import (
    Commands,
    Refused,
    fail,
    is_executing,
    job,
    observe,
    observe_all,
    progress,
    report,
    script,
)
from pyinfra_swarm.run.findings import Change, Refusal, refusals

if TYPE_CHECKING:
    from pyinfra_swarm.nodes.membership import Observed
    from pyinfra_swarm.settings import Settings

_asked: set[str] = set()
"""The hosts whose package lists this run has seen to: what they offer is what the repository has.
"""

_ready: set[str] = set()
"""The hosts that have the packages, and whose configuration the new engine takes."""


def _roll(settings: Settings, observed: Observed, given: Options, begun: float) -> Roll:
    engines = observe_all(Installation)
    wanted = settings.docker.version
    behind = any(e and (e.version != wanted or not e.running) for e in engines.values())
    offers: dict[str, tuple[str, ...] | None] = {}
    if behind:
        known = observe_all(Offered)
        offers = {name: offer.versions if offer else None for name, offer in known.items()}
    return upgrade(settings, observed, engines, offers, given, fetched=_asked)


def _change(settings: Settings, given: Options) -> Commands:
    version = settings.docker.version
    exact = apt_name(version, observe(Offered).versions)
    if exact is None:
        yield fail(f"the repository does not offer Docker {version} to this host any longer")
        return
    progress(f"installing Docker {version} (this takes a while on a small board)")
    # The engine is stopped first, so that the old one does not read what is meant for the new one,
    # and so that the package starts it once, with its own configuration.
    yield script(
        f"umask 022; mkdir -p /etc/docker; cat > {DAEMON_JSON}.new; sync {DAEMON_JSON}.new\n"
        "systemctl stop docker.socket 2>/dev/null || true\n"
        "systemctl stop docker.service\n"
        f"mv {DAEMON_JSON}.new {DAEMON_JSON}\n"
        f"{installation(exact)}\n"
        f"systemctl start docker.service || {RESTARTED}",
        stdin=daemon_json(settings, version),
        timeout=1800,
    )


def _unready(roll: Roll, among: Collection[str]) -> list[Refusal]:
    return unready(roll, among, _ready)


JOB = Job("upgrade", _roll, _change, lambda settings: settings.docker.version, _unready)


@job("upgrade")
def fetched(settings: Settings) -> Commands:
    """Every node can have the declared version: fetched, and its configuration judged by it.

    + settings: the cluster's settings.

    Done on all before the first is touched. The new engine itself judges ``daemon.json``
    (``dockerd --validate``), out of the package that was fetched, without being installed.
    """
    outlook = look(settings, JOB, planning=True)
    refused = refusals(outlook.findings)
    if refused:
        report("upgrade", list(refused))
    name, wanted = outlook.me.name, settings.docker.version
    if name not in outlook.roll.work:
        return
    report(
        "upgrade",
        [
            Change(
                "Docker's packages",
                "are fetched, and daemon.json is judged by the new engine, before any node is "
                "touched",
                expected=wanted,
            )
        ],
    )
    if is_executing() and apt_name(wanted, observe(Offered).versions) is None:
        progress("apt's lists do not have it: fetching them again")
        yield script(FETCH_LISTS_AGAIN, timeout=600)
    _see_to(name)
    exact = apt_name(wanted, observe(Offered).versions)
    if is_executing() and exact is None:
        refused = refusals(look(settings, JOB, planning=True).findings)
        report("upgrade", list(refused))
        raise Refused(f"Docker {wanted} is not offered to this host")
    progress(f"fetching Docker {wanted}")
    yield script(
        _FETCH.format(
            install=installation(exact or "", only_fetch=True),
            package=f"docker-ce_{(exact or '').replace(':', '%3a')}",
            # Where apt keeps its packages elsewhere, the new engine judges when it starts.
            judge="dockerd" if observe(Installation).version == wanted else "true",
        ),
        stdin=daemon_json(settings, wanted),
        timeout=1800,
    )
    if is_executing():
        _ready.add(name)


def _see_to(name: str) -> None:
    if is_executing():
        _asked.add(name)


_FETCH = """\
folder=/var/lib/pyinfra-swarm/upgrade
rm -rf $folder; mkdir -p $folder; trap 'rm -rf '$folder EXIT
cat > $folder/daemon.json
{install}
judge={judge}
for package in /var/cache/apt/archives/{package}_*.deb; do
  [ -e "$package" ] || continue
  dpkg-deb --fsys-tarfile "$package" | tar -x -C $folder --wildcards './usr/*bin/dockerd'
  judge=$(echo $folder/usr/*bin/dockerd)
done
"$judge" --validate --config-file $folder/daemon.json >&2
"""
"""Shell: fetches the packages and lets the engine in them judge the configuration."""

unfinished, managers, leader, workers = stages(JOB)
