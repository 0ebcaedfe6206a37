"""Whether a node's turn may begin, in findings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.identity import contradiction, doubt
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, view
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum
from pyinfra_swarm.rolling.jobs import Roll
from pyinfra_swarm.rolling.nodes import entry, illness
from pyinfra_swarm.rolling.turns import steps
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal, refusals
from pyinfra_swarm.run.wording import listed, verb
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


def plan(
    settings: Settings,
    observed: Observed,
    roll: Roll,
    host: Host,
    order_of_turns: Sequence[str],
    among: Sequence[str],
    *,
    planning: bool = False,
) -> list[Finding]:
    """What a host's turn is, or why the whole roll must not begin or go on.

    order_of_turns: as it was when the run began, for the words; among: the hosts that this run may
    work on; planning: other nodes are not worked on yet, so those that an earlier run has left
    half-way do not stand in the way.
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
    todo = steps(roll, host.name, node)
    if not todo:
        return []
    if todo == ("forget",):
        return [
            Change(f"label {roll.mark}", f"is left of a {roll.job} of all that has come through")
        ]
    refused = _unsafe(settings, observed, roll, host, node, cluster, among, planning=planning)
    if refused:
        return list(refused)
    place = ""
    if host.name in order_of_turns:
        at = order_of_turns.index(host.name) + 1
        place = f", {ordinal(at)} of {len(order_of_turns)}"
    if "change" not in todo:
        return [
            Change(
                "availability",
                f"was taken by a rolling job that did not come through{place}",
                expected=node.labels[AVAILABILITY_BEFORE],
                found=node.availability,
            )
        ]
    work = roll.work[host.name]
    reason = work.doing + place + (f": {work.why}" if work.why else "")
    return [Change(work.what, reason, expected=work.expected, found=work.found)]


def still_due(
    settings: Settings, observed: Observed, roll: Roll, host: Host, among: Sequence[str]
) -> list[Refusal]:
    """Why a node that was drained in its turn must not be changed now; looked at right before.

    Draining takes minutes, and the world goes on: another manager may have been lost since the turn
    began, and the node may have been changed or put back by somebody.
    """
    if roll.refusals:
        return [*roll.refusals]
    cluster = view(settings, observed)
    if cluster is None:
        return refusals(_no_swarm(observed))
    node = entry(settings, observed, cluster, host.name)
    if (
        node is None
        or "change" not in steps(roll, host.name, node)
        or AVAILABILITY_BEFORE not in node.labels
        or node.availability != "drain"
    ):
        return [
            Refusal(
                roll.job,
                "since this node's turn began, somebody else has changed it or put it back, so it "
                "is left as it is",
                found=node.availability if node else "no node",
                expected="drain",
                remedy="See that nobody else works on it, then run the same command again",
            )
        ]
    return _unsafe(settings, observed, roll, host, node, cluster, among, planning=False)


def unready(roll: Roll, among: Collection[str], ready: Collection[str]) -> list[Refusal]:
    """Why no node is touched yet, where the preparations have failed on some host."""
    lacking = [name for name in roll.work if name in among and name not in ready]
    if not lacking:
        return []
    return [
        Refusal(
            "Docker's packages",
            f"could not be made ready on {listed(lacking)}, so no node is touched",
            remedy="Mend what the message of that host says, then run the same command again",
        )
    ]


def _no_swarm(observed: Observed) -> list[Finding]:
    inside = sorted(name for name, m in observed.items() if m and m.in_swarm)
    stopped = sorted(name for name, m in observed.items() if m and m.engine == "stopped")
    if stopped:
        return [
            Refusal(
                "the swarm",
                f"no manager answers for it, and Docker is stopped on {listed(stopped)}",
                remedy="deploys/docker.py completes what was left half-way there, and starts it; "
                "then run again",
            )
        ]
    if not inside:
        return [
            Refusal(
                "the swarm",
                "there is none yet, so there is nothing to do one node after the other",
                remedy="deploys/site.py makes it",
            )
        ]
    return [
        Refusal(
            "the swarm",
            f"no manager can answer for it ({listed(inside)} {verb(inside, 'is', 'are')} in "
            "one): fewer managers are reachable than a quorum",
            remedy="Bring managers back until most of them are reachable; nothing can be changed "
            "safely before",
        )
    ]


def _outside(own: Membership | None) -> list[Finding]:
    if own is None or not own.in_none:
        return []
    return [
        Notice(
            "the swarm",
            "this host is not in it, so a rolling job leaves it alone",
            remedy="deploys/site.py lets it join",
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
    """Why this node must not be taken away now.

    A node that an earlier run has left half-way is worth finishing while others are missing, as
    long as the quorum allows it.
    """
    nodes = cluster.nodes or ()
    half_way = [n for n in nodes if AVAILABILITY_BEFORE in n.labels and n.id != node.id]
    if half_way and not planning and AVAILABILITY_BEFORE not in node.labels:
        names = [n.hostname for n in half_way]
        return [
            Refusal(
                "the swarm",
                f"{listed(names)} {verb(names, 'has', 'have')} not come through a rolling job "
                "yet, so no other node is taken away",
                remedy="Look at it, then run the same command again, without --limit",
            )
        ]
    if AVAILABILITY_BEFORE not in node.labels:
        ill = [
            words
            for n in nodes
            if (words := illness(n)) and not (planning and AVAILABILITY_BEFORE in n.labels)
        ]
        if ill:
            return [
                Refusal(
                    "the swarm",
                    f"is not whole: {listed(ill)}; a rolling job takes one node away at a time, "
                    "and only while all others are there",
                    remedy="Bring back what is missing, or take it out of the swarm, then run "
                    "again",
                )
            ]
        silent = [name for name in among if observed.get(name) is None]
        if silent:
            return [
                Refusal(
                    "the hosts",
                    f"{listed(silent)} did not answer, and a rolling job begins only when every "
                    "host can be looked at",
                    remedy="Bring it back, or leave it out: --exclude NAME",
                )
            ]
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
        # When this one has its turn, those that were left half-way have had theirs, or stop the
        # roll.
        begun = (n.id for n in cluster.nodes or () if AVAILABILITY_BEFORE in n.labels)
        quorum = quorum.once_up(begun)
    problem = quorum.forbids_stop(node.id)
    if problem and node.role == "manager" and host.name in roll.work:
        return [Refusal("the quorum", problem, remedy=BRING_BACK)]
    return []


def _few_managers(count: int) -> Refusal:
    reason = (
        "there is only one: while it is worked on"
        if count == 1
        else "there are two, and both must be reachable: while one is worked on"
    )
    return Refusal(
        "the managers",
        f"{reason}, nothing in the swarm can be changed, and what fails is not started again",
        remedy="Declare three managers, or accept it for these minutes: "
        "--data interruption=accepted",
    )


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th."""
    ending = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"
