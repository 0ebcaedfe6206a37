"""The swarm: found or found again, encrypted, joined, its managers promoted, its nodes labelled.

Every operation here runs on every host, in the same order; who does what is decided inside, from
what the hosts say at that moment.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from gevent.event import AsyncResult
from pyinfra.api import FunctionCommand, Host, State, StringCommand

from cluster import measures, topology
from cluster.findings import Finding
from cluster.membership import (
    Node,
    Observed,
    Service,
    acting_manager,
    managers_of,
    node_of,
    quorum,
    reachable,
    view,
)
from cluster.overlays import services_matter
from cluster.steps import (
    AwaitJoin,
    Clear,
    CreateOverlay,
    Demote,
    EnterIngress,
    Join,
    Promote,
    SetAvailability,
    SetLabel,
    Step,
    steps,
)
from facts import host as host_facts
from facts import swarm as swarm_facts
from operations import story
from operations.converge import (
    Commands,
    converges,
    current_host,
    fail,
    is_executing,
    observe,
    observe_all,
    observe_on,
    progress,
    script,
    tell,
)

if TYPE_CHECKING:
    from cluster.settings import Host as DeclaredHost
    from cluster.settings import Settings

API = """\
api() {
  answer=$(curl -sS --max-time 60 --unix-socket /run/docker.sock -w '\\n%{http_code}' \
    -H 'Content-Type: application/json' "$@" 2>&1) || { echo "$answer" >&2; return 1; }
  code=${answer##*
}
  answer=${answer%
*}
  case $code in 2??) return 0;; *) echo "the engine answered $code: $answer" >&2; return 1;; esac
}
"""
"""Shell: ``api CURL-ARGUMENTS`` asks the engine; sets ``code`` and ``answer``.

