"""The swarm's unlock key: read from a manager into its file on this computer, and replaced.

A new one: ``pyinfra inventory.py deploys/rotate_unlock_key.py``. The key is read with printing off,
kept in memory, and written to the declared file. It is in no argument list, fact or log.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.engine.unlock_key import is_key
from pyinfra_swarm.keys import unlock_key_file
from pyinfra_swarm.keys.autolock import needs_fingerprint
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.keys.swarm_update import UPDATE
from pyinfra_swarm.keys.unlock_key import FetchUnlockKey, KeyFile
from pyinfra_swarm.keys.unlock_key_rotation import RotateUnlockKey, plan_key_rotation
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Observed
from pyinfra_swarm.nodes.observing import acting_left_out
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    job,
    observe,
    observe_all,
    report,
    this_host,
)
from pyinfra_swarm.run.findings import changes
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host as DeclaredHost
    from pyinfra_swarm.settings import Settings

PRINT_UNLOCK_KEY = f"{UPDATE}engine swarm unlock-key -q"


@job("swarm")
def rotated(settings: Settings) -> Commands:
    """The unlock key replaced by a new one, in its file; the old one kept beside it.

    Every run replaces it, unless the file holds another key than the swarm has, as after a run
    that was interrupted: then the swarm's is fetched, and nothing is replaced.

    + settings: of them ``swarm.unlock_key_file``

    **Example:**

    .. code:: python

        unlock_key.rotated(load(), name="Swarm: a new unlock key")
    """
    me = this_host(settings)
    observed = observe_all(swarm_facts.State)
    file, fingerprint = seen(settings, observed, me)
    plan = plan_key_rotation(settings, observed, me, file, fingerprint)
    findings = acting_left_out(settings, observed) or plan
    report("swarm", findings)
    for change in changes(findings):
        match change:
            case FetchUnlockKey(path=file_path):
                yield call(fetch, Path(file_path), PRINT_UNLOCK_KEY, "fetching the unlock key")
            case RotateUnlockKey(path=file_path):
                rotate = program(__file__, "rotate_unlock_key.sh", using=[UPDATE])
                yield call(fetch, Path(file_path), rotate, "replacing the unlock key")


def seen(settings: Settings, observed: Observed, me: DeclaredHost) -> tuple[KeyFile | None, str]:
    """The declared file, if there is one, and the fingerprint of the swarm's unlock key.

    The fingerprint is empty where it does not matter on this host.
    """
    path = settings.swarm.unlock_key_path
    needed = needs_fingerprint(settings, observed, me)
    return unlock_key_file.look(path) if path else None, observe(UnlockKey) if needed else ""


def fetch(
    state: State,
    host: Host,
    path: Path,
    text: str,
    doing: str,
    undo: Callable[[Host], bool] = lambda host: False,
) -> bool:
    """The key that a script prints on this host, written to its file.

    undo: turns autolock off where the key cannot be written; whether that worked.
    """
    with ExitStack() as stack:
        try:
            place = stack.enter_context(unlock_key_file.place_for(path))
        except OSError as error:
            reporting.failed(host, f"{doing} was not begun: {path} cannot be written ({error})")
            return False
        outcome = quietly(host, text, timeout=90)
        problem = outcome.problem
        if not problem and not is_key(outcome.text):
            problem = "the answer is no unlock key"
        if problem:
            reporting.failed(
                host,
                f"{doing}: {problem}. It may have happened all the same: run again before any "
                "manager is restarted; that fetches the key",
            )
            return False
        try:
            place.keep(outcome.text)
        except OSError as error:
            reporting.failed(host, _not_kept(host, path, error, off=undo(host)))
            return False
        return True


def _not_kept(host: Host, path: Path, error: OSError, off: bool) -> str:
    if off:
        return f"the unlock key could not be written to {path} ({error}); autolock is off again"
    return (
        f"the unlock key could not be written to {path} ({error}), and autolock is on. Keep the "
        f"key now, by hand: “sudo docker swarm unlock-key” on {host.name} prints it; without it no "
        "manager comes back after a reboot"
    )
