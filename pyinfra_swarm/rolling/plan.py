"""Whether a node's turn may begin, and what it consists of, in findings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pyinfra_swarm.nodes.identity import contradiction, doubt
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, view
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum
from pyinfra_swarm.rolling.availability import is_restored
from pyinfra_swarm.rolling.health import unhealthy
from pyinfra_swarm.rolling.jobs import Roll
from pyinfra_swarm.rolling.nodes import entry
from pyinfra_swarm.rolling.turns import Due, due
from pyinfra_swarm.run.findings import ENGINE, Change, Finding, Notice, Refusal, refusals
from pyinfra_swarm.run.wording import listed, verb
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


@dataclass(frozen=True)
class WorkOnNode(Change):
    """The node is drained and changed; then it is proven and restored."""

    restarts: ClassVar[str] = ENGINE
    drains: ClassVar[bool] = True


@dataclass(frozen=True)
class RestoreNode(Change):
    """The node, changed by an earlier run, is proven, its availability restored, its turn ended."""


@dataclass(frozen=True, kw_only=True)
class RemoveLabel(Change):
    """The label of a job that has completed is taken off the node."""

    label: str


def plan(
    settings: Settings,
    observed: Observed,
    roll: Roll,
    host: Host,
    order: Sequence[str],
    among: Sequence[str],
    *,
    planning: bool = False,
) -> list[Finding]:
    """What a host's turn is, or why the whole job must not begin or go on.

    order: the order of turns when the run began, for the words; among: the hosts that this run may
    work on; planning: other nodes are not worked on yet, so those that an earlier run has left
    unfinished do not stand in the way.
    """
    if roll.refusals:
        return list(roll.refusals)
    cluster = view(settings, observed)
    if cluster is None:
        return _no_swarm(observed)
    node = entry(settings, observed, cluster, host.name)
    if node is None:
        untrue = contradiction(settings, observed, host.name) or doubt(
            settings, observed, host.name
        )
        return [untrue] if untrue else _outside(observed.get(host.name))
    what = due(roll, host.name, node)
    if what is None:
        return []
    if what is Due.CLEAN_UP:
        return [
            RemoveLabel(
                f"label {roll.since_label}",
                f"is left over from a {roll.job} of all nodes that has completed",
                label=roll.since_label,
            )
        ]
    refused = _unsafe(settings, observed, roll, host, node, cluster, among, planning=planning)
    if refused:
        return list(refused)
    place = ""
    if host.name in order:
        place = f", {ordinal(order.index(host.name) + 1)} of {len(order)}"
    if what is Due.RESTORE:
        return [
            RestoreNode(
                "availability",
                f"was restored by a rolling job that has not finished{place}",
            )
            if is_restored(node)
            else RestoreNode(
                "availability",
                f"was set by a rolling job that has not finished{place}",
                expected=node.labels[AVAILABILITY_BEFORE],
                found=node.availability,
            )
        ]
    work = roll.work[host.name]
    reason = work.doing + place + (f": {work.why}" if work.why else "")
    return [WorkOnNode(work.what, reason, expected=work.expected, found=work.found)]


def still_due(
    settings: Settings, observed: Observed, roll: Roll, host: Host, among: Sequence[str]
) -> list[Refusal]:
    """Why a node that was drained in its turn must not be changed now; looked at right before.

    Draining takes minutes: another manager may have been lost since the turn began, and somebody
    else may have changed or restored the node. Where it was changed as it was to be, by a command
    that has outlived the run that sent it, nothing stands in the way.
    """
    if roll.refusals:
        return [*roll.refusals]
    cluster = view(settings, observed)
    if cluster is None:
        return refusals(_no_swarm(observed))
    node = entry(settings, observed, cluster, host.name)
    if (
        node is None
        or due(roll, host.name, node) not in (Due.WORK, Due.RESTORE)
        or AVAILABILITY_BEFORE not in node.labels
        or node.availability != "drain"
    ):
        return [
            Refusal(
                roll.job,
                "somebody else has changed or restored this node since its turn began, so it is "
                "left as it is",
                found=node.availability if node else "no node",
                expected="drain",
                remedy="Make sure that nobody else works on it, then run the same command again",
            )
        ]
    return _unsafe(settings, observed, roll, host, node, cluster, among, planning=False)


def not_prepared(roll: Roll, among: Collection[str], ready: Collection[str]) -> list[Refusal]:
    """Why no node is touched yet, where the preparations have failed on some host."""
    lacking = [name for name in roll.work if name in among and name not in ready]
    if not lacking:
        return []
    return [
        Refusal(
            "Docker's packages",
            f"could not be prepared on {listed(lacking)}, so no node is touched",
            remedy="Fix what that host's message says, then run the same command again",
        )
    ]


def stopped(job: str, name: str) -> Refusal:
    """Why a node's turn is not begun after another one has failed. name: the host where it did."""
    return Refusal(
        job,
        f"was not started on this host: the rolling job stopped at {name}, and all later nodes are "
        "unchanged",
        remedy=f"Fix {name} as its own message says, then run the same command again: it resumes "
        "there",
    )


