"""Locked managers unlocked, and their engines restarted until they are in their overlay networks.

The keys travel to a locked manager through standard input. They are in no argument list, fact or
log.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.engine.api import REACHABLE, RESTART
from pyinfra_swarm.engine.swarm_spec import UPDATE_SWARM
from pyinfra_swarm.keys import unlock_key_file as key_file
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.keys.unlock import key_missing, plan_connection, plan_unlock
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.quorum import may_restart
from pyinfra_swarm.run import clock, reporting
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    fail,
    forget_observations,
    given,
    is_executing,
    job,
    observe,
    observe_all,
    pause,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.run.shell import arrives_whole
from pyinfra_swarm.settings.paths import from_user

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


ATTEMPTS = 10
"""Restarts of an engine until its networks work: one of two to three was of use."""


PATIENCE = 10
"""Seconds until an engine's networks are taken not to come."""


@job("swarm")
def unlocked(settings: Settings) -> Commands:
    """Managers that are locked since their engine was started are unlocked.

    + settings: the cluster's settings; of them ``swarm.unlock_key_file``

    ``--data key_file=PATH`` names another file. Keys of earlier times are tried as well. All hosts
    at once: the first is not through before enough of them for a quorum are unlocked.

    **Example:**

    .. code:: python

        unlock.unlocked(load(), name="Swarm: locked managers unlocked")
    """
    yield from _unlock(settings)


@job("swarm")
def connected(settings: Settings) -> Commands:
    """Unlocked managers in their overlay networks: the engine often starts without, and says so
    nowhere; then it is started once more.

    + settings: the cluster's settings; of them ``swarm.unlock_key_file``

    Call it with ``_serial=True``: engines are restarted one at a time, never below quorum.
    """
    yield from _connect(settings)


def after_restart(settings: Settings) -> Commands:
    """Unlock this host, where a restart of its engine by this very run has locked it.

    Nothing where it is not locked. Refused where there is no key; to be called inside of the body
    of a serial operation, after the restart.
    """
    if observe(swarm_facts.State).state == "locked":
        yield from _unlock(settings)
        yield from _connect(settings)


def unlockable(settings: Settings) -> Refusal | None:
    """Why this host's engine must not be restarted: its key is not at hand. ``None`` where it may.

    To be asked before the restart: only a running engine can hand out the key.
    """
    own = observe(swarm_facts.State)
    if own.spec is None or not own.spec.autolock:
        return None
    path = _place(settings)
    return key_missing(own, key_file.look(path) if path else None, observe(UnlockKey))


def _connect(settings: Settings) -> Commands:
    me = this_host(settings)
    path = _place(settings)
    file = key_file.look(path) if path else None
    if is_executing():
        wait_for_networks()
    observed = observe_all(swarm_facts.State)
    if not report("swarm", plan_connection(settings, observed, me, file)):
        return
    if path is None:
        return  # refused already
    for attempt in range(1, ATTEMPTS + 1):
        if attempt > 1:  # the first look was the plan's; since then others may have been lost
            now = observe_all(swarm_facts.State)
            refused = may_restart(settings, now, me.name)
            report("swarm", [refused] if refused else [])
        progress(f"restarting the engine, and unlocking it ({attempt} of {ATTEMPTS} at most)")
        yield script(RESTART, timeout=300)
        yield call(_send_keys, path)
        if wait_for_networks():
            return
    yield fail(
        f"after {ATTEMPTS} restarts this manager still has no overlay networks; run again, or "
        "look at `journalctl -u docker`"
    )


def wait_for_networks() -> bool:
    """Whether this manager gets its end of the ingress network; it takes a moment at most."""
    deadline = clock.now() + PATIENCE
    while True:
        own = observe(swarm_facts.State)
        if not own.controls or own.in_ingress is not False:
            return own.in_ingress is True
        if clock.now() > deadline:
            return False
        pause(1)
        forget_observations()


def _unlock(settings: Settings) -> Commands:
    me = this_host(settings)
    path = _place(settings)
    file = key_file.look(path) if path else None
    observed = observe_all(swarm_facts.State)
    if not report("swarm", plan_unlock(settings, observed, me, file)):
        return
    assert path is not None  # refused otherwise
    progress("unlocking this manager")
    yield call(_send_keys, path)


def _place(settings: Settings) -> Path | None:
    named = given("key_file")
    return from_user(named) if named else settings.swarm.unlock_key_path


def _send_keys(state: State, host: Host, path: Path) -> bool:
    try:
        keys = key_file.keys(path)
    except OSError as error:
        reporting.failed(host, f"{path} cannot be read: {error}")
        return False
    bodies = "".join(json.dumps({"UnlockKey": key}) + "\n" for key in keys)
    command, sent = arrives_whole(_UNLOCK, bodies)
    status, output = host.run_shell_command(
        StringCommand(f"set -eu\n{command}"),
        print_output=False,
        print_input=False,
        _sudo=True,
        _stdin=sent,
        _timeout=300,
    )
    if not status:
        words = output.stderr.strip() or "no message"
        for key in keys:
            words = words.replace(key, "…")
        reporting.failed(host, f"unlocking: {words}")
    return bool(status)


_UNLOCK = f"""\
{UPDATE_SWARM}
said=
while read -r body; do
  said=$(printf '%s' "$body" | curl -sS --max-time 90 -o /dev/null -w '%{{http_code}}' \
    --unix-socket /run/docker.sock -H 'Content-Type: application/json' --data-binary @- \
    http://localhost/swarm/unlock 2>/dev/null) || :
  case $said in 400|401) ;; *) break ;; esac
done
looks=0
end=$(($(date +%s) + 120))
while :; do
  ask http://localhost/info
  state=${{answer#*'"LocalNodeState":"'}}; state=${{state%%'"'*}}
  if [ "$state" = locked ]; then
    case $said in
      400|401) echo "no key that is kept here fits this manager" >&2 ;;
      *) echo "this manager is still locked; the engine answered ${{said:-nothing}}" >&2 ;;
    esac
    exit 1
  fi
  id=${{answer#*'"NodeID":"'}}; id=${{id%%'"'*}}
  if [ "$state" = active ] && ask --max-time 10 "http://localhost/nodes/$id" 2>/dev/null; then
    case $answer in
      *'"Status":{{"State":"ready"'*{REACHABLE}*) looks=$((looks + 1)) ;;
      *) looks=0 ;;
    esac
    [ $looks -lt 5 ] || exit 0
  fi
  [ $(date +%s) -lt $end ] || {{
    echo "unlocked, but after 120 s no reachable manager of the swarm: its state is $state." \
      "More of the managers have to be unlocked for a quorum" >&2
    exit 1
  }}
  sleep 1
done
"""
"""Shell: tries the bodies on its standard input, one a line, and waits until the manager is back.

The engine answers a key that does not fit with 401, one that is none with 400, and the right one
only when it has found a leader: a manager that waits for others answers nothing for that time.
For a moment the leader may not have noticed that this manager was away: one look is not enough.
"""
