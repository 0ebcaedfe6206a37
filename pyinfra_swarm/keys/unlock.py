"""Locked managers unlocked, and no engine restarted that could not be unlocked.

Seen with 26.1.5: the request that unlocks a manager is not answered before enough managers for a
quorum are unlocked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.nodes.membership import (
    Observed,
    acting_manager,
    managers_of,
    view,
)
from pyinfra_swarm.run.findings import Change, Finding, Refusal
from pyinfra_swarm.run.printable import quoted

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


UNLOCK = "`pyinfra inventory.py deploys/unlock.py`"


@dataclass(frozen=True, kw_only=True)
class Unlock(Change):
    """This manager is unlocked. path: the file that keeps the unlock key."""

    path: str


def plan_unlock(
    settings: Settings, observed: Observed, host: Host, file: KeyFile | None
) -> list[Finding]:
    """A manager that is locked since its engine was started is unlocked.

    That it is locked is the host's own word, and it gets the key for it: so only a manager does.
    """
    own = observed.get(host.name)
    if own is None or own.state != "locked":
        return []
    if not (host.is_manager or _is_listed_as_manager(settings, observed, host)):
        return [
            Refusal(
                "the swarm",
                f"{host.name} says that it is a locked manager. It is not declared as one, and the "
                "managers list none at its address, so it does not get the unlock key",
                remedy="If it is to be a manager, declare it as one. If not, make it leave: "
                "`docker swarm leave --force` on it, then run deploys/site.py",
            )
        ]
    if file is None:
        return [
            Refusal(
                "the swarm",
                "this manager is locked, and no file with the unlock key is declared",
                remedy="Set swarm.unlock_key_file, or name the file: --data key_file=PATH; by "
                "hand: `docker swarm unlock` on the host",
            )
        ]
    if file.problem or not (file.fingerprint or file.earlier):
        return [
            Refusal(
                "the swarm",
                "this manager is locked, and there is no unlock key in "
                f"{file.path}: {file.problem or 'there is no such file'}",
                remedy=_elsewhere(settings, observed),
            )
        ]
    return [
        Unlock(
            "the swarm",
            "this manager is locked since its engine was started",
            expected=f"unlocked with the key in {file.path}",
            found="locked",
            path=file.path,
        )
    ]


def _is_listed_as_manager(settings: Settings, observed: Observed, host: Host) -> bool:
    cluster = view(settings, observed)
    return cluster is not None and any(
        node.address == host.address for node in managers_of(cluster)
    )


def key_missing(file: KeyFile | None, fingerprint: str | None) -> Refusal | None:
    """Why the engine of a manager with autolock must not be restarted: it would stay locked.

    file: where the unlock key is kept, ``None`` where no file is named; fingerprint: of the swarm's
    unlock key, ``None`` where no leader tells it: then the key in the file is taken for the
    swarm's.
    """
    if file is None:
        problem = "no file that keeps the unlock key is declared"
    else:
        problem = file.lacks(file.fingerprint if fingerprint is None else fingerprint)
    if not problem:
        return None
    return Refusal(
        "the Docker daemon",
        f"is not restarted: it would be locked, and could not be unlocked: {problem}",
        remedy="With swarm.unlock_key_file, `pyinfra inventory.py deploys/swarm.py` fetches the "
        "key from a manager that is not locked; then run again. A file elsewhere: --data "
        "key_file=PATH",
    )


def _elsewhere(settings: Settings, observed: Observed) -> str:
    acting = acting_manager(settings, observed)
    if acting is None:
        return (
            "Find the key, wherever you keep it, and name its file: --data key_file=PATH. Without "
            "it the managers' data is lost: only a backup brings the swarm back"
        )
    return (
        f"{acting} is not locked, and has the key: run `pyinfra inventory.py deploys/swarm.py "
        f"--limit {quoted(acting)}`, which fetches it, and then this again"
    )
