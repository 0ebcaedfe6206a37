"""A manager that continues alone (``--force-new-cluster``), and the entries of lost managers.

That manager takes what it knows for the whole truth. If another manager of the old swarm were
still alive, there would be two swarms with one identity; so nothing is forced while one might be
alive. docs/decisions/recovery.md says what engines do beyond Docker's guide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pyinfra_swarm.networks.plan import ingress_of
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    managers_of,
)
from pyinfra_swarm.nodes.on_disk import OnDisks
from pyinfra_swarm.run.findings import ENGINE, Change, Finding, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


LEAVE = "`docker swarm leave --force`"


NEEDS_UNLOCK_KEY = "Put the key (SWMKEY-…) into a file of your own and name it: --data unlock=PATH"


@dataclass(frozen=True)
class ForceNewCluster(Change):
    """This manager continues as the only one."""


@dataclass(frozen=True, kw_only=True)
class ClearEntry(Change):
    """The entry of a manager that is lost is removed. name: the node's."""

    name: str


@dataclass(frozen=True)
class PutStateBack(Change):
    """The state in the backup takes its place on the host."""


@dataclass(frozen=True)
class TakeLockOff(Change):
    """The state is unlocked on the disk, until the engine locks it again."""


@dataclass(frozen=True)
class Attach(Change):
    """The engine is restarted, so that it is attached to its overlay networks."""

    restarts: ClassVar[str] = ENGINE


@dataclass(frozen=True)
class AwaitAnswer(Change):
    """The manager answers for the swarm."""


@dataclass(frozen=True)
class AwaitLock(Change):
    """The engine locks the state on the disk again."""


@dataclass(frozen=True, kw_only=True)
class RestoreAvailability(Change):
    """The manager takes tasks again as before the backup. availability: the node's, then."""

    availability: str


@dataclass(frozen=True)
class ContinueAlone:
    """How the swarm continues with one manager.

    cluster: the swarm's id; autolock: it is autolocked afterwards; force: a new cluster has to be
    forced; put_back: the state is put back from the backup first; take_lock_off: the state's lock
    is taken off first; attach: its engine is restarted where it is attached to no overlay network
    (as it is after a forcing); awaited: it has the state, and does not answer yet; availability:
    what the manager gets again, empty where it keeps its own.
    """

    cluster: str
    autolock: bool
    force: bool = False
    put_back: bool = False
    take_lock_off: bool = False
    attach: bool = False
    awaited: bool = False
    availability: str = ""


def continuing_alone(findings: list[Finding], *, cluster: str, autolock: bool) -> ContinueAlone:
    """How it continues, by the steps of a plan."""
    kinds = {type(finding) for finding in findings}
    return ContinueAlone(
        cluster,
        autolock,
        force=ForceNewCluster in kinds,
        put_back=PutStateBack in kinds,
        take_lock_off=TakeLockOff in kinds,
        attach=Attach in kinds,
        awaited=AwaitAnswer in kinds,
        availability=next(
            (step.availability for step in findings if isinstance(step, RestoreAvailability)), ""
        ),
    )


def lost_entries(cluster: Membership) -> list[Node]:
    """Entries of managers that ``--force-new-cluster`` left behind: listed, but no members.

    An engine shows no manager status for them. It cannot demote them, only remove them.
    """
    return [
        node
        for node in cluster.nodes or ()
        if node.role == "manager" and not node.votes and node.id != cluster.node
    ]


def other_managers(
    settings: Settings,
    observed: Observed,
    remaining: OnDisks,
    target: str,
    cluster: str,
    asked: set[str],
    gone: Collection[str] | None = None,
    *,
    job: str,
) -> list[Refusal]:
    """Refusals for hosts that answer and are managers of the swarm in question, or of another.

    A host's engine and its disk are asked one after the other. What either says is enough to know
    a manager; a host that is none has to say so with both.

    target: the host that is restored or recovered; asked: the hosts that count.
    gone: hosts that, by the owner's word, will not come back as they were; ``None`` where the job
    takes no such word. job: restore or recovery.
    """
    found: list[Refusal] = []
    for host in settings.hosts:
        own, remains = observed.get(host.name), remaining.get(host.name)
        if host.name == target or host.name not in asked:
            continue
        inside = (own is not None and own.in_swarm) or (remains is not None and remains.state)
        here = (own.cluster if own else "") or (remains.cluster if remains else "")
        if inside and here and cluster and here != cluster:
            found.append(
                _refused(
                    job,
                    f"{host.name} is in another swarm ({here}) than the one in question "
                    f"({cluster})",
                    f"If that swarm may be discarded, run {LEAVE} on {host.name}",
                )
            )
        elif inside and own is not None and own.controls:
            found.append(
                _refused(
                    job,
                    f"the swarm is alive: {host.name} is one of its managers and answers",
                    "Nothing has to be restored: `pyinfra inventory.py deploys/site.py`"
                    + if_claim_is_false(settings, host.name),
                )
            )
        elif inside and ((own and own.manager) or (remains and remains.manager)):
            runs = own is not None and own.engine == "running"
            found.append(
                _refused(
                    job,
                    f"{host.name} is still a manager of this swarm{_unless_running(own)}: with it "
                    "there would be two swarms with one identity",
                    f"Start its engine, and check whether the managers reach each other "
                    f"(2377/tcp): with it there may be a quorum. If its state may be discarded, "
                    f"run on {host.name}: {LEAVE}"
                    + (
                        ""
                        if runs
                        else " (or, without an engine, `sudo rm -r /var/lib/docker/swarm`)"
                    )
                    + if_claim_is_false(settings, host.name),
                )
            )
        elif (own is None) != (remains is None) and host.name not in (gone or ()):
            missing = "what its engine says" if own is None else "what its disk holds"
            found.append(
                _refused(
                    job,
                    f"{host.name} answered only in part ({missing} could not be had), and may be a "
                    "manager",
                    "Run the same command again. "
                    + (
                        "If it answers no better, switch it off: it must not come back as it was"
                        if gone is None
                        else "If it will be installed again before it comes back: "
                        f"`--data gone={quoted(host.name)}`"
                    ),
                )
            )
    return found


