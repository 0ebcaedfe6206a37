"""Autolock, the unlock key in its file on this computer, and unlocking.

The key is read from a manager with printing off, kept in memory, and written to the declared file.
To a locked manager it travels through standard input. It is in no argument list, fact or log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.engine.api import REACHABLE, RESTART, on
from pyinfra_swarm.engine.swarm_spec import AUTOLOCK, PRINT_UNLOCK_KEY, UPDATE_SWARM
from pyinfra_swarm.keys import key_file
from pyinfra_swarm.keys.autolock import (
    key_missing,
    needs_fingerprint,
    plan_autolock,
    plan_connection,
    plan_key_rotation,
    plan_unlock,
)
from pyinfra_swarm.keys.unlock_key import is_key
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.run import clock, story
from pyinfra_swarm.run.answer import NoAnswer
from pyinfra_swarm.run.connection import UNREACHABLE, read, why
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    converges,
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
)
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.run.shell import arrives_whole
from pyinfra_swarm.settings.paths import from_user
from pyinfra_swarm.swarm.plan import may_restart
from pyinfra_swarm.swarm.stage_operations import acting_left_out, this_host

if TYPE_CHECKING:
    from pyinfra_swarm.settings.model import Host as DeclaredHost
    from pyinfra_swarm.settings.model import Settings

ATTEMPTS = 10
"""Restarts of an engine until its networks work: one of two to three was of use."""

PATIENCE = 10
"""Seconds until an engine's networks are taken not to come."""


@converges("swarm")
def as_declared(settings: Settings) -> Commands:
    """Autolock on or off as declared, and the swarm's unlock key in the file that is to keep it.

    + settings: the cluster's settings; of them ``swarm.autolock`` and ``swarm.unlock_key_file``

    Without ``swarm.unlock_key_file`` autolock is not ours: where it is on, that is reported.
    """
    me = this_host(settings)
    observed = observe_all(swarm_facts.State)
    path = settings.swarm.unlock_key_path
    file = key_file.look(path) if path else None
    known = _fingerprint(settings, observed, me)
    if not report("swarm", plan_autolock(settings, observed, me, file, known)):
        return
    if path is None or file is None:
        return  # autolock is not ours: there was nothing to carry out
    if not settings.swarm.autolock:
        off = f"{UPDATE_SWARM}{AUTOLOCK.format(on='false')}"
        yield on(me.name, off, "turning autolock off")
        return
    if not _is_on(observed, me):
        progress(f"turning autolock on; the unlock key goes to {path}")
        yield call(_turn_on, path)
    elif file.fingerprint != known:
        yield call(_fetch, path, PRINT_UNLOCK_KEY, "fetching the unlock key")
    if not file.private:
        yield call(_make_private, path)


@job("swarm")
def key_rotated(settings: Settings) -> Commands:
    """The unlock key replaced by a new one, in its file; the old one kept beside it.

    + settings: the cluster's settings; of them ``swarm.unlock_key_file``

    Every run replaces it, unless the file holds another key than the swarm has, as after a run
    that was interrupted: then the swarm's is fetched, and nothing is replaced.

    **Example:**

    .. code:: python

        autolock.key_rotated(load(), name="Swarm: a new unlock key")
    """
    me = this_host(settings)
    observed = observe_all(swarm_facts.State)
    path = settings.swarm.unlock_key_path
    file = key_file.look(path) if path else None
    known = _fingerprint(settings, observed, me)
    if not report(
        "swarm",
        acting_left_out(settings, observed)
        or plan_key_rotation(settings, observed, me, file, known),
    ):
        return
    if path is None or file is None:
        return  # refused already
    if known and file.fingerprint != known:
        yield call(_fetch, path, PRINT_UNLOCK_KEY, "fetching the unlock key")
        return
    yield call(_fetch, path, _ROTATE_AND_PRINT, "replacing the unlock key")


