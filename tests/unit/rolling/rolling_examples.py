"""A swarm of three managers and a worker, its hosts, and what the plan of a rolling job says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pyinfra_swarm.docker.installation import PACKAGES, Engine, Package
from pyinfra_swarm.nodes.membership import Membership, Node, Observed
from pyinfra_swarm.rolling.jobs import (
    Options,
    Roll,
    Running,
    restart,
)
from pyinfra_swarm.rolling.plan import (
    plan,
)
from pyinfra_swarm.rolling.turns import order_of_turns
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE
from tests.builders import declared, node

NOW = 1_800_000_000.0
MARK = "pyinfra-swarm.restart-since"
ALL = Options()


def swarm(*nodes: Node, silent: Sequence[str] = ()) -> dict[str, Membership | None]:
    """What hosts say that are these nodes, as far as they are up."""
    said: dict[str, Membership | None] = {}
    for entry in nodes:
        name = entry.hostname
        if name in silent:
            said[name] = None
        elif entry.state == "down":
            said[name] = Membership("stopped")
        else:
            said[name] = Membership(
                "running",
                hostname=name,
                state="active",
                node=entry.id,
                manager=entry.role == "manager",
                cluster="swarm1",
                nodes=nodes if entry.role == "manager" else None,
            )
    return said


SETTINGS = declared()
NAMES = [host.name for host in SETTINGS.hosts]
NODES = (node(1), node(2), node(3), node(4, "worker"))
WHOLE = swarm(*NODES)


def changed(*which: Node) -> tuple[Node, ...]:
    """The nodes, some of them otherwise."""
    return tuple(next((n for n in which if n.id == entry.id), entry) for entry in NODES)


def runs(**differing: Any) -> Running:
    kernel = "6.8.0-45-generic"
    return replace(
        Running("boot", NOW - 5000, NOW - 4000, kernel, (kernel,), False, ()), **differing
    )


RUNNING: Mapping[str, Running | None] = dict.fromkeys(NAMES, runs())
RESTART = restart(SETTINGS, WHOLE, RUNNING, ALL, NOW)


def engine(version: str | None = "28.5.2", **differing: Any) -> Engine:
    packages = {
        name: Package(f"5:{version}-1~debian.13~trixie", True) for name in PACKAGES if version
    }
    made = Engine(
        distribution="debian",
        codename="trixie",
        architecture="arm64",
        curl=True,
        packages=packages,
        sources="",
        keyring="",
        stale=(),
        daemon_json="{}",
        loaded_json="{}",
        drop_in="",
        running=True,
        enabled=True,
        reload_needed=False,
        changed_since_start=False,
        group=(),
    )
    return replace(made, **differing)


def found(
    roll: Roll,
    observed: Observed = WHOLE,
    settings: Settings = SETTINGS,
    among: Sequence[str] = (),
    *,
    planning: bool = True,
) -> dict[str, list[Finding]]:
    """What the plan holds for each host."""
    names = among or [host.name for host in settings.hosts]
    order = order_of_turns(settings, observed, roll, names)
    return {
        host.name: plan(settings, observed, roll, host, order, names, planning=planning)
        for host in settings.hosts
        if host.name in names
    }


def sentences(findings: Mapping[str, list[Finding]]) -> dict[str, list[str]]:
    return {name: [finding.sentence() for finding in told] for name, told in findings.items()}


def the_refusal(findings: Mapping[str, list[Finding]]) -> str:
    """The one refusal that every host with something to do has."""
    told = [finding for own in findings.values() for finding in own]
    assert told
    assert all(isinstance(finding, Refusal) and finding.remedy for finding in told)
    [sentence] = {finding.sentence() for finding in told}
    return sentence


HALF = node(2, availability="drain", labels={AVAILABILITY_BEFORE: "active"})