def _no_swarm(observed: Observed) -> list[Finding]:
    inside = sorted(name for name, m in observed.items() if m and m.in_swarm)
    stopped = sorted(name for name, m in observed.items() if m and m.engine == "stopped")
    if stopped:
        return [
            Refusal(
                "the swarm",
                f"no manager answers for it, and Docker is stopped on {listed(stopped)}",
                remedy="Run deploys/docker.py, which completes its installation and starts it; "
                "then run again",
            )
        ]
    if not inside:
        return [
            Refusal(
                "the swarm",
                "there is none yet, so there are no nodes to work on",
                remedy="deploys/site.py creates it",
            )
        ]
    return [
        Refusal(
            "the swarm",
            f"no manager can answer for it ({listed(inside)} {verb(inside, 'is', 'are')} in "
            "one): fewer managers are reachable than a quorum",
            remedy="Bring managers back until most of them are reachable; until then nothing can "
            "be changed safely",
        )
    ]


def _outside(own: Membership | None) -> list[Finding]:
    if own is None or not own.in_none:
        return []
    return [
        Notice(
            "the swarm",
            "this host is not in it, so a rolling job leaves it alone",
            remedy="deploys/site.py joins it",
        )
    ]


def _unsafe(
    settings: Settings,
    observed: Observed,
    roll: Roll,
    host: Host,
    node: Node,
    cluster: Membership,
    among: Sequence[str],
    *,
    planning: bool,
) -> list[Refusal]:
    """Why this node must not be taken out of service now.

    A node that an earlier run has left unfinished is worth finishing while others are missing, as
    long as the quorum allows it.
    """
    if AVAILABILITY_BEFORE not in node.labels:
        refused = _others_first(cluster, node, planning=planning)
        refused = refused or _silent_hosts(observed, among)
        if refused:
            return refused
    quorum = Quorum.of(cluster)
    taken = {
        name
        for name in roll.work
        if name in among
        and (other := entry(settings, observed, cluster, name))
        and other.role == "manager"
    }
    if quorum.managers <= 2 and taken and not roll.accepted:
        return [_few_managers(quorum.managers)]
    if planning:
        # When this one has its turn, the unfinished ones have had theirs, or stop the job.
        quorum = quorum.once_up(n.id for n in _unfinished(cluster))
    problem = quorum.forbids_stop(node.id)
    if problem and node.role == "manager" and host.name in roll.work:
        return [Refusal("the quorum", problem, remedy=BRING_BACK)]
    return []


def _unfinished(cluster: Membership) -> list[Node]:
    return [node for node in cluster.nodes or () if AVAILABILITY_BEFORE in node.labels]


def _others_first(cluster: Membership, node: Node, *, planning: bool) -> list[Refusal]:
    """What has to be done about other nodes before this one is drained."""
    unfinished = _unfinished(cluster)
    if unfinished and not planning:
        names = [other.hostname for other in unfinished]
        return [
            Refusal(
                "the swarm",
                f"a rolling job has not finished with {listed(names)}, so no other node is taken "
                "out of service",
                remedy="Look at it, then run the same command again, without --limit",
            )
        ]
    problems = [
        problem
        for other in cluster.nodes or ()
        if (problem := unhealthy(other)) and not (planning and other in unfinished)
    ]
    if not problems:
        return []
    return [
        Refusal(
            "the swarm",
            f"is not healthy: {listed(problems)}. A rolling job takes one node out of service at a "
            "time, and only while all others are healthy",
            remedy="Bring back what is missing, or remove it from the swarm, then run again",
        )
    ]


def _silent_hosts(observed: Observed, among: Sequence[str]) -> list[Refusal]:
    silent = [name for name in among if observed.get(name) is None]
    if not silent:
        return []
    return [
        Refusal(
            "the hosts",
            f"{listed(silent)} did not answer, and a rolling job begins only when every host "
            "answers",
            remedy="Bring it back, or leave it out: --exclude NAME",
        )
    ]


def _few_managers(count: int) -> Refusal:
    reason = (
        "there is only one. While it is worked on"
        if count == 1
        else "there are two, and both must be reachable. While one is worked on"
    )
    return Refusal(
        "the managers",
        f"{reason}, nothing in the swarm can be changed, and tasks that fail are not restarted",
        remedy="Declare three managers, or accept it for these minutes: "
        "--data interruption=accepted",
    )


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"
