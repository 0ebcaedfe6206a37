"""The engine, asked and told through its API: scripts for a host's own, and for a manager's."""

from __future__ import annotations

from pyinfra.api import FunctionCommand, Host, State

from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.converge import call
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly

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

REACHABLE = """'"ManagerStatus":{'*'"Reachability":"reachable"'"""
"""Shell: a pattern for a node that is a reachable manager. Its labels, and those that an engine
gives itself, are texts in the same answer, and could be called anything: they are never objects."""

LEAVE = "http://localhost/swarm/leave"


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
