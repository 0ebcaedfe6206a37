"""What a manager lists, asked again for a while where it cannot say.

It may be on its way up, or the swarm without a leader for a moment. An answer of that kind holds
nothing; whoever took it for the swarm would believe that there are no services.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

from pyinfra.api import FactBase, Host

from pyinfra_swarm.run import clock
from pyinfra_swarm.run.connection import log_in_again
from pyinfra_swarm.run.converge import Unobserved, forget_observations, observe_on, pause
from pyinfra_swarm.services.operations import PAUSE, SILENT


class Listing(Protocol):
    """What a manager lists. problem: why it cannot, in words; "" where it could."""

    @property
    def problem(self) -> str: ...


T = TypeVar("T", bound=Listing)


def as_listed(manager: Host, fact: type[FactBase[T]]) -> T:
    """What a manager lists now.

    Raises :class:`run.converge.Unobserved` where it has not said it for :data:`SILENT` seconds.
    """
    end = clock.now() + SILENT
    while True:
        forget_observations()
        silent = False
        try:
            seen = observe_on(manager.name, fact)
        except Unobserved as unobserved:
            failure, silent = unobserved, unobserved.silent
        else:
            if not seen.problem:
                return seen
            failure = Unobserved(f"{manager.name} cannot list them: {seen.problem}")
        if clock.now() > end:
            raise failure
        pause(PAUSE)
        if silent:
            log_in_again(manager)
