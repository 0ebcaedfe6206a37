"""The steps that take a swarm from what it is to what is declared.

A step is a :class:`~run.findings.Change` that also says what to do: a person reads the change,
an operation carries out the step. The planners (:mod:`swarm.plan`, :mod:`networks.plan`,
:mod:`removal.plan`) make them; :mod:`swarm.stages` puts them in their order.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.nodes.membership import Node
from pyinfra_swarm.run.findings import Change, Finding


@dataclass(frozen=True)
class Step(Change):
    """Something that one operation does for one host."""


@dataclass(frozen=True)
class Found(Step):
    """This host founds the swarm, and is its first manager."""


@dataclass(frozen=True)
class ReplaceIngress(Step):
    """The ingress network is made anew, encrypted; removed before, where there is one."""


@dataclass(frozen=True, kw_only=True)
class EnterIngress(Step):
    """This node gets its end of the ingress network."""

    node: str


@dataclass(frozen=True, kw_only=True)
class Clear(Step):
    """A dead entry is taken off the list of nodes; demoted first, where it is a manager's."""

    node: Node


@dataclass(frozen=True, kw_only=True)
class Join(Step):
    """This host joins as a worker. leave: its joining of before, which is in vain, ends first."""

    leave: bool = False


@dataclass(frozen=True)
class AwaitJoin(Step):
    """This host is joining already: that is waited for."""


@dataclass(frozen=True, kw_only=True)
class Promote(Step):
    """This node, by id, becomes a manager that is reachable; "": the one it will be."""

    node: str


@dataclass(frozen=True, kw_only=True)
class Demote(Step):
    """This node, by id, becomes a worker.

    on: the host whose engine is asked: another one, where there is one.
    leader: it is the leader, so another manager has to take over.
    """

    node: str
    on: str
    leader: bool


@dataclass(frozen=True, kw_only=True)
class SetLabel(Step):
    """This host's node gets a label."""

    key: str
    value: str


@dataclass(frozen=True, kw_only=True)
class SetAvailability(Step):
    """This host's node gets an availability."""

    availability: str


@dataclass(frozen=True, kw_only=True)
class CreateOverlay(Step):
    """A declared overlay network is made, encrypted."""

    name: str


@dataclass(frozen=True, kw_only=True)
class AwaitEmpty(Step):
    """A drained node's tasks are waited for until they have ended."""

    node: str


@dataclass(frozen=True, kw_only=True)
class Leave(Step):
    """This host leaves the swarm. by_hand: it cannot be reached; its owner has to type it there."""

    by_hand: bool = False


@dataclass(frozen=True, kw_only=True)
class RemoveEntry(Step):
    """A node's entry, by id, is taken off the list when the node is down."""

    node: str


def steps(findings: list[Finding]) -> list[Step]:
    """Only what is to be carried out."""
    return [finding for finding in findings if isinstance(finding, Step)]
