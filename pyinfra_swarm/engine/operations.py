"""A script run on the acting manager, in the name of the host whose operation it is."""

from __future__ import annotations

from pyinfra.api import FunctionCommand, Host, State

from pyinfra_swarm.run import no_answer, reporting
from pyinfra_swarm.run.converge import call
from pyinfra_swarm.run.script import quietly


def on(acting: str, text: str, doing: str, *, timeout: int = 60) -> FunctionCommand:
    """A script run on the acting manager, in the name of the host whose operation this is.

    doing: what it is for, in words, for the failure's message.
    """
    return call(_on, acting, text, doing, timeout)


def _on(state: State, host: Host, acting: str, text: str, doing: str, timeout: int) -> bool:
    manager = state.inventory.get_host(acting)
    outcome = quietly(manager, text, timeout=timeout, shown=True)
    if outcome.silent:
        reporting.failed(
            host,
            no_answer.on_another_host(doing, acting, outcome.problem),
        )
    elif not outcome.done:
        reporting.failed(host, f"{doing} on {acting} failed: {outcome.problem}")
    return outcome.done
