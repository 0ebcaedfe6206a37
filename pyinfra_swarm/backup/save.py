"""A backup of the swarm's state: of which manager, and what happens to that manager.

What a manager keeps below ``/var/lib/docker/swarm`` is the whole swarm: services, secrets, configs,
networks, nodes, and the keys to all of it. Sources: Docker's administration guide for swarm (“Back
up the swarm”: one manager at a time, its engine stopped, the others keeping a quorum).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.nodes.identity import node_of
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    view,
)
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

# Of which manager
# ----------------


@dataclass(frozen=True)
class Choice:
    """Whose engine is stopped for the backup.

    interrupts: why the swarm cannot do without it for that time, as a sentence; empty where it
    can.
    drains: its tasks are moved to other nodes first.
    """

    host: str
    node: Node
    interrupts: str = ""
    drains: bool = False


def choose(
    settings: Settings, observed: Observed, asked: str | None = None, drain: str | None = None
) -> Choice | Refusal:
    """The manager to back up: the one asked for, else the first that does not lead.

    drain: ``no`` leaves its tasks where they are, to be stopped with the engine.
    """
    if not settings.backup.recipients:
        return _refusal(
            "no key is declared that backups are encrypted to",
            "Name a public key in backup.recipients: one line of ~/.ssh/id_ed25519.pub, or an "
            "age key (age1…)",
        )
    cluster = view(settings, observed)
    if cluster is None:
        return _refusal(
            "no manager answers for the swarm, so none can be spared",
            "Bring back managers until most of them are reachable; if they are lost for good: "
            "docs/backup.md",
        )
    able: dict[str, Node] = {}
    for name in [host.name for host in settings.hosts]:
        node = node_of(settings, observed, cluster, name)
        if node is not None and node.role == "manager" and node.reachability == "reachable":
            able[name] = node
    if asked is not None and asked not in able:
        return _refusal(
            f"{asked} is no reachable manager of the swarm",
            f"One of {', '.join(able)}" if able else "",
        )
    if not able:
        return _refusal("no declared host is a reachable manager of the swarm", "")
    followers = [name for name, node in able.items() if not node.leader]
    chosen = asked or (followers or list(able))[0]
    quorum = Quorum.of(cluster)
    if problem := quorum.forbids_stop(able[chosen].id):
        return _refusal(f"the engine of {chosen} is not stopped: {problem}", BRING_BACK)
    interrupts = ""
    if quorum.while_down(able[chosen].id).lost:
        interrupts = (
            f"the swarm has {quorum.managers} manager{'s' * (quorum.managers > 1)}, of which "
            f"{quorum.needed} must be reachable: while the engine of {chosen} is stopped, for some "
            "seconds, nothing can be changed or scheduled, and what runs on it is interrupted"
        )
    elsewhere = any(
        node.id != able[chosen].id and node.state == "ready" and node.availability == "active"
        for node in cluster.nodes or ()
    )
    drains = drain != "no" and elsewhere and able[chosen].availability != "drain"
    return Choice(chosen, able[chosen], interrupts, drains)


def _refusal(reason: str, remedy: str) -> Refusal:
    return Refusal("the swarm's backup", reason, remedy=remedy)


def plan_unlock_key(cluster: Membership, file: KeyFile | None, fingerprint: str) -> list[Finding]:
    """Whether the unlock key is at hand: a locked state is of no use without it.

    file: the declared one that keeps the key, ``None`` where none is declared: then autolock is not
    managed. fingerprint: of the swarm's unlock key, empty where it was not asked for.
    """
    if cluster.spec is None or not cluster.spec.autolock:
        return []
    if file is None:
        return [
            Notice(
                "the swarm's unlock key",
                "is not in the backup, which cannot be restored without it: autolock was turned on "
                "by hand",
                remedy="Keep it with the key that opens the backups (`docker swarm unlock-key` "
                "on a manager), or declare swarm.unlock_key_file",
            )
        ]
    problem = file.lacks(fingerprint)
    if not problem:
        return []
    return [
        Refusal(
            "the swarm's unlock key",
            f"cannot go into the backup, which cannot be restored without it: {problem}",
            remedy="`pyinfra inventory.py deploys/swarm.py` fetches the swarm's key into it; then "
            "run this again",
        )
    ]


def plan_backup(choice: Choice | Refusal, *, to: str) -> list[Finding]:
    """What a backup does, in its order, or why it is not made.

    to: the file or folder it goes to.
    """
    if isinstance(choice, Refusal):
        return [choice]
    findings: list[Finding] = []
    if choice.drains:
        findings.append(
            Change(
                f"node {choice.node.hostname}",
                "its tasks move to other nodes, since its engine will be stopped",
                expected="drain",
                found=choice.node.availability,
            )
        )
    findings.append(
        Change(
            "the Docker engine",
            "is stopped while the state is read, and started again"
            + (f": {choice.interrupts}" if choice.interrupts else ""),
        )
    )
    findings.append(Change("the swarm's backup", "is written, encrypted", expected=to))
    if choice.drains:
        findings.append(
            Change(
                f"node {choice.node.hostname}",
                "takes tasks again as before",
                expected=choice.node.availability,
                found="drain",
            )
        )
    return findings
