"""The swarm: found or found again, encrypted, joined, its managers promoted, its nodes labelled.

Every operation here runs on every host, in the same order; who does what is decided inside, from
what the hosts say at that moment.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from gevent.event import AsyncResult
from pyinfra import logger
from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.engine.api import (
    API,
    LEAVE,
    REACHABLE,
    UNLESS_GONE,
    UPDATE_NODE,
    WITHIN,
    on,
    updated,
)
from pyinfra_swarm.networks.operations import MISSES_INGRESS
from pyinfra_swarm.nodes import measures
from pyinfra_swarm.nodes.identity import node_at, node_of
from pyinfra_swarm.nodes.membership import (
    Membership,
    Node,
    Observed,
    acting_manager,
    view,
)
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.quorum import Quorum
from pyinfra_swarm.nodes.steps import (
    AwaitJoin,
    Clear,
    Demote,
    Join,
    Promote,
    SetAvailability,
    SetLabel,
)
from pyinfra_swarm.run import records, reporting
from pyinfra_swarm.run.answer import NoAnswer
from pyinfra_swarm.run.connection import UNREACHABLE, read, why
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    converges,
    current_host,
    fail,
    progress,
    script,
    this_host,
)
from pyinfra_swarm.run.shell import arrives_whole, with_values
from pyinfra_swarm.swarm import stages as topology
from pyinfra_swarm.swarm.stage_operations import to_do

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host as DeclaredHost
    from pyinfra_swarm.settings import Settings


@converges("swarm")
def founded(settings: Settings) -> Commands:
    """Find the swarm that declared hosts are in; found it only if there is none for certain.

    + settings: the cluster's settings.
    """
    me = this_host(settings)
    observed = memberships()
    _measure(settings, observed, me)
    if not to_do(settings, topology.FOUND, observed):
        return
    progress("founding the swarm")
    body = {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": me.address,
        "DataPathPort": settings.swarm.data_path_port,
        "DefaultAddrPool": list(settings.swarm.address_pool),
        "SubnetSize": settings.swarm.subnet_size,
        "Spec": {
            "CAConfig": {
                "NodeCertExpiry": settings.swarm.certificate_expiry_seconds * 1_000_000_000
            }
        },
    }
    yield script(
        f"{API}api --data-binary @- http://localhost/swarm/init", stdin=json.dumps(body), timeout=90
    )


@converges("swarm")
def joined(settings: Settings) -> Commands:
    """Hosts that are in no swarm join as workers; dead entries of their earlier life are cleared.

    + settings: the cluster's settings.

    The join token travels from the manager's memory to the host's standard input and is nowhere
    else: not in an argument list, a log, a fact or a file.
    """
    me = this_host(settings)
    observed = memberships()
    todo = to_do(settings, topology.JOIN, observed)
    if not todo:
        return
    acting, cluster = acting_manager(settings, observed), view(settings, observed)
    if acting is None or cluster is None:
        yield fail("there is no swarm to join: no manager answers for one")
        return
    managers = _addresses(settings, cluster, acting)
    for step in todo:
        if isinstance(step, Clear):
            doing = f"clearing the dead entry {step.node.id}"
            yield on(acting, _remove_script(step.node), doing, timeout=120)
        elif isinstance(step, AwaitJoin):
            yield on(me.name, _JOINED, "joining", timeout=120)
        elif isinstance(step, Join):
            if step.leave:
                yield script(f"{API}{_NOT_LET_IN}api -X POST '{LEAVE}?force=1'")
            yield call(_join, acting, me.address, managers)


def _addresses(settings: Settings, cluster: Membership, acting: str) -> list[str]:
    """Where hosts join: the declared addresses of hosts that are reachable managers.

    Not the addresses that the list has: whatever stands there, nobody joins outside of what is
    declared.
    """
    found = []
    for host in settings.hosts:
        node = node_at(settings, cluster, host.name)
        if host.name == acting or (node is not None and node.reachability == "reachable"):
            found.append(f"{host.address}:2377")
    return found


def _remove_script(node: Node) -> str:
    text = UNLESS_GONE + _STILL_DOWN
    text += "still_down\n" if node.state == "down" else ""
    text += _DEMOTE_DEAD if node.votes else ""
    return with_values(text + 'remove_node --force "$node"', node=node.id)


_DEMOTE_DEAD = 'unless_gone docker node demote "$node" || { echo "$said" >&2; exit 1; }\n'


_STILL_DOWN = """\
still_down() {
  case $(docker node inspect --format '{{.Status.State}}' "$node" 2>&1) in
    ready) echo "node $node has come back, so its entry stays. Run again" >&2; exit 1 ;;
  esac
}
"""
"""Shell: ``still_down``, right before its entry goes by force: it may have come back."""

_JOINED = (
    WITHIN
    + """\
