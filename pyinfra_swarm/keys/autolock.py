"""Autolock: managers that encrypt their keys on disk, and the key that unlocks them.

Sources: Docker's guide “Lock your swarm to protect its encryption key”. Seen with 26.1.5: a manager
that was down when the unlock key was replaced wants the old one, and has the new one from then on;
the request that unlocks a manager is not answered before enough of them for a quorum are unlocked;
about every second unlocked manager has no overlay networks until its engine is started once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.keys.certificates import no_manager
from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.networks.plan import ingress_of
from pyinfra_swarm.nodes.membership import (
    Membership,
    Observed,
    acting_manager,
    managers_of,
    view,
)
from pyinfra_swarm.nodes.quorum import BRING_BACK, Quorum
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings.model import Host, Settings

UNLOCK = "`pyinfra inventory.py deploys/unlock.py`"


def needs_fingerprint(settings: Settings, observed: Observed, host: Host) -> bool:
    """Whether it matters, in this host's name, which unlock key the swarm has."""
    cluster = view(settings, observed)
    return bool(
        cluster
        and cluster.spec
        and cluster.spec.autolock
        and settings.swarm.unlock_key_file
        and acting_manager(settings, observed) == host.name
    )


def plan_autolock(
    settings: Settings,
    observed: Observed,
    host: Host,
    file: KeyFile | None,
    fingerprint: str,
) -> list[Finding]:
    """Autolock on or off as declared, and the swarm's unlock key in its file.

    file: the declared one as it is, ``None`` where none is declared: then autolock is not ours.
    fingerprint: of the swarm's unlock key, empty where it was not asked for, or there is none.
    """
    cluster = view(settings, observed)
    if cluster is None:
        return _of_a_new_swarm(settings, observed, host, file)
    if acting_manager(settings, observed) != host.name or cluster.spec is None:
        return []
    on = cluster.spec.autolock
    if file is None:
        return [_BY_HAND] if on else []
    if not settings.swarm.autolock:
        return [_turned_off(file)] if on else []
    if file.problem:
        return [_unusable(file, on=on)]
    if not on:
        return [_turned_on(file)]
    return [*_kept(file, fingerprint), *_private(file)]


def _of_a_new_swarm(
    settings: Settings, observed: Observed, host: Host, file: KeyFile | None
) -> list[Finding]:
    if not settings.swarm.autolock or file is None:
        return []
    able = [m.name for m in settings.managers if (o := observed.get(m.name)) and o.in_none]
    if not able or able[0] != host.name:
        return []
    return [_unusable(file, on=False) if file.problem else _turned_on(file)]


def _turned_on(file: KeyFile) -> Change:
    return Change(
        "autolock",
        "is off: a stolen disk of a manager gives away the swarm's keys and secrets",
        expected=f"on, the unlock key kept in {file.path}",
        found="off",
    )


def _turned_off(file: KeyFile) -> Change:
    return Change(
        "autolock",
        f"is on, and declared off; {file.path} stays, and is of no use from then on",
        expected="off",
        found="on",
    )


_BY_HAND = Notice(
    "autolock",
    "is on, set by hand: a manager is locked when its engine starts",
    remedy="Declare swarm.unlock_key_file, and swarm.autolock = true to keep it on, or false to "
    "have it turned off",
)


def _unusable(file: KeyFile, *, on: bool) -> Refusal:
    return Refusal(
        "unlock key",
        f"cannot be kept in {file.path}: {file.problem}"
        + ("; autolock is on, so it is needed after the next reboot" if on else ""),
        remedy="Make the folder, or mount what it is on, or set swarm.unlock_key_file to another "
        "path; then run again",
    )


def _kept(file: KeyFile, fingerprint: str) -> list[Finding]:
    if not fingerprint or file.fingerprint == fingerprint:
        return []
    if not file.fingerprint:
        return [
            Change(
                "unlock key",
                "is not in its file, and without it no manager comes back after a reboot",
                expected=f"fetched from this manager into {file.path}",
            )
        ]
    return [
        Change(
            "unlock key",
            "in the file is another than the swarm's",
            expected=f"fetched from this manager; the other is kept in {file.path}.old",
        )
    ]


