"""The engine, asked and told through its API: scripts for a host's own, and for a manager's."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pyinfra.api import FunctionCommand, Host, State

from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.converge import call
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly
from pyinfra_swarm.run.shell import with_values

ENGINE_STATE = program(__file__, "state.sh")
"""Shell, for facts: ``engine_state`` and ``ask``, of ``onhost/state.sh``."""

API = program(__file__, "api.sh")
"""Shell: ``api``, of ``onhost/api.sh``; sets ``answer`` and ``code``."""

WITHIN = program(__file__, "within.sh")
"""Shell: ``within``, of ``onhost/within.sh``."""

RESET_FAILED = "systemctl reset-failed docker.socket docker.service 2>/dev/null || :"
"""Shell: before a start. systemd refuses a unit that was started three times within a minute."""

RESTART = f"{RESET_FAILED}\nsystemctl restart docker.service"
"""Shell: the engine anew, however often it has failed before."""

IN_INGRESS = """\
in_ingress() {
  api "$@" http://localhost/networks/ingress 2>/dev/null || return 1
  case $answer in *'"ingress-sbox"'*) ;; *) return 1 ;; esac
}
"""
"""Shell: ``in_ingress [CURL-ARGUMENTS]``: whether the engine has its end of the ingress network.
"""

UNLESS_GONE = f"""\
{WITHIN}unless_gone() {{
  said=$("$@" 2>&1) && return
  case $said in *"node "*" not found"*) ;; *) return 1 ;; esac
}}
remove_node() {{ within 90 unless_gone docker node rm "$@" || {{ echo "$said" >&2; return 1; }}; }}
"""
"""Shell: ``unless_gone COMMAND``, for a node that somebody else may have removed meanwhile; sets
``said``. ``remove_node [--force] ID`` removes its entry, which can be done some seconds after it is
down."""

LEAVE = "http://localhost/swarm/leave"


def still_node(node: str) -> str:
    """Shell, after :data:`API`: ends where this engine is no longer the node that is meant.

    node: its id. Looked at on the host, right before what cannot be taken back: it may have joined
    another swarm while the owner was asked.
    """
    return with_values(_STILL_NODE, node=node)


_STILL_NODE = """\
api http://localhost/info
case $answer in *'"NodeID":"'"$node"'"'*) ;; *)
  echo "this engine is no longer node $node, so nothing was done. Run again: it looks anew" >&2
  exit 1 ;;
esac
"""

REACHABLE = """'"ManagerStatus":{'*'"Reachability":"reachable"'"""
"""Shell: a pattern for a node that is a reachable manager. Its labels, and those that an engine
gives itself, are texts in the same answer, and could be called anything: they are never objects."""

_UNNAMED = 's/^{"Name":"anew",/{/'

UPDATE_NODE = f"""\
{API}
try_update() {{
  api "http://localhost/nodes/$1" || return 1
  version=${{answer#*'"Index":'}}
  version=${{version%%[!0-9]*}}
  spec=${{answer#*'"Spec":'}}
  spec=${{spec%%',"Description":{{'*}}
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
    write_node "$1" 's/\\(.*\\)"Role":"[a-z]*"/\\1"Role":"'"$2"'"/'
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


def updated(node: str, options: Sequence[str]) -> str:
    """Shell: ``docker node update`` with these options for a node, by id."""
    return with_values(updating(options), node=node)


def updating(options: Sequence[str]) -> str:
    """Shell: the same for the node whose id is in the shell's ``$node``.

    Tried for some seconds: the managers may write of a node as well, between the command's reading
    and its writing, and for a moment there may be no leader.
    """
    return f"""\
i=0
until said=$(docker node update {shlex.join(options)} "$node" 2>&1); do
  i=$((i + 1)); [ $i -lt 10 ] || {{ echo "$said" >&2; exit 1; }}
  sleep 0.5
done"""


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
