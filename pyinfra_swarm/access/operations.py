"""The people who administer a host: their users, their keys, their sudo."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from pyinfra.api import Host

from pyinfra_swarm.access import facts as access
from pyinfra_swarm.access.plan import (
    SUDOERS,
    CreateUser,
    Declared,
    JoinSudo,
    UnlockPassword,
    Wanted,
    WriteKeys,
    WriteSudoers,
    key_files,
    plan,
)
from pyinfra_swarm.rollback.operations import rolled_back_first, with_rollback
from pyinfra_swarm.rollback.plan import RollBackFirst, unlock
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    current_host,
    observe,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import Change, Finding, changes, unhandled
from pyinfra_swarm.run.pyinfra_internals import UNREACHABLE, login_key
from pyinfra_swarm.run.writing import write_file, write_in_home
from pyinfra_swarm.settings import Settings


@converges("access")
def admins(settings: Settings) -> Commands:
    """The declared admins exist, with exactly the declared keys, and may use sudo.

    Where an admin declares no keys, those on the host are kept. Users who are not declared are
    reported, and never touched. A host on which the run's own way in would be lost is refused;
    every change undoes itself unless a new login works after it.

    **Example:**

    .. code:: python

        access.admins(load(), name="Access: the declared admins and their keys")
    """
    findings, unconfirmed = _look(settings)
    if not report("access", findings):
        return
    if unconfirmed:
        yield from rolled_back_first()
        findings, _ = _look(settings)
        if not report("access", findings):
            return
    steps = changes(findings)
    homes = _homes(steps)
    locked = [step.user for step in steps if isinstance(step, UnlockPassword)]
    sudoers = any(isinstance(step, WriteSudoers) for step in steps)
    if not (sudoers or homes or locked):
        # Users and groups are added, and nobody loses anything.
        yield script("\n".join(_commands(steps)))
        return
    progress("access: a new login has to work before the change is kept")
    yield from with_rollback(
        "access",
        files=[SUDOERS] if sudoers else [],
        in_homes=[(user, path) for user, home in homes.items() for path in key_files(home)],
        passwords=locked,
        apply=_commands(steps),
        seconds=settings.ssh.rollback_after,
    )


def _look(settings: Settings) -> tuple[list[Finding], bool]:
    """What differs now, and whether an earlier change is unconfirmed."""
    names = ",".join(admin.name for admin in settings.admins(this_host(settings)))
    seen = observe(access.Accounts, users=names)
    return plan(wanted(settings), seen, used_key(current_host())), seen.unconfirmed


def wanted(settings: Settings) -> Wanted:
    """What the settings declare about people."""
    return Wanted(
        admins=tuple(Declared(admin.name, admin.keys) for admin in settings.access.admins),
        deny_others=settings.access.others == "deny" and bool(settings.access.admins),
        use_pam=settings.ssh.use_pam,
    )


def used_key(host: Host) -> str | None:
    """The public half (``type blob``) of the key the run logs in with; None if an agent has it."""
    try:
        key = login_key(host)
    except UNREACHABLE:  # a key that pyinfra cannot read: not known
        return None
    if key is None or "-cert-" in key.get_name():
        return None
    return f"{key.get_name()} {key.get_base64()}"


def _homes(steps: Sequence[Change]) -> dict[str, str]:
    """The users whose keys are written, with their homes."""
    homes: dict[str, str] = {}
    for step in steps:
        match step:
            case CreateUser(user=user, keys=keys) if keys:
                homes[user] = f"/home/{user}"
            case WriteKeys(user=user, home=home):
                homes[user] = home
    return homes


def _commands(steps: Sequence[Change]) -> list[str]:
    """The commands: users first, then what is theirs, and the proof that sudo works at the end."""
    commands: list[str] = []
    keys: dict[str, str] = {}
    new: list[str] = []
    for step in steps:
        match step:
            case CreateUser(user=user, star=star):
                secret = " -p '*'" if star else ""
                commands.append(f"useradd -m -d /home/{user} -s /bin/bash -G sudo{secret} {user}")
                new.append(user)
                if step.keys:
                    keys[user] = _write_keys(user, f"/home/{user}", step.keys)
            case JoinSudo(user=user):
                commands.append(f"usermod -aG sudo {quote(user)}")
                new.append(user)
            case WriteKeys(user=user):
                keys[user] = _write_keys(user, step.home, step.keys)
            case WriteSudoers(content=content):
                commands += _write_sudoers(content)
            case UnlockPassword(user=user):
                commands.append(unlock(user))
            case RollBackFirst():
                pass  # done before these steps were planned
            case _:
                raise unhandled(step)
    commands += keys.values()
    if any(isinstance(step, WriteSudoers) for step in steps):
        commands += [f"runuser -u {quote(user)} -- sudo -n true" for user in new]
    return commands


def _write_keys(user: str, home: str, keys: Sequence[str]) -> str:
    path, second = key_files(home)
    folder, _, file = path.rpartition("/")
    return write_in_home(user, folder, file, "\n".join(keys), instead_of=[second])


def _write_sudoers(content: str) -> list[str]:
    candidate = f"{SUDOERS}.candidate"  # sudo does not read names with a dot
    return [
        write_file(candidate, content, mode="440"),
        f"visudo -qcf {candidate} || {{ rm -f {candidate}; exit 1; }}",
        f"mv -f {candidate} {SUDOERS}",
    ]
