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


def services_complete(
    acting: str, before: Sequence[Replicas], seconds: int, remedy: str
) -> FunctionCommand:
    """A command that waits until services are as complete as they were.

    acting: the manager that is asked. before: what it said of the services before the change;
    services that lacked replicas then are not waited for, nor are tasks that no node may run.
    seconds: how long is waited. remedy: what the owner can do where it was in vain.
    """
    return call(_wait, acting, before, seconds, remedy)


def _wait(
    state: State, host: Host, acting: str, before: Sequence[Replicas], seconds: int, remedy: str
) -> bool:
    deadline = clock.now() + seconds
    while True:
        forget_observations()
        try:
            now = observe_on(acting, facts.Replicas)
        except Unobserved as unobserved:
            problem = str(unobserved)
        else:
            lacking = incomplete(before, now)
            if not lacking:
                for name in without_a_node(now):
                    host.log(f"service {name} waits for this node: no other may run its tasks")
                return True
            problem = f"services still lack replicas: {listed(lacking)}"
        if clock.now() > deadline:
            reporting.failed(host, f"after {seconds} s {problem}. {remedy}")
            return False
        pause(PAUSE)
