"""The swarm's unlock key: read from a manager into its file on this computer, and replaced.

The key is read with printing off, kept in memory, and written to the declared file. It is in no
argument list, fact or log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.engine.swarm_spec import PRINT_UNLOCK_KEY, UPDATE_SWARM
from pyinfra_swarm.engine.unlock_key import is_key
from pyinfra_swarm.keys import unlock_key_file as key_file
from pyinfra_swarm.keys.autolock import needs_fingerprint
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.keys.unlock_key_rotation import plan_key_rotation
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.nodes.observing import acting_left_out
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.answer import NoAnswer
from pyinfra_swarm.run.connection import UNREACHABLE, read, why
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    job,
    observe,
    observe_all,
    report,
    this_host,
)

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host as DeclaredHost
    from pyinfra_swarm.settings import Settings


@job("swarm")
def rotated(settings: Settings) -> Commands:
    """The unlock key replaced by a new one, in its file; the old one kept beside it.

    + settings: the cluster's settings; of them ``swarm.unlock_key_file``

    Every run replaces it, unless the file holds another key than the swarm has, as after a run
    that was interrupted: then the swarm's is fetched, and nothing is replaced.

    **Example:**

    .. code:: python

        unlock_key.rotated(load(), name="Swarm: a new unlock key")
    """
    me = this_host(settings)
    observed = observe_all(swarm_facts.State)
    path = settings.swarm.unlock_key_path
    file = key_file.look(path) if path else None
    known = known_fingerprint(settings, observed, me)
    if not report(
        "swarm",
        acting_left_out(settings, observed)
        or plan_key_rotation(settings, observed, me, file, known),
    ):
        return
    if path is None or file is None:
        return  # refused already
    if known and file.fingerprint != known:
        yield call(fetch, path, PRINT_UNLOCK_KEY, "fetching the unlock key")
        return
    yield call(fetch, path, _ROTATE_AND_PRINT, "replacing the unlock key")


def known_fingerprint(
    settings: Settings, observed: Mapping[str, Membership | None], me: DeclaredHost
) -> str:
    """Of the swarm's unlock key, asked only where it matters."""
    needed = needs_fingerprint(settings, observed, me)
    return observe(UnlockKey) if needed else ""


def fetch(
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
            reporting.failed(host, f"{doing} was not begun: {path} cannot be written ({error})")
            return False
        key = _key(host, script, doing)
        if key is None:
            return False
        try:
            place.keep(key)
        except OSError as error:
            reporting.failed(host, _not_kept(host, path, error, off=undone(host)))
            return False
        return True


def _key(host: Host, script: str, doing: str) -> str | None:
    """The unlock key that a script prints, or a message about why there is none."""
    try:
        key = read(host, f"set -eu\n{UPDATE_SWARM}{script}", timeout=90)
    except NoAnswer as error:
        reporting.failed(
            host, f"{doing}: {error}. It may have happened all the same: run again to see"
        )
        return None
    except UNREACHABLE as error:  # a time-out is an OSError, and no fault of the file's
        reporting.failed(
            host,
            f"{doing}: the engine gave no answer ({why(error)}). It may have happened "
            "all the same: run again before any manager is restarted; that fetches the key",
        )
        return None
    if is_key(key):
        return key
    reporting.failed(
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


_ROTATE_AND_PRINT = f"""\
ask http://localhost/swarm/unlockkey
before=$answer
update_swarm '&rotateManagerUnlockKey=true'
{PRINT_UNLOCK_KEY}
[ "$answer" != "$before" ] || {{ echo "the unlock key is still the old one" >&2; exit 1; }}
"""