@job("swarm")
def unlocked(settings: Settings) -> Commands:
    """Managers that are locked since their engine was started are unlocked.

    + settings: the cluster's settings; of them ``swarm.unlock_key_file``

    ``--data key_file=PATH`` names another file. Keys of earlier times are tried as well. All hosts
    at once: the first is not through before enough of them for a quorum are unlocked.

    **Example:**

    .. code:: python

        autolock.unlocked(load(), name="Swarm: locked managers unlocked")
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
    return key_missing(own, key_file.look(path) if path else None, observe(swarm_facts.UnlockKey))


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


# Helpers
# -------


def _place(settings: Settings) -> Path | None:
    named = given("key_file")
    return from_user(named) if named else settings.swarm.unlock_key_path


def _is_on(observed: Mapping[str, Membership | None], me: DeclaredHost) -> bool:
    own = observed[me.name]
    return bool(own and own.spec and own.spec.autolock)


def _fingerprint(
    settings: Settings, observed: Mapping[str, Membership | None], me: DeclaredHost
) -> str:
    """Of the swarm's unlock key, asked only where it matters."""
    needed = needs_fingerprint(settings, observed, me)
    return observe(swarm_facts.UnlockKey) if needed else ""


_TURN_ON = AUTOLOCK.format(on="true") + PRINT_UNLOCK_KEY

_ROTATE_AND_PRINT = f"""\
ask http://localhost/swarm/unlockkey
before=$answer
update_swarm '&rotateManagerUnlockKey=true'
{PRINT_UNLOCK_KEY}
[ "$answer" != "$before" ] || {{ echo "the unlock key is still the old one" >&2; exit 1; }}
"""


def _turn_on(state: State, host: Host, path: Path) -> bool:
    """On only with the key in its place: where it cannot be written, off again."""
    return _fetch(state, host, path, _TURN_ON, "turning autolock on", _turned_off_again)


def _turned_off_again(host: Host) -> bool:
    off = f"set -eu\n{UPDATE_SWARM}{AUTOLOCK.format(on='false')}"
    try:
        status, _ = host.run_shell_command(StringCommand(off), _sudo=True, _timeout=60)
    except UNREACHABLE:
        return False
    return bool(status)


def _fetch(
    state: State,
    host: Host,
    path: Path,
    script: str,
    doing: str,
    undone: Callable[[Host], bool] = lambda host: False,
) -> bool:
    """The key that a script prints on this host, into its file; where that fails, undone."""
    with ExitStack() as stack:
        try:
            place = stack.enter_context(key_file.place_for(path))
        except OSError as error:
            story.failed(host, f"{doing} was not begun: {path} cannot be written ({error})")
            return False
        key = _key(host, script, doing)
        if key is None:
            return False
        try:
            place.keep(key)
        except OSError as error:
            story.failed(host, _not_kept(host, path, error, off=undone(host)))
            return False
        return True


def _make_private(state: State, host: Host, path: Path) -> bool:
    try:
        key_file.make_private(path)
    except OSError as error:
        story.failed(host, f"{path} could not be made its owner's alone: {error}")
        return False
    return True


def _key(host: Host, script: str, doing: str) -> str | None:
    """The unlock key that a script prints, or a message about why there is none."""
    try:
        key = read(host, f"set -eu\n{UPDATE_SWARM}{script}", timeout=90)
    except NoAnswer as error:
        story.failed(host, f"{doing}: {error}. It may have happened all the same: run again to see")
        return None
    except UNREACHABLE as error:  # a time-out is an OSError, and no fault of the file's
        story.failed(
            host,
            f"{doing}: the engine gave no answer ({why(error)}). It may have happened "
            "all the same: run again before any manager is restarted; that fetches the key",
        )
        return None
    if is_key(key):
        return key
    story.failed(
        host,
        f"{doing}: the answer is no unlock key. It may have happened all the same: run again to "
        "see",
    )
    return None


def _not_kept(host: Host, path: Path, error: OSError, off: bool) -> str:
    if off:
        return f"the unlock key could not be written to {path} ({error}); autolock is off again"
    return (
        f"the unlock key could not be written to {path} ({error}), and autolock is on. Keep the "
        f"key now, by hand: “sudo docker swarm unlock-key” on {host.name} prints it; without it no "
        "manager comes back after a reboot"
    )


def _send_keys(state: State, host: Host, path: Path) -> bool:
    try:
        keys = key_file.keys(path)
    except OSError as error:
        story.failed(host, f"{path} cannot be read: {error}")
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
        story.failed(host, f"unlocking: {words}")
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
