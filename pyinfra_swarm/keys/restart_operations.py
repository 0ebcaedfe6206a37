"""What a restart of an engine asks of keys: a locked manager comes back only with its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.keys import unlock_key_file
from pyinfra_swarm.keys.attach_operations import attach
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.keys.unlock import key_missing
from pyinfra_swarm.keys.unlock_operations import named_file, unlock
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.run.converge import Commands, observe
from pyinfra_swarm.run.findings import Refusal

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def unlockable(settings: Settings) -> Refusal | None:
    """Why this host's engine must not be restarted: its key is not at hand. ``None`` where it may.

    To be asked before the restart: only a running engine can hand out the key.
    """
    own = observe(swarm_facts.State)
    if not _comes_back_locked(own):
        return None
    path = named_file(settings)
    file = unlock_key_file.look(path) if path else None
    return key_missing(file, observe(UnlockKey) if own.spec else None)


def _comes_back_locked(own: Membership) -> bool:
    """A manager without a leader cannot say; the key on its disk is encrypted then, or is not."""
    if own.spec is None:
        return own.manager and observe(swarm_facts.StateOnDisk).locked
    return own.spec.autolock


def after_restart(settings: Settings) -> Commands:
    """Unlock this host if a restart of its engine by this run has locked it, and attach it again.

    Refused where there is no key. To be called in the body of a serial operation, after the
    restart.
    """
    if observe(swarm_facts.State).state == "locked":
        yield from unlock(settings)
        yield from attach(settings)
