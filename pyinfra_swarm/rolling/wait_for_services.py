"""Waiting until services that had all their replicas before have them again."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra.api import FunctionCommand, Host, State

from pyinfra_swarm.rolling import facts
from pyinfra_swarm.rolling.services import Replicas, incomplete, without_a_node
from pyinfra_swarm.run import clock, reporting
from pyinfra_swarm.run.converge import Unobserved, call, forget_observations, observe_on, pause
from pyinfra_swarm.run.wording import listed

PAUSE = 2
"""Seconds between two looks."""

SETTLED = 10
"""Seconds that the managers have to give tasks to a node that may run them again."""


def services_complete(
    acting: str, before: Sequence[Replicas], seconds: int, remedy: str, *, restored: bool
) -> FunctionCommand:
    """A command that waits until services are as complete as they were.

    acting: the manager that is asked. before: what it said of the services before the change;
    services that lacked replicas then are not waited for, nor are tasks that no node may run; once
    the node is restored, no more of these than before. seconds: how long is waited. remedy: what
    the owner can do where it was in vain.
    """
    return call(_wait, acting, before, seconds, remedy, restored)


def _wait(
    state: State,
    host: Host,
    acting: str,
    before: Sequence[Replicas],
    seconds: int,
    remedy: str,
    restored: bool,
) -> bool:
    begun = clock.now()
    while True:
        forget_observations()
        try:
            now = observe_on(acting, facts.Replicas)
        except Unobserved as unobserved:
            problem = str(unobserved)
        else:
            lacking, waiting = incomplete(before, now, restored=restored), without_a_node(now)
            settled = not (restored and waiting) or clock.now() - begun >= SETTLED
            if not lacking and settled:
                _tell(host, waiting, restored)
                return True
            problem = f"services still lack replicas: {listed(lacking or waiting)}"
        if clock.now() - begun > max(seconds, SETTLED):
            reporting.failed(host, f"after {seconds} s {problem}. {remedy}")
            return False
        pause(PAUSE)


def _tell(host: Host, waiting: Sequence[str], restored: bool) -> None:
    why = "no node may run some of its tasks" if restored else "no other may run its tasks"
    for name in waiting:
        host.log(f"service {name} waits{'' if restored else ' for this node'}: {why}")
