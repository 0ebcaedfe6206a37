"""Autolock on or off as declared, never on without its key in the declared file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.keys import unlock_key_file
from pyinfra_swarm.keys.autolock import TurnAutolockOff, TurnAutolockOn, plan_autolock
from pyinfra_swarm.keys.swarm_update import UPDATE
from pyinfra_swarm.keys.unlock_key import FetchUnlockKey, MakePrivate
from pyinfra_swarm.keys.unlock_key_operations import (
    PRINT_UNLOCK_KEY,
    fetch,
    seen,
)
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    converges,
    observe_all,
    progress,
    report,
    this_host,
)
from pyinfra_swarm.run.findings import changes
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@converges("swarm")
def as_declared(settings: Settings) -> Commands:
    """Autolock on or off as declared, and the swarm's unlock key in the file that is to keep it.

    Without ``swarm.unlock_key_file`` autolock is not managed: where it is on, that is reported.

    + settings: of them ``swarm.autolock`` and ``swarm.unlock_key_file``
    """
    me = this_host(settings)
    observed = observe_all(swarm_facts.State)
    file, fingerprint = seen(settings, observed, me)
    findings = plan_autolock(settings, observed, me, file, fingerprint)
    report("swarm", findings)
    for change in changes(findings):
        match change:
            case TurnAutolockOff():
                yield on(me.name, TURN_OFF, "turning autolock off")
            case TurnAutolockOn(path=keys):
                progress(f"turning autolock on; the unlock key goes to {keys}")
                yield call(_turn_on, Path(keys))
            case FetchUnlockKey(path=keys):
                yield call(fetch, Path(keys), PRINT_UNLOCK_KEY, "fetching the unlock key")
            case MakePrivate(path=keys):
                yield call(_make_private, Path(keys))


TURN_OFF = f"{UPDATE}update swarm update --autolock=false"


def _turn_on(state: State, host: Host, path: Path) -> bool:
    """On only with the key in its place: where it cannot be written, off again."""
    turn_on = program(__file__, "turn_autolock_on.sh", using=[UPDATE])
    return fetch(state, host, path, turn_on, "turning autolock on", _turned_off_again)


def _turned_off_again(host: Host) -> bool:
    return quietly(host, TURN_OFF).done


def _make_private(state: State, host: Host, path: Path) -> bool:
    try:
        unlock_key_file.make_private(path)
    except OSError as error:
        reporting.failed(host, f"{path} could not be made its owner's alone: {error}")
        return False
    return True
