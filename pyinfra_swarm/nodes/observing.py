"""What an operation asks about the nodes of the swarm, and who acts for all of them.

What is done once for the whole swarm is done by its acting manager
(:func:`nodes.membership.acting_manager`). An operation that does it refuses first where
``--limit`` leaves that manager out (:func:`acting_left_out`), has it reported there alone
(:func:`run.converge.only_on`), and yields :func:`engine.operations.on`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes import facts
from pyinfra_swarm.nodes.membership import Observed, Ours, acting_manager, view
from pyinfra_swarm.nodes.refusals import no_manager
from pyinfra_swarm.run.converge import current_host, is_executing, observe_all
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.run.limit import left_out

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def memberships() -> Observed:
    """What every host says of its place in a swarm; others may be silent, this one may not."""
    return observe_all(facts.State)


def may_be_left(settings: Settings, *kinds: Ours) -> bool:
    """Whether the swarm has something of ours of these kinds, declared or not.

    That much the managers say whenever they are asked about the swarm: where nothing is declared,
    nothing more is asked unless something is there.
    """
    cluster = view(settings, memberships())
    return cluster is not None and any(kind in cluster.ours for kind in kinds)


def acting_left_out(settings: Settings, observed: Observed) -> list[Finding]:
    """A refusal where ``--limit`` leaves out the manager that acts for the whole swarm."""
    acting = acting_manager(settings, observed)
    return left_out([acting] if acting else [], "the manager that does this for the whole swarm")


def without_a_manager(
    settings: Settings, observed: Observed, refused: str, to_come: Callable[[], list[Finding]]
) -> list[Finding]:
    """What the first declared manager tells where none speaks for a swarm.

    While a new swarm is only planned, that is what is to come in it; else that nothing can be done.
    refused: what is not done, in words.
    """
    if current_host().name != settings.managers[0].name:
        return []
    is_planned = all(own is None or own.in_none for own in observed.values())
    if is_executing() or not is_planned:
        return [no_manager(refused)]
    return to_come()