def _private(file: KeyFile) -> list[Finding]:
    if file.private:
        return []
    return [
        Change(
            "unlock key",
            f"can be read by other users of this computer, in {file.path}",
            expected="0600",
            found=f"{file.mode:04o}",
        )
    ]


# Unlocking
# ---------


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
        Change(
            "the swarm",
            "this manager is locked since its engine was started",
            expected=f"unlocked with the key in {file.path}",
            found="locked",
        )
    ]


def _is_listed_as_manager(settings: Settings, observed: Observed, host: Host) -> bool:
    cluster = view(settings, observed)
    return cluster is not None and any(
        node.address == host.address for node in managers_of(cluster)
    )


def key_missing(own: Membership, file: KeyFile | None, fingerprint: str) -> Refusal | None:
    """Why a manager's engine must not be restarted: it would be locked, and stay so.

    file: where the unlock key is kept, ``None`` where no file is named; fingerprint: of the swarm's
    unlock key. Only a running engine can hand it out.
    """
    if own.spec is None or not own.spec.autolock:
        return None
    undeclared = "no file that keeps the unlock key is declared"
    problem = file.lacks(fingerprint) if file else undeclared
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


def plan_connection(
    settings: Settings, observed: Observed, host: Host, file: KeyFile | None
) -> list[Finding]:
    """An unlocked manager without overlay networks: its engine started, and unlocked, once more.

    Never below quorum. Where that network is missing for everybody, this is no remedy.
    """
    own, cluster = observed.get(host.name), view(settings, observed)
    if own is None or cluster is None or cluster.spec is None or not cluster.spec.autolock:
        return []
    if not own.controls or own.in_ingress is not False or ingress_of(cluster) is None:
        return []
    what, reason = "overlay networks", "do not work on this manager since it was unlocked"
    if problem := Quorum.of(cluster).forbids_stop(own.node):
        return [
            Refusal(
                what, f"{reason}, and its engine is not restarted: {problem}", remedy=BRING_BACK
            )
        ]
    if file is None or file.problem or not file.fingerprint:
        return [
            Refusal(
                what,
                f"{reason}, and its engine is not restarted: it would be locked again, and the "
                "unlock key is not in its file",
                remedy="Run the site, which fetches the key, and then this again",
            )
        ]
    return [Change(what, reason, expected="its engine restarted, and unlocked again")]


# Another unlock key
# ------------------


def plan_key_rotation(
    settings: Settings,
    observed: Observed,
    host: Host,
    file: KeyFile | None,
    fingerprint: str,
) -> list[Finding]:
    """The unlock key replaced, while every manager is there to take the new one."""
    cluster = view(settings, observed)
    if cluster is None or cluster.spec is None:
        return [no_manager("the unlock key is not replaced")]
    if not cluster.spec.autolock:
        return [
            Refusal(
                "unlock key",
                "is not replaced: autolock is off, so there is none",
                remedy="Set swarm.autolock = true and swarm.unlock_key_file, and run the site",
            )
        ]
    if file is None or file.problem:
        return [
            Refusal(
                "unlock key",
                "is not replaced: "
                + (f"{file.path}: {file.problem}" if file else "no file is declared to keep it in"),
                remedy="Set swarm.unlock_key_file to a path whose folder is there",
            )
        ]
    silent = [
        node.hostname
        for node in managers_of(cluster)
        if node.state != "ready" or node.reachability != "reachable"
    ]
    if silent:
        return [
            Refusal(
                "unlock key",
                f"is not replaced while {listed(silent)} cannot be reached: a manager that is "
                "down meanwhile is locked with the old key when it comes back",
                remedy=f"Bring it back (if it is locked: {UNLOCK}), and run again",
            )
        ]
    if acting_manager(settings, observed) != host.name:
        return []
    if fingerprint and file.fingerprint != fingerprint:
        return [
            *_kept(file, fingerprint),
            Notice(
                "unlock key",
                "is not replaced now: first the file has to hold the one that the swarm has, as "
                "after a rotation that was interrupted",
                remedy="If you want yet another one, run this again",
            ),
        ]
    return [
        Change(
            "unlock key",
            "is replaced, as asked for",
            expected=f"a new one in {file.path}, the old one in {file.path}.old",
        )
    ]
