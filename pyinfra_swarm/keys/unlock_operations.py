"""Locked managers unlocked: ``pyinfra inventory.py deploys/unlock.py``.

The keys travel to a locked manager through standard input. They are in no argument list, fact or
log.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.keys import unlock_key_file
from pyinfra_swarm.keys.unlock import Unlock, plan_unlock
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    given,
    job,
    observe_all,
    progress,
    report,
    this_host,
)
from pyinfra_swarm.run.findings import changes
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly
from pyinfra_swarm.settings.paths import from_user

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

REACHABLE_MANAGER = program(__file__, "reachable.sh")
"""Shell: ``reachable_manager``, whether the node in ``$answer`` is one."""


@job("swarm")
def unlocked(settings: Settings) -> Commands:
    """Managers unlocked that are locked since their engine was started.

    ``--data key_file=PATH`` names another file. Keys of earlier times are tried as well. All hosts
    at once: the first is not finished before enough managers for a quorum are unlocked.

    + settings: of them ``swarm.unlock_key_file``

    **Example:**

    .. code:: python

        unlock.unlocked(load(), name="Swarm: locked managers unlocked")
    """
    yield from unlock(settings)


def unlock(settings: Settings) -> Commands:
    """The body of :func:`unlocked`, for other operations."""
    path = named_file(settings)
    file = unlock_key_file.look(path) if path else None
    observed = observe_all(swarm_facts.State)
    findings = plan_unlock(settings, observed, this_host(settings), file)
    report("swarm", findings)
    for change in changes(findings):
        match change:
            case Unlock(path=keys):
                progress("unlocking this manager")
                yield call(send_keys, Path(keys))


def named_file(settings: Settings) -> Path | None:
    """The file with the unlock key: the one that the command line names, or the declared one."""
    named = given("key_file")
    return from_user(named) if named else settings.swarm.unlock_key_path


def send_keys(state: State, host: Host, path: Path) -> bool:
    """Unlock a manager with a key of this file, and wait until it is back."""
    try:
        keys = unlock_key_file.keys(path)
    except OSError as error:
        reporting.failed(host, f"{path} cannot be read: {error}")
        return False
    bodies = "".join(json.dumps({"UnlockKey": key}) + "\n" for key in keys)
    text = program(__file__, "unlock.sh", using=[API, REACHABLE_MANAGER])
    outcome = quietly(host, text, stdin=bodies, timeout=300, hidden=keys)
    if not outcome.done:
        reporting.failed(host, f"unlocking: {outcome.problem}")
    return outcome.done