Each start of Docker's command line takes a board longer than the answer.
"""

_UNNAMED = 's/^{"Name":"anew",/{/'

UPDATE_NODE = f"""\
{API}
try_update() {{
  api "http://localhost/nodes/$1" || return 1
  version=${{answer#*'"Index":'}}
  version=${{version%%[!0-9]*}}
  spec=${{answer#*'"Spec":'}}
  spec=${{spec%%',"Description":'*}}
  spec=$(printf '%s' "$spec" | sed "$2")
  api --data-binary "$spec" "http://localhost/nodes/$1/update?version=$version"
}}
write_node() {{
  tries=0
  until try_update "$@"; do
    tries=$((tries + 1)); [ $tries -lt 10 ] || return 1; sleep 0.2
  done
}}
update_node() {{
  if [ $# = 2 ]; then
    write_node "$1" 's/"Role":"[a-z]*"/"Role":"'"$2"'"/'
    return
  fi
  write_node "$1" '{_UNNAMED}; s/^{{/{{"Name":"anew",/'
  sleep 0.3
  write_node "$1" '{_UNNAMED}'
}}
"""
"""Shell: ``update_node ID [ROLE]`` writes a node's specification anew, with another role if given.

The engine refuses it where the node has changed since it was read: then it is read again.

Without a role the node's engine is made to look at its networks again: the manager gives it the
networks that it has not yet, and the engine joins them. An engine that has tried that already does
so again only if something of its node has changed; hence the name, which no command shows, and
which is taken away again when the manager has had its time.
"""


@converges("swarm")
def founded(settings: Settings) -> Commands:
    """Find the swarm that declared hosts are in; found it only if there is none for certain.

    + settings: the cluster's settings.
    """
    me = _me(settings)
    observed = _memberships_together()
    _measure(settings, observed, me)
    if not _to_do(settings, topology.FOUND, observed):
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
def ingress_encrypted(settings: Settings) -> Commands:
    """The ingress network encrypted: replaced where it is not, before anybody joins; all in it.

    + settings: the cluster's settings.

    Done through the engine's API: the command line prompts, and takes a closed standard input for
    a “no” that it reports as success. Removing is asynchronous, so the end of it is awaited.
    """
    me = _me(settings)
    observed = memberships()
    for step in _to_do(settings, topology.INGRESS, observed):
        if isinstance(step, EnterIngress):
            acting = acting_manager(settings, observed) or me.name
            yield on(acting, f"{UPDATE_NODE}update_node {step.node}", "updating this node")
            yield on(me.name, _JOIN_INGRESS, "joining the ingress network", timeout=90)
        else:
            yield from _replace_ingress(settings)


def _replace_ingress(settings: Settings) -> Commands:
    progress("replacing the ingress network by an encrypted one")
    network = _overlay("ingress", settings, settings.networks.ingress_subnet)
    yield script(_REPLACE_INGRESS, stdin=json.dumps({**network, "Ingress": True}), timeout=180)


_INGRESS = f"""\
{UPDATE_NODE}
networks=http://localhost/networks
code=
look() {{ api "$networks/ingress" 2>/dev/null || [ "$code" = 404 ]; }}
shows() {{ look && case $answer in *"\\"$1\\""*) ;; *) return 1 ;; esac; }}
gone() {{ look && [ "$code" = 404 ]; }}
wait_until() {{
  i=0
  until "$@"; do i=$((i + 1)); [ $i -lt 100 ] || return 1; sleep 0.2; done
}}
has_end() {{
  wait_until shows ingress-sbox || {{
    echo "this engine has not joined the ingress network: published ports do not answer here." \
      "Restart it: systemctl restart docker (with autolock on, deploys/unlock.py does it)" >&2
    exit 1; }}
}}
"""

_JOIN_INGRESS = f"{_INGRESS}has_end"

_MISSES_INGRESS = f"""\
set -eu
{_INGRESS}
i=0
until shows ingress-sbox; do
  i=$((i + 1)); [ $i -lt 25 ] || {{ docker info --format '{{{{.Swarm.NodeID}}}}'; exit; }}
  sleep 0.2
done
"""
"""Shell: prints this node's id where its engine gets no end of the ingress network in 5 seconds.

An engine that is told of the network creates it before it has noted its own address there, and
where it is too quick it gives up for good (“failed to find a load balancer IP to use for network”
in its log; seen with 26.1.5, once in twenty times on a busy machine).
"""

_REPLACE_INGRESS = f"""\
{_INGRESS}
wanted=$(cat)
if ! gone; then
  id=${{answer#*'"Id":"'}}
  api -X DELETE "$networks/${{id%%'"'*}}"
fi
wait_until gone || {{ echo "the old ingress network is still there" >&2; exit 1; }}
wait_until api --data-binary "$wanted" "$networks/create"
wait_until shows encrypted || {{ echo "the new ingress network is not encrypted" >&2; exit 1; }}
api http://localhost/nodes
for node in $(printf '%s' "$answer" | grep -o '"ID":"[^"]*"' | cut -d '"' -f 4); do
  update_node "$node"
done
has_end
"""
"""Shell: asks for the network by name, since the name filter of the engine's list misses what only
the swarm knows yet. A network's options are shown only a moment after its creation.

A node that is there already gets no end of the new network (``ingress-sbox``), whether it was
replaced by hand or by us: until a task, an update of the node or a restart of its engine comes, its
published ports do not answer (seen with 28.5.2). So each node is updated.
"""


@converges("swarm")
def overlays_encrypted(settings: Settings) -> Commands:
    """Declared overlay networks exist, encrypted; others that are not are reported.

    + settings: the cluster's settings.
    """
    for step in _to_do(settings, topology.OVERLAYS, memberships()):
        assert isinstance(step, CreateOverlay)
        [overlay] = [one for one in settings.networks.overlays if one.name == step.name]
        body = _overlay(overlay.name, settings, overlay.subnet)
        body["Attachable"] = overlay.attachable
        yield script(
            f"{API}api --data-binary @- http://localhost/networks/create",
            stdin=json.dumps(body),
        )


@converges("swarm")
def joined(settings: Settings) -> Commands:
    """Hosts that are in no swarm join as workers; dead entries of their earlier life are cleared.

    + settings: the cluster's settings.

    The join token travels from the manager's memory to the host's standard input and is nowhere
    else: not in an argument list, a log, a fact or a file.
    """
    me = _me(settings)
    observed = memberships()
    todo = _to_do(settings, topology.JOIN, observed)
    if not todo:
        return
    acting, cluster = acting_manager(settings, observed), view(settings, observed)
    if acting is None or cluster is None:
        yield fail("there is no swarm to join: no manager answers for one")
        return
    managers = [
        f"{node.address}:2377"
        for node in managers_of(cluster)
        if node.reachability == "reachable" and node.address
    ]
    for step in todo:
        if isinstance(step, Clear):
            yield on(acting, _remove_script(step.node), f"clearing the dead entry {step.node.id}")
        elif isinstance(step, AwaitJoin):
            yield on(me.name, _JOINED, "joining", timeout=120)
        elif isinstance(step, Join):
            if step.leave:
                yield script(f"{API}api -X POST 'http://localhost/swarm/leave?force=1'")
            yield FunctionCommand(_join, (acting, me.address, managers), {})


def _remove_script(node: Node) -> str:
    demote = f"docker node demote {node.id} >/dev/null\n" if node.votes else ""
    return f"{demote}i=0\nuntil docker node rm --force {node.id} >/dev/null 2>&1; do\n" + (
        "  i=$((i + 1)); [ $i -lt 20 ] || exit 1; sleep 1\ndone"
    )


_JOINED = """\
i=0
while :; do
  state=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}' 2>&1)
  case "$state" in active*) exit 0;; esac
  i=$((i + 1)); [ $i -lt 90 ] || {
    echo "not joined after 90 s: $state. This host has to reach the managers at port 2377 (tcp);" \
      "if it does, “systemctl restart docker” ends this attempt; then run again" >&2
    exit 1
  }
  sleep 1
done
"""


def _join(state: State, host: Host, acting: str, address: str, managers: list[str]) -> bool:
    token = _worker_token(state, acting)
    if not token:
        story.failed(host, f"{acting} gave no join token, so this host could not join")
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
    status, output = host.run_shell_command(
        StringCommand(joining + _JOINED),
        print_output=False,
        print_input=False,
        _sudo=True,
        _stdin=json.dumps(body),
        _timeout=180,
    )
    if not status:
        words = output.stderr.replace(token, "…").strip() or "no message"
        story.failed(host, f"could not join the swarm through {', '.join(managers)}: {words}")
        return False
    _look_for_the_ingress(state, host, acting)
    return True


def _look_for_the_ingress(state: State, host: Host, acting: str) -> None:
    """An engine that has just joined gets its end of the ingress network, or is made to try again.

    Where that is of no use either, the next run says so.
    """
    status, output = host.run_shell_command(
        StringCommand(_MISSES_INGRESS),
        print_output=False,
        print_input=False,
        _sudo=True,
        _timeout=60,
    )
    node = output.stdout.strip()
    if status and node:
        host.log("this engine has not joined the ingress network: it is to try again")
        _host(state, acting).run_shell_command(
            StringCommand(f"set -eu\n{UPDATE_NODE}update_node {shlex.quote(node)}"),
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
        status, output = _host(state, acting).run_shell_command(
            StringCommand(_WORKER_TOKEN),
            print_output=False,
            print_input=False,
            _sudo=True,
            _timeout=30,
        )
        token = output.stdout.strip() if status else ""
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
    for step in _to_do(settings, topology.PROMOTE, observed):
        assert isinstance(step, Promote)
        acting, cluster = acting_manager(settings, observed), view(settings, observed)
        if acting is None or cluster is None or not step.node:
            yield fail("this host is not in the swarm, so it cannot be promoted")
            return
        others = [node for node in managers_of(cluster) if node.id != step.node]
        able, after = reachable(others) + 1, len(others) + 1
        progress(
            f"promoting: {able} of {after} managers will be reachable, {quorum(after)} are needed"
        )
        yield on(acting, _PROMOTE.replace("NODE", step.node), "promoting it", timeout=120)
        yield on(current_host().name, _IS_MANAGER, "waiting until it answers as one", timeout=90)


_PROMOTE = f"""\
{UPDATE_NODE}update_node NODE manager
reachable() {{
  api http://localhost/nodes/NODE 2>/dev/null || return 1
  case $answer in *'"Reachability":"reachable"'*) ;; *) return 1 ;; esac
}}
i=0
until reachable; do
  i=$((i + 1)); [ $i -lt 450 ] || {{ echo "promoted, but not reachable after 90 s" >&2; exit 1; }}
  sleep 0.2
done
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
    for step in _to_do(settings, stage, observed):
        assert isinstance(step, Demote)
        cluster = view(settings, observed)
        left = [node for node in managers_of(cluster) if node.id != step.node] if cluster else []
        progress(
            f"demoting{' the leader' if step.leader else ''}: {reachable(left)} of {len(left)} "
            f"managers will be reachable, {quorum(len(left))} are needed"
        )
        yield from demote(step.node, step.on, itself=step.on == current_host().name)
        yield on(current_host().name, IS_WORKER, "waiting until it is a worker", timeout=120)


def demote(node: str, acting: str, *, itself: bool) -> Commands:
    """Make a node a worker, by id, asked of a manager; ended when it is none, and another leads.

    itself: that manager is the node, which answers no longer when it is done.

    A node that has just been promoted, or that has just lost its leader, says for a moment that it
    cannot answer: it is asked again.
    """
    text = _DEMOTE + ("" if itself else _DEMOTED)
    yield on(acting, text.replace("NODE", node), "demoting it", timeout=180)


_DEMOTE = f"""\
{UPDATE_NODE}
i=0
until update_node NODE worker; do
  i=$((i + 1)); [ "${{code:-503}}" = 503 ] && [ $i -lt 15 ] || exit 1
  sleep 1
done
"""

_IS_MANAGER = f"""\
{API}
i=0
until api http://localhost/nodes 2>/dev/null; do
  i=$((i + 1)); [ $i -lt 300 ] || {{ echo "$answer" >&2; exit 1; }}
  sleep 0.2
done
"""
"""Shell: others call a new manager reachable some time before it can answer itself (26.1.5)."""

_DEMOTED = """\
left() {
  api http://localhost/nodes/NODE 2>/dev/null || return 1
  case $answer in *'"ManagerStatus"'*) return 1 ;; esac
}
led() {
  api http://localhost/nodes 2>/dev/null || return 1
  case $answer in *'"Leader":true'*) ;; *) return 1 ;; esac
}
i=0
until left && led; do
  i=$((i + 1)); [ $i -lt 90 ] || {
    echo "its role is worker now, but after 90 s it is still in the managers' group, or no" \
      "manager leads: look at “docker node ls” there, and run again" >&2; exit 1; }
  sleep 1
done
known() {
  api http://localhost/nodes 2>/dev/null || return 1
  case $answer in *'"State":"unknown"'*) return 1 ;; esac
}
i=0
until known; do i=$((i + 1)); [ $i -lt 60 ] || break; sleep 0.5; done
"""
"""Shell: waits until it is no manager, and another leads, and knows its nodes again.

A new leader calls all nodes unknown until they have turned to it (seen with 26.1.5).
"""

IS_WORKER = """\
i=0
state() { docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>&1; }
is_worker() { case $(state) in "active false" | "error false") ;; *) return 1 ;; esac; }
until is_worker; do
  i=$((i + 1)); [ $i -lt 90 ] || {
    echo "demoted, but after 90 s its engine still acts as a manager. Run again; if it stays so:" \
      "systemctl restart docker" >&2; exit 1; }
  sleep 1
done
"""
"""Shell: some seconds pass until a demoted engine knows it (seen with 26.1.5: up to 8)."""


@converges("swarm")
def labelled(settings: Settings) -> Commands:
    """Labels and availability as declared; what was done by hand, and strangers, are reported.

    + settings: the cluster's settings.
    """
    observed = memberships()
    todo = _to_do(settings, topology.LABEL, observed)
    if not todo:
        return
    acting, cluster = acting_manager(settings, observed), view(settings, observed)
    node = node_of(observed[_me(settings).name], cluster) if cluster else None
    if acting is None or node is None:
        yield fail("this host is not in the swarm, so it cannot be labelled")
        return
    options = []
    for step in todo:
        if isinstance(step, SetLabel):
            options.append("--label-add " + shlex.quote(f"{step.key}={step.value}"))
        elif isinstance(step, SetAvailability):
            options.append(f"--availability {step.availability}")
    yield on(acting, f"docker node update {' '.join(options)} {node.id} >/dev/null", "updating it")


# Helpers
# -------


def _me(settings: Settings) -> DeclaredHost:
    return settings.host(current_host().name)


def _measure(settings: Settings, observed: Observed, me: DeclaredHost) -> None:
    """What a report shows of the swarm besides its differences."""
    story.measure("swarm", "nodes", measures.nodes(settings, observed))
    story.measure("swarm", "managers", measures.managers(settings, observed))
    story.measure("swarm", "networks", measures.networks(settings, observed))
    own = observed[me.name]
    if own is not None and own.certificate_expires is not None:
        story.measure("swarm", "certificate expires", own.certificate_expires, host=me.name)


def memberships() -> Observed:
    """What every host says of its place in a swarm; others may be silent, this one may not."""
    return observe_all(swarm_facts.State)


_together: dict[tuple[str, str | None], Observed] = {}


def _memberships_together() -> Observed:
    """The same, looked at once an operation, for all hosts that carry it out side by side.

    A host that comes to it a moment later would see what the first has begun to change: a swarm
    that is being founded has no manager that answers.
    """
    me = current_host()
    key = (story.phase(), me.current_op_hash)
    if key not in _together:
        now = memberships()
        _together.setdefault(key, now)
    said = _together[key]
    return said if said[me.name] is not None else {**said, me.name: observe(swarm_facts.State)}


def _services(settings: Settings, observed: Observed) -> tuple[Service, ...]:
    """The services, asked only where some network is not encrypted."""
    acting = acting_manager(settings, observed)
    if acting is None or not services_matter(settings, observed):
        return ()
    return observe_on(acting, swarm_facts.Services)


def _to_do(settings: Settings, stage: topology.Stage, observed: Observed) -> list[Step]:
    """What a stage does for this host, told; raises where it is refused.

    observed: asked once by the operation: while others begin to change something, a second look
    would show the swarm half-way.
    """
    findings = _findings(settings, stage, observed)
    tell("swarm", findings)
    return steps(findings)


_foreseen: tuple[Observed, int, topology.Plan] | None = None


def _findings(settings: Settings, stage: topology.Stage, observed: Observed) -> list[Finding]:
    """What is the case, where it is carried out now; else what will be, when its turn comes."""
    global _foreseen
    run, services = story.state(), _services(settings, observed)
    seen = topology.Seen(settings, observed, services, planning=not is_executing())
    if is_executing():
        return stage.plan(seen, _me(settings))
    failed = len(run.failed_hosts)
    if _foreseen is None or _foreseen[0] is not observed or _foreseen[1] != failed:
        among = {h.name for h in run.inventory if run.is_host_in_limit(h)}
        among -= {h.name for h in run.failed_hosts}
        _foreseen = observed, failed, topology.plan(seen, among)
    return _foreseen[2].of(stage, current_host().name)


def _overlay(name: str, settings: Settings, subnet: str) -> dict[str, Any]:
    """An encrypted overlay network, as the engine's API takes it.

    Docker's MTU option means the underlay's: it takes VXLAN's and ESP's overhead off itself.
    """
    options = {"encrypted": ""}
    mtu = settings.networks.mtu or _smallest_mtu()
    if mtu and mtu != 1500:
        options["com.docker.network.driver.mtu"] = str(mtu)
    body: dict[str, Any] = {
        "Name": name,
        "Driver": "overlay",
        "Scope": "swarm",
        "Options": options,
    }
    if subnet:
        body["IPAM"] = {"Driver": "default", "Config": [{"Subnet": subnet}]}
    return body


def _smallest_mtu() -> int | None:
    return min(filter(None, observe_all(host_facts.UplinkMtu).values()), default=None)


def on(acting: str, text: str, doing: str, *, timeout: int = 60) -> FunctionCommand:
    """A script run on the acting manager, in the name of the host whose operation this is.

    doing: what it is for, in words, for the failure's message.
    """
    return FunctionCommand(_on, (acting, text, doing, timeout), {})


def _on(state: State, host: Host, acting: str, text: str, doing: str, timeout: int) -> bool:
    status, output = _host(state, acting).run_shell_command(
        StringCommand(f"set -eu\n{text}"),
        print_output=state.print_output,
        print_input=state.print_input,
        _sudo=True,
        _timeout=timeout,
    )
    if not status:
        story.failed(host, f"{doing} on {acting} failed: {output.output.strip() or 'no message'}")
    return bool(status)


def _host(state: State, name: str) -> Host:
    found: Host = state.inventory.get_host(name)
    return found
