"""Hosts that are in no swarm join as workers."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gevent.event import AsyncResult
from pyinfra import logger
from pyinfra.api import Host, State

from pyinfra_swarm.engine.api import API, THIS_ENGINE, WITHIN
from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.networks.operations import MISSES_INGRESS
from pyinfra_swarm.nodes.identity import node_at
from pyinfra_swarm.nodes.membership import Membership, Node, acting_manager, view
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.programs import REMOVE_NODE, UPDATE_NODE
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.answer import NoAnswer
from pyinfra_swarm.run.connection import UNREACHABLE, read, why
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.converge import Commands, call, converges, fail, script, this_host
from pyinfra_swarm.run.findings import unhandled
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly
from pyinfra_swarm.swarm.join import AwaitJoin, Clear, Join, never_came_up
from pyinfra_swarm.swarm.stage_operations import to_do
from pyinfra_swarm.swarm.stages import JOIN

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

AWAIT_JOIN = program(__file__, "await_join.sh", using=[THIS_ENGINE, WITHIN])
LEAVE_PENDING = program(__file__, "leave_pending.sh", using=[API])
WORKER_TOKEN = program(__file__, "worker_token.sh", using=[THIS_ENGINE])


def clear_dead_entry(node: Node) -> str:
    """Shell for a manager that removes the entry of a node that is dead."""
    return program(
        __file__,
        "clear_dead_entry.sh",
        using=[REMOVE_NODE],
        node=node.id,
        was_down="yes" if node.state == "down" or never_came_up(node) else "",
        manager="yes" if node.votes else "",
    )


def attach_again(node: str, address: str) -> str:
    """Shell for a manager that has a node's engine try again to attach to its networks."""
    return program(__file__, "attach_again.sh", using=[UPDATE_NODE], node=node, address=address)


@converges("swarm", rests_on=["swarm"])
def joined(settings: Settings) -> Commands:
    """Hosts that are in no swarm join as workers; dead entries of their earlier life are cleared.

    + settings: the cluster's settings.

    The join token travels from the manager's memory to the host's standard input and is nowhere
    else: not in an argument list, a log, a fact or a file.
    """
    me = this_host(settings)
    observed = memberships()
    todo = to_do(settings, JOIN, observed)
    if not todo:
        return
    acting, cluster = acting_manager(settings, observed), view(settings, observed)
    if acting is None or cluster is None:
        yield fail("there is no swarm to join: no manager answers for one")
        return
    managers = _addresses(settings, cluster, acting)
    for step in todo:
        match step:
            case Clear(node=node):
                doing = f"clearing the dead entry {node.id}"
                yield on(acting, clear_dead_entry(node), doing, timeout=120)
            case AwaitJoin():
                yield on(me.name, AWAIT_JOIN, "joining", timeout=120)
            case Join(leave=leave):
                if leave:
                    yield script(LEAVE_PENDING)
                yield call(_join, acting, me.address, managers)
            case _:
                raise unhandled(step)


def _addresses(settings: Settings, cluster: Membership, acting: str) -> list[str]:
    """Where hosts join: the declared addresses of hosts that are reachable managers.

    Not the addresses in the managers' list: no host joins outside of what is declared.
    """
    found = []
    for host in settings.hosts:
        node = node_at(settings, cluster, host.name)
        if host.name == acting or (node is not None and node.reachability == "reachable"):
            found.append(f"{host.address}:2377")
    return found


def _join(state: State, host: Host, acting: str, address: str, managers: list[str]) -> bool:
    token = _worker_token(state, acting)
    if not token:
        reporting.failed(host, f"{acting} gave no join token, so this host could not join")
        return False
    host.log(f"joining through {', '.join(managers)}")
    body = {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": address,
        "RemoteAddrs": managers,
        "JoinToken": token,
    }
    joining = program(__file__, "join.sh", using=[API]) + AWAIT_JOIN
    outcome = quietly(host, joining, stdin=json.dumps(body), timeout=180, hidden=[token])
    if not outcome.done:
        through = ", ".join(managers)
        reporting.failed(host, f"could not join the swarm through {through}: {outcome.problem}")
        return False
    _attach_to_the_ingress(state, host, acting, address)
    return True


def _attach_to_the_ingress(state: State, host: Host, acting: str, address: str) -> None:
    """Attach an engine that has just joined to the ingress network, where it has not done so.

    Where that is of no use either, the next run says so.
    """
    node = ""
    with suppress(NoAnswer):
        node = read(host, MISSES_INGRESS, timeout=60)
    if node:
        host.log("this engine has not joined the ingress network: it is to try again")
        manager = state.inventory.get_host(acting)
        quietly(manager, attach_again(node, address), timeout=60, shown=True)


@dataclass
class _Tokens:
    """workers: the token that lets a host in, by the name of the manager that was asked."""

    workers: dict[str, AsyncResult[str]] = field(default_factory=dict, repr=False)


def _worker_token(state: State, acting: str) -> str:
    """The token that lets a host in as a worker, asked once a run and kept in memory only.

    Hosts join at the same time: the first asks, the others wait for its answer.
    """
    tokens = this_run(_Tokens).workers
    asked = tokens.get(acting)
    if asked is not None:
        return asked.get() or ""
    pending: AsyncResult[str] = AsyncResult()
    tokens[acting] = pending
    token = ""
    try:
        token = read(state.inventory.get_host(acting), WORKER_TOKEN, timeout=30)
    except (*UNREACHABLE, NoAnswer) as error:
        logger.error(f"{acting} gave no answer when it was asked for the join token: {why(error)}")
    finally:
        if not token:
            del tokens[acting]
        pending.set(token)
    return token
