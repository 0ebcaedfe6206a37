"""Autolock on or off as declared, never on without its key in the declared file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.engine.api import on
from pyinfra_swarm.engine.swarm_spec import AUTOLOCK, PRINT_UNLOCK_KEY, UPDATE_SWARM
from pyinfra_swarm.keys import unlock_key_file as key_file
from pyinfra_swarm.keys.autolock import plan_autolock
from pyinfra_swarm.keys.unlock_key_operations import fetch, known_fingerprint
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.connection import UNREACHABLE
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    converges,
    observe_all,
    progress,
    report,
    this_host,
)

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host as DeclaredHost
    from pyinfra_swarm.settings import Settings


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
    known = known_fingerprint(settings, observed, me)
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
        yield call(fetch, path, PRINT_UNLOCK_KEY, "fetching the unlock key")
    if not file.private:
        yield call(_make_private, path)


def _is_on(observed: Mapping[str, Membership | None], me: DeclaredHost) -> bool:
    own = observed[me.name]
    return bool(own and own.spec and own.spec.autolock)


_TURN_ON = AUTOLOCK.format(on="true") + PRINT_UNLOCK_KEY


def _turn_on(state: State, host: Host, path: Path) -> bool:
    """On only with the key in its place: where it cannot be written, off again."""
    return fetch(state, host, path, _TURN_ON, "turning autolock on", _turned_off_again)


def _turned_off_again(host: Host) -> bool:
    off = f"set -eu\n{UPDATE_SWARM}{AUTOLOCK.format(on='false')}"
    try:
        status, _ = host.run_shell_command(StringCommand(off), _sudo=True, _timeout=60)
    except UNREACHABLE:
        return False
    return bool(status)


def _make_private(state: State, host: Host, path: Path) -> bool:
    try:
        key_file.make_private(path)
    except OSError as error:
        reporting.failed(host, f"{path} could not be made its owner's alone: {error}")
        return False
    return True
