"""A script run on the acting manager, in the name of the host whose operation it is."""

from __future__ import annotations

from pyinfra.api import FunctionCommand, Host, State

from pyinfra_swarm.run import reporting
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
            f"{doing} on {acting}: {outcome.problem}. It may have happened all the same: once "
            f"{acting} answers again, run the same command again; it goes on from there",
        )
    elif not outcome.done:
        reporting.failed(host, f"{doing} on {acting} failed: {outcome.problem}")
    return outcome.done