joined() {
  state=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}' 2>&1)
  case "$state" in active*) ;; *) return 1 ;; esac
}
within 90 joined || {
  echo "not joined after 90 s: $state. This host has to reach the managers at port 2377 (tcp);" \
    "if it does, “systemctl restart docker” ends this attempt; then run again" >&2
  exit 1
}
"""
)


_NOT_LET_IN = """\
api http://localhost/info
case $answer in
*'"LocalNodeState":"active"'*)
  echo "this host has been let in meanwhile, so it did not leave. Run again" >&2; exit 1 ;;
*'"LocalNodeState":"inactive"'*) exit 0 ;;
esac
"""
"""Shell, after :data:`API`: ends where this engine has been let in meanwhile, or has given up.

One that cannot reach its manager calls itself ``pending``, then ``error``: it has to leave.
"""


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
    # Joining goes on in the background where it takes longer than the engine's own patience.
    joining = f"{API}api --data-binary @- http://localhost/swarm/join && exit 0\n"
    joining += '[ "$code" = 503 ] || exit 1\n'
    command, sent = arrives_whole(joining + _JOINED, json.dumps(body))
    status, output = host.run_shell_command(
        StringCommand(command),
        print_output=False,
        print_input=False,
        _sudo=True,
        _stdin=sent,
        _timeout=180,
    )
    if not status:
        words = output.stderr.replace(token, "…").strip() or "no message"
        reporting.failed(host, f"could not join the swarm through {', '.join(managers)}: {words}")
        return False
    _look_for_the_ingress(state, host, acting, address)
    return True


_LOOK_AGAIN = f"""\
at=$(docker node inspect --format '{{{{.Status.Addr}}}}' -- "$node")
[ "$at" != "$address" ] || {{ {UPDATE_NODE}update_node "$node"; }}
"""
"""Shell: it is the host's own word which node it is; another's is left alone."""


def _look_for_the_ingress(state: State, host: Host, acting: str, address: str) -> None:
    """An engine that has just joined gets its end of the ingress network, or is made to try again.

    Where that is of no use either, the next run says so.
    """
    node = ""
    with suppress(NoAnswer):
        node = read(host, MISSES_INGRESS, timeout=60)
    if node:
        host.log("this engine has not joined the ingress network: it is to try again")
        with suppress(*UNREACHABLE):
            look_again = with_values(_LOOK_AGAIN, node=node, address=address)
            state.inventory.get_host(acting).run_shell_command(
                StringCommand(f"set -eu\n{look_again}"),
                print_output=state.print_output,
                print_input=state.print_input,
                _sudo=True,
                _timeout=60,
            )


_WORKER_TOKEN = f"""\
set -eu
{API}api http://localhost/swarm
token=${{answer#*'"Worker":"'}}
token=${{token%%'"'*}}
case $token in SWMTKN-*) echo "$token" ;; *) exit 1 ;; esac
"""
"""Shell: prints the worker's token alone; the manager's, in the same answer, stays on its host."""

_tokens: dict[str, AsyncResult[str]] = {}


def _worker_token(state: State, acting: str) -> str:
    """The token that lets a host in as a worker, asked once a run and kept in memory only.

    Hosts join at the same time: the first asks, the others wait for its answer.
    """
    asked = _tokens.get(acting)
    if asked is not None:
        return asked.get() or ""
    pending: AsyncResult[str] = AsyncResult()
    _tokens[acting] = pending
    token = ""
    try:
        token = read(state.inventory.get_host(acting), _WORKER_TOKEN, timeout=30)
    except (*UNREACHABLE, NoAnswer) as error:
        logger.error(f"{acting} gave no answer when it was asked for the join token: {why(error)}")
    finally:
        if not token:
            del _tokens[acting]
        pending.set(token)
    return token


@converges("swarm")
def promoted(settings: Settings) -> Commands:
    """Declared managers that are workers are promoted, one at a time, never below quorum.

    + settings: the cluster's settings.

    Call it with ``_serial=True``. The next is promoted when this one is a reachable manager.
    """
    observed = memberships()
    for step in to_do(settings, topology.PROMOTE, observed):
        assert isinstance(step, Promote)
        acting, cluster = acting_manager(settings, observed), view(settings, observed)
        if acting is None or cluster is None or not step.node:
            yield fail("this host is not in the swarm, so it cannot be promoted")
            return
        progress(f"promoting: {Quorum.of(cluster).with_(step.node).sentence('will be')}")
        text = with_values(_PROMOTE, node=step.node)
        yield on(acting, text, "promoting it", timeout=120)
        yield on(current_host().name, _IS_MANAGER, "waiting until it answers as one", timeout=90)


_PROMOTE = f"""\
{UPDATE_NODE}{WITHIN}update_node "$node" manager
reachable() {{
  api "http://localhost/nodes/$node" 2>/dev/null || return 1
  case $answer in *{REACHABLE}*) ;; *) return 1 ;; esac
}}
pause=0.2
within 90 reachable || {{ echo "promoted, but not reachable after 90 s" >&2; exit 1; }}
"""


@converges("swarm")
def demoted(settings: Settings) -> Commands:
    """Managers that are declared workers are demoted, one at a time, never below quorum.

    + settings: the cluster's settings.

    Call it with ``_serial=True``. The leader is left for :func:`leader_demoted`.
    """
    yield from _demote(settings, topology.DEMOTE)


@converges("swarm")
def leader_demoted(settings: Settings) -> Commands:
    """The leader, where it is declared a worker, is demoted, when all others are as declared.

    + settings: the cluster's settings.

    Call it with ``_serial=True``. Another manager leads when this is through.
    """
    yield from _demote(settings, topology.DEMOTE_LEADER)


def _demote(settings: Settings, stage: topology.Stage) -> Commands:
    observed = memberships()
    for step in to_do(settings, stage, observed):
        assert isinstance(step, Demote)
        cluster = view(settings, observed)
        if cluster is not None:
            left = Quorum.of(cluster).without(step.node)
            which = " the leader" if step.leader else ""
            progress(f"demoting{which}: {left.sentence('will be')}")
        yield from demote(step.node, step.on, itself=step.on == current_host().name)
        yield on(current_host().name, IS_WORKER, "waiting until it is a worker", timeout=120)


def demote(node: str, acting: str, *, itself: bool) -> Commands:
    """Make a node a worker, by id, asked of a manager; ended when it is none, and another leads.

    itself: that manager is the node, which answers no longer when it is done.

    A node that has just been promoted, or that has just lost its leader, says for a moment that it
    cannot answer: it is asked again.
    """
    text = _DEMOTE + ("" if itself else _DEMOTED)
    yield on(acting, with_values(text, node=node), "demoting it", timeout=180)


_DEMOTE = f"""\
{UPDATE_NODE}
i=0
until update_node "$node" worker; do
  i=$((i + 1)); [ "${{code:-503}}" = 503 ] && [ $i -lt 15 ] || exit 1
  sleep 1
