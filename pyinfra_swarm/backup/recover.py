"""A swarm that has lost its quorum for good, recovered from the manager that is left.

Source: Docker's administration guide for swarm (“Recover from losing the quorum”).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.backup.force_new_cluster import (
    attachment,
    cleared,
    forced,
    if_claim_is_false,
    known_managers,
    lock_taken_off,
    lost_entries,
    needs_lock_off,
    other_managers,
)
from pyinfra_swarm.nodes.membership import (
    Observed,
)
from pyinfra_swarm.nodes.on_disk import OnDisks
from pyinfra_swarm.nodes.quorum import Quorum
from pyinfra_swarm.run.findings import Finding, Refusal, refusals
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


def recovery_target(
    settings: Settings, observed: Observed, remaining: OnDisks, asked: str | None
) -> Host | Refusal:
    """The manager that continues alone: the one asked for, else the only one that answers."""
    if asked is not None:
        return settings.host(asked)
    able = [
        host
        for host in settings.managers
        if (m := observed.get(host.name)) and m.in_swarm and (m.manager or m.state == "locked")
    ]
    controlling = [host for host in able if (m := observed[host.name]) and m.controls]
    if controlling:
        return controlling[0]
    if len(able) == 1:
        return able[0]
    if not able:
        return _refused(
            "no declared host answers as a manager of a swarm, so there is nothing to recover from",
            "Restore a backup: docs/backup.md",
        )
    return _refused(
        f"{listed([host.name for host in able])} are managers that answer, and only one can "
        "continue",
        "First find out why they do not reach each other (port 2377/tcp, power, addresses): "
        "together they may be a quorum, and then nothing is lost. Otherwise name one: --data "
        "host=…",
    )


def plan_recovery(
    settings: Settings,
    observed: Observed,
    remaining: OnDisks,
    target: Host,
    *,
    unlock_key: bool = False,
) -> list[Finding]:
    """The swarm continues with one manager, or why it must not.

    unlock_key: the key of an autolocked swarm is at hand.
    """
    own, remains = observed.get(target.name), remaining.get(target.name)
    if own is None or remains is None:
        return [_refused(f"{target.name} does not answer", "Bring it up, and run again")]
    if not own.in_swarm or not (own.manager or own.state == "locked"):
        what = f"its engine is {own.engine}" if own.engine != "running" else "it is no manager"
        return [
            _refused(
                f"{target.name} cannot continue the swarm: {what}",
                "Name a manager that is left: --data host=…; if there is none, restore a backup: "
                "docs/backup.md",
            )
        ]
    living = [name for name, m in observed.items() if m and m.controls]
    for name in living:
        cluster = observed[name]
        assert cluster is not None
        quorum = Quorum.of(cluster)
        if not quorum.lost:
            left = lost_entries(cluster)
            if left and name == target.name:
                attached = attachment(
                    cluster,
                    name,
                    autolock=remains.locked or bool(cluster.spec and cluster.spec.autolock),
                    unlock_key=unlock_key,
                    job="recovery",
                )
                return [*refusals(attached)] or [*cleared(left, cluster.node), *attached]
            return [
                _refused(
                    f"the swarm has its quorum: {quorum.sentence()}, as {name} says",
                    "Nothing has to be forced: `pyinfra inventory.py deploys/site.py`"
                    + if_claim_is_false(settings, name),
                )
            ]
    problems = other_managers(
        settings,
        observed,
        remaining,
        target.name,
        remains.cluster,
        {host.name for host in settings.hosts},
        job="recovery",
    )
    if remains.locked and not unlock_key:
        problems.append(needs_lock_off(target.name, "recovery"))
    if problems:
        return [*problems]
    findings: list[Finding] = [lock_taken_off()] if remains.locked else []
    lost = cleared(known_managers(settings, own), remains.node)
    return [*findings, forced(target.name), *lost]


def _refused(reason: str, remedy: str) -> Refusal:
    return Refusal("the swarm's recovery", reason, remedy=remedy)