def _unless_running(own: Membership | None) -> str:
    """What is added where a manager is known by its disk alone."""
    if own is None:
        return ", as its disk says, though its engine could not be asked"
    return "" if own.engine == "running" else ", though its engine does not run now"


def if_claim_is_false(settings: Settings, name: str) -> str:
    """What else can be done where a declared worker claims to be a manager."""
    if settings.host(name).is_manager:
        return ""
    return (
        f". {name} is declared a worker: if it is no manager, somebody else may be root there; "
        "delete it from cluster.toml, and run again"
    )


def _refused(job: str, reason: str, remedy: str) -> Refusal:
    return Refusal(f"the swarm's {job}", reason, remedy=remedy)


def forced(name: str) -> Change:
    """The change to a single manager."""
    return ForceNewCluster(
        "the swarm",
        f"continues with {name} as its only manager (force-new-cluster): what the others had "
        f"agreed on and {name} has not heard of is lost",
    )


def needs_lock_off(name: str, job: str) -> Refusal:
    """Why the state of an autolocked manager is not forced without the unlock key.

    job: restore or recovery.
    """
    return _refused(
        job,
        f"the swarm is autolocked, so its unlock key is needed to force {name} (do not try "
        "without: the engine then drops out of the swarm, moby #36852)",
        NEEDS_UNLOCK_KEY,
    )


def lock_taken_off() -> Change:
    """The change to a locked state before a new cluster is forced out of it."""
    return TakeLockOff(
        "the lock of the swarm's state",
        "would keep it from continuing alone, so it is taken off; the engine puts it back",
    )


def what_is_lost(findings: Iterable[Finding], name: str) -> str:
    """What cannot be taken back where a new cluster is forced out of what a manager has."""
    lost = [entry.name for entry in findings if isinstance(entry, ClearEntry)]
    whose = "its" if len(lost) == 1 else "their"
    return (
        f"{name} becomes the only manager: changes that only the other managers knew are lost; "
        f"{listed(lost) or 'the other managers'} must never come back with {whose} old state"
    )


def cleared(lost: Iterable[Node], own: str) -> list[Finding]:
    """The entries removed of managers that are lost. own: the id of the one that continues."""
    return [
        ClearEntry(
            f"node {node.hostname or node.id}",
            "is a manager that is lost for good, so its entry is removed",
            expected="removed",
            found=f"{node.id}, {node.address}",
            name=node.hostname or node.id,
        )
        for node in lost
        if node.id != own
    ]


def has_company(own: Membership) -> bool:
    """Whether other managers have joined since: from then on, what is missing is the site's."""
    return any(manager.id != own.node for manager in managers_of(own))


def attachment(
    own: Membership, name: str, *, autolock: bool, unlock_key: bool, job: str
) -> list[Finding]:
    """Its engine restarted where the only manager is attached to no overlay network, or why not.

    Alone, it has no quorum to lose. With others the swarm may lose it, so nothing is restarted.

    autolock: a restarted engine would be locked; unlock_key: its key is at hand. job: restore or
    recovery, since which its networks do not work.
    """
    if own.in_ingress is not False or ingress_of(own) is None or has_company(own):
        return []
    if autolock and not unlock_key:
        return [
            _refused(
                job,
                f"{name} is attached to no overlay network. Its engine has to be restarted, and "
                "would then be locked: the unlock key is needed",
                NEEDS_UNLOCK_KEY,
            )
        ]
    return [
        Attach(
            "overlay networks",
            f"do not work on {name} since its {job}, so its engine is restarted",
        )
    ]


def lost_manager(id: str, hostname: str, address: str) -> Node:
    """An entry of which no more is known."""
    return Node(id, hostname, address, "manager", "active", "down", False, "", {}, "")


def known_managers(settings: Settings, own: Membership) -> list[Node]:
    """The managers that an engine knows by their addresses, itself among them, by their names."""
    named = {host.address: host.name for host in settings.hosts}
    found = [
        lost_manager(node, named.get(at, at), at)
        for node, address in (own.remote_managers or {}).items()
        for at in [address.rpartition(":")[0]]
    ]
    return sorted(found, key=lambda node: node.hostname)
