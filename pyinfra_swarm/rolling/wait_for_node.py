"""Waiting until a node that was worked on is back in the swarm."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra.api import FunctionCommand, Host, State

from pyinfra_swarm.nodes import facts
from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.rolling.health import not_back
from pyinfra_swarm.run import clock, reporting
from pyinfra_swarm.run.connection import log_in_again
from pyinfra_swarm.run.converge import Unobserved, call, forget_observations, observe_on, pause

PAUSE = 2
"""Seconds between two looks."""


@dataclass(frozen=True)
class Expected:
    """What a node has to be before it counts as back.

    acting: the manager that is asked; node: the node's id; manager: it is one.
    version: the engine that has to run, "" for any; peers: the ids of the nodes that were healthy
    before. seconds: how long is waited.
    """

    acting: str
    node: str
    manager: bool
    version: str
    peers: tuple[str, ...]
    seconds: int


def engine_runs(seconds: int) -> FunctionCommand:
    """A command that waits until this host's engine can say where it belongs.

    It never fails: the wait for the node, which comes next, says why it is not back.
    """
    return call(_wait_for_engine, seconds)


def node_back(expected: Expected, *, restored: bool) -> FunctionCommand:
    """A command that waits until this host's node is ready, and reachable where it is a manager.

    restored: it may have tasks again, so published ports have to respond on it.
    """
    return call(_wait_for_node, expected, restored)


def _wait_for_engine(state: State, host: Host, seconds: int) -> bool:
    deadline = clock.now() + seconds
    while clock.now() < deadline:
        forget_observations()
        own = _membership(host.name)
        if own is not None and own.engine == "running":
            break
        if own is None:
            log_in_again(host)
        pause(PAUSE)
    return True


def _wait_for_node(state: State, host: Host, expected: Expected, restored: bool) -> bool:
    deadline = clock.now() + expected.seconds
    while True:
        forget_observations()
        own = _membership(host.name)
        seen = own if expected.acting == host.name else _membership(expected.acting)
        # Its own word for the swarm counts where the managers had it for one of them.
        able = (seen, own) if expected.manager else (seen,)
        cluster = next((m for m in able if m and m.controls), None)
        problem = not_back(
            own, cluster, expected.node, expected.version, expected.peers, ingress=restored
        )
        if not problem:
            return True
        if clock.now() > deadline:
            drained = "" if restored else ". It is still drained"
            reporting.failed(
                host,
                f"this node has not come back after {expected.seconds} s: {problem}{drained}. Fix "
                "it (`sudo journalctl -u docker`), then run the same command again: it resumes "
                "here",
            )
            return False
        if own is None:
            log_in_again(host)
        pause(PAUSE)


def _membership(name: str) -> Membership | None:
    try:
        return observe_on(name, facts.State)
    except Unobserved:
        return None
