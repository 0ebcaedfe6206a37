"""Brings Docker to the declared version in a running swarm, one node at a time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.daemon import daemon_json
from pyinfra_swarm.docker.facts import Installation, Offered
from pyinfra_swarm.docker.operations import FETCH_LISTS_AGAIN, installation
from pyinfra_swarm.docker.packages import apt_name
from pyinfra_swarm.docker.paths import DAEMON_JSON
from pyinfra_swarm.rolling.jobs import Options, Roll
from pyinfra_swarm.rolling.operations import Job, look
from pyinfra_swarm.rolling.plan import not_prepared
from pyinfra_swarm.rolling.restart_operations import EXPLAIN
from pyinfra_swarm.rolling.stages import stages
from pyinfra_swarm.rolling.upgrade import upgrade
from pyinfra_swarm.run.context import this_run
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
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.shell import function

if TYPE_CHECKING:
    from pyinfra_swarm.nodes.membership import Observed
    from pyinfra_swarm.settings import Settings


@dataclass
class _Hosts:
    """Hosts by what this run has done on them, by name.

    lists_fresh: it has made sure of their package lists: they offer what the repository has.
    prepared: they have the packages, and the new engine accepts their configuration.
    """

    lists_fresh: set[str] = field(default_factory=set)
    prepared: set[str] = field(default_factory=set)


def _roll(settings: Settings, observed: Observed, given: Options, begun: float) -> Roll:
    engines = observe_all(Installation)
    wanted = settings.docker.version
    behind = any(e and (e.version != wanted or not e.running) for e in engines.values())
    offers: dict[str, tuple[str, ...] | None] = {}
    if behind:
        known = observe_all(Offered)
        offers = {name: offer.versions if offer else None for name, offer in known.items()}
    return upgrade(settings, observed, engines, offers, given, fetched=this_run(_Hosts).lists_fresh)


def _change(settings: Settings, given: Options) -> Commands:
    version = settings.docker.version
    exact = apt_name(version, observe(Offered).versions)
    if exact is None:
        yield fail(f"the repository does not offer Docker {version} to this host any more")
        return
    progress(f"installing Docker {version} (this takes a while on a small board)")
    install = function("install", installation(exact))
    yield script(
        program(__file__, "upgrade_docker.sh", using=[install, EXPLAIN], configuration=DAEMON_JSON),
        stdin=daemon_json(settings, version),
        timeout=1800,
    )


def _not_prepared(roll: Roll, among: Collection[str]) -> list[Refusal]:
    return not_prepared(roll, among, this_run(_Hosts).prepared)


JOB = Job("upgrade", _roll, _change, lambda settings: settings.docker.version, _not_prepared)


@job("upgrade")
def fetched(settings: Settings) -> Commands:
    """Every node has the packages of the declared version, and a configuration that it accepts.

    This is done on all nodes before the first is changed. The new engine itself checks
    ``daemon.json`` (``dockerd --validate``), out of the fetched package, without being installed.
    """
    now = look(settings, JOB, planning=True)
    if refused := refusals(now.findings):
        report("upgrade", [*refused])
    name, wanted = now.me.name, settings.docker.version
    if name not in now.roll.work:
        return
    report(
        "upgrade",
        [
            Change(
                "Docker's packages",
                "are fetched, and the new engine checks daemon.json, before any node is changed",
                expected=wanted,
            )
        ],
    )
    if is_executing() and apt_name(wanted, observe(Offered).versions) is None:
        progress("apt's lists do not have it: fetching them again")
        yield script(FETCH_LISTS_AGAIN, timeout=600)
    if is_executing():
        this_run(_Hosts).lists_fresh.add(name)
    exact = apt_name(wanted, observe(Offered).versions)
    if is_executing() and exact is None:
        report("upgrade", [*refusals(look(settings, JOB, planning=True).findings)])
        raise Refused(f"Docker {wanted} is not offered to this host")
    progress(f"fetching Docker {wanted}")
    fetch = function("fetch", installation(exact or "", only_fetch=True))
    yield script(
        program(
            __file__,
            "fetch_packages.sh",
            using=[fetch],
            package=f"docker-ce_{(exact or '').replace(':', '%3a')}",
            # Where apt keeps its packages elsewhere, the new engine checks the file at its start.
            engine="dockerd" if observe(Installation).version == wanted else "true",
        ),
        stdin=daemon_json(settings, wanted),
        timeout=1800,
    )
    if is_executing():
        this_run(_Hosts).prepared.add(name)


unfinished, managers, leader, workers = stages(JOB)