done
"""

_IS_MANAGER = f"""\
{API}{WITHIN}
answers() {{ api http://localhost/nodes 2>/dev/null; }}
pause=0.2
within 60 answers || {{ echo "$answer" >&2; exit 1; }}
"""
"""Shell: others call a new manager reachable some time before it can answer itself (26.1.5)."""

_DEMOTED = (
    WITHIN
    + """\
left() {
  api "http://localhost/nodes/$node" 2>/dev/null || return 1
  case $answer in *'"ManagerStatus":{'*) return 1 ;; esac
}
led() {
  api http://localhost/nodes 2>/dev/null || return 1
  case $answer in *'"Leader":true'*) ;; *) return 1 ;; esac
}
passed_on() { left && led; }
within 90 passed_on || {
  echo "its role is worker now, but after 90 s it is still in the managers' group, or no" \
    "manager leads: look at “docker node ls” there, and run again" >&2; exit 1; }
known() {
  api http://localhost/nodes 2>/dev/null || return 1
  case $answer in *'"Status":{"State":"unknown"'*) return 1 ;; esac
}
within 30 known || :
"""
)
"""Shell: waits until it is no manager, and another leads, and knows its nodes again.

A new leader calls all nodes unknown until they have turned to it (seen with 26.1.5).
"""

IS_WORKER = (
    WITHIN
    + """\
state() { docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>&1; }
is_worker() { case $(state) in "active false" | "error false") ;; *) return 1 ;; esac; }
within 90 is_worker || {
  echo "demoted, but after 90 s its engine still acts as a manager. Run again; if it stays so:" \
    "systemctl restart docker" >&2; exit 1; }
"""
)
"""Shell: some seconds pass until a demoted engine knows it (seen with 26.1.5: up to 8)."""


@converges("swarm")
def labelled(settings: Settings) -> Commands:
    """Labels and availability as declared; what was done by hand, and strangers, are reported.

    + settings: the cluster's settings.
    """
    observed = memberships()
    todo = to_do(settings, topology.LABEL, observed)
    if not todo:
        return
    acting, cluster = acting_manager(settings, observed), view(settings, observed)
    node = node_of(settings, observed, cluster, this_host(settings).name) if cluster else None
    if acting is None or node is None:
        yield fail("this host is not in the swarm, so it cannot be labelled")
        return
    options: list[str] = []
    for step in todo:
        if isinstance(step, SetLabel):
            options += ["--label-add", f"{step.key}={step.value}"]
        elif isinstance(step, SetAvailability):
            options += ["--availability", step.availability]
    yield on(acting, updated(node.id, options), "updating it")


MEASURES = {
    "nodes": measures.nodes,
    "managers": measures.managers,
    "networks": measures.networks,
}


def _measure(settings: Settings, observed: Observed, me: DeclaredHost) -> None:
    """What a report shows of the swarm besides its differences."""
    for what, of in MEASURES.items():
        records.measure("swarm", what, partial(of, settings, observed))
    own = observed[me.name]
    if own is not None and own.certificate_expires is not None:
        records.measure("swarm", "certificate expires", own.certificate_expires, host=me.name)
