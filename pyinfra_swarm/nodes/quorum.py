"""The quorum: how many managers a swarm has, how many are reachable, and how many it needs.

Source: Docker's administration guide for swarm, “Maintain the quorum of managers”.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership, Observed, managers_of, view
from pyinfra_swarm.run.findings import Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.settings.model import Settings

BRING_BACK = "Bring the other managers back first, then run again"
"""The remedy where too few managers are reachable for what is asked."""


def majority(managers: int) -> int:
    """How many of so many managers must be reachable for the swarm to change anything."""
    return managers // 2 + 1


@dataclass(frozen=True)
class Quorum:
    """The managers of a swarm, and those of them that the leader reaches, by node id.

    Each method gives the quorum as it would be after a change. The sentences have the arithmetic
    in them, so that an operator can check it.
    """

    members: frozenset[str]
    reached: frozenset[str]

    @classmethod
    def of(cls, cluster: Membership) -> Quorum:
        """The quorum of a swarm, as the manager that was asked sees it."""
        managers = managers_of(cluster)
        return cls(
            frozenset(node.id for node in managers),
            frozenset(node.id for node in managers if node.reachability == "reachable"),
        )

    @property
    def managers(self) -> int:
        """How many managers there are, reachable or not."""
        return len(self.members)

    @property
    def reachable(self) -> int:
        """How many of them the leader reaches."""
        return len(self.reached)

    @property
    def needed(self) -> int:
        """How many of them must be reachable for the swarm to change anything."""
        return majority(self.managers)

    @property
    def margin(self) -> int:
        """How many more managers may fail; negative where the quorum is lost."""
        return self.reachable - self.needed

    @property
    def lost(self) -> bool:
        """Too few managers are reachable: the swarm changes nothing."""
        return self.margin < 0

    def with_(self, node: str) -> Quorum:
        """After this node became a manager that is reachable."""
        return Quorum(self.members | {node}, self.reached | {node})

    def without(self, *nodes: str) -> Quorum:
        """After these nodes ceased to be managers."""
        return Quorum(self.members.difference(nodes), self.reached.difference(nodes))

    def while_down(self, *nodes: str) -> Quorum:
        """While these managers are down: they count, and are not reachable."""
        return replace(self, reached=self.reached.difference(nodes))

    def once_up(self, nodes: Iterable[str]) -> Quorum:
        """When those of these nodes that are managers are reachable again."""
        return replace(self, reached=self.reached | self.members.intersection(nodes))

    def sentence(self, verb: str = "are") -> str:
        """The arithmetic: ``2 of 3 managers are reachable, 2 are needed``."""
        return (
            f"{self.reachable} of {self.managers} managers {verb} reachable, "
            f"{self.needed} are needed"
        )

    def forbids_stop(self, node: str) -> str:
        """Why a manager must not be stopped for some time; empty where it may be.

        A swarm of one or two managers cannot do without any of them. Its owner knows that, and
        where it matters is asked: here the interruption is not forbidden.
        """
        then = self.while_down(node)
        if self.managers <= 2 or not then.lost:
            return ""
        return (
            f"of {self.managers} managers {self.needed} must stay reachable, and without this one "
            f"only {then.reachable} would be"
        )

    def forbids_demotion(self, node: str) -> str:
        """Why a manager must not become a worker, or leave for good; empty where it may."""
        then = self.without(node)
        if then.managers == 0:
            return "it is the last manager, and a swarm cannot be without one"
        if not then.lost:
            return ""
        return (
            f"of the {then.managers} other manager{'s' * (then.managers != 1)} {then.needed} would "
            f"have to be reachable, and only {then.reachable} "
            f"{'is' if then.reachable == 1 else 'are'} ({then.reachable} < {then.needed})"
        )

    def forbids_promotion(self, node: str) -> str:
        """Why a worker must not become a manager; empty where it may."""
        then = self.with_(node)
        if not then.lost:
            return ""
        return (
            f"of {then.managers} managers {then.needed} would have to be reachable, and only "
            f"{self.reachable} of the present {self.managers} are "
            f"({self.reachable} + 1 < {then.needed})"
        )


def may_restart(settings: Settings, observed: Observed, name: str) -> Refusal | None:
    """Why a host's engine must not be restarted now; ``None`` where it may.

    The other managers have to keep a quorum in the meantime. A swarm of one or two managers cannot
    do without any of them, so there the short interruption is accepted.
    """
    own = observed.get(name)
    if own is None or not own.in_swarm or not own.manager:
        return None
    # A manager that is to be demoted may be the only one that answers: then its word is enough.
    cluster = view(settings, observed) or (own if own.controls else None)
    if cluster is None:
        return None  # the swarm does not work any more, so a restart can only help
    problem = Quorum.of(cluster).forbids_stop(own.node)
    if not problem:
        return None
    return Refusal("the running Docker daemon", f"is not restarted: {problem}", remedy=BRING_BACK)
