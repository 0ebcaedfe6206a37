"""The people who administer a host: their users, their keys, their sudo."""

from __future__ import annotations

from shlex import quote

from pyinfra.api import Host

from pyinfra_swarm.access import facts as access
from pyinfra_swarm.access.plan import SUDOERS, Accounts, Declared, Plan, Wanted, key_files, plan
from pyinfra_swarm.rollback.operations import rolled_back_first, with_rollback
from pyinfra_swarm.rollback.plan import unlock
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    current_host,
    observe,
    progress,
    report,
    script,
)
from pyinfra_swarm.run.pyinfra_internals import UNREACHABLE, login_key
from pyinfra_swarm.run.shell import write_file, write_in_home
from pyinfra_swarm.settings import Settings


@converges("access")
def admins(settings: Settings) -> Commands:
    """The declared admins exist, with exactly the declared keys, and may use sudo.

    + settings: the cluster's settings; of them ``access`` and ``ssh``

    Where an admin declares no keys, those on the host are kept. Users who are not declared are
    reported, and never touched. A host on which the run's own way in would be lost is refused;
    every change undoes itself unless a new login works after it.

    **Example:**

    .. code:: python

        access.admins(load(), name="Access: the declared admins and their keys")
    """
    seen = observe(access.Accounts)
    made = plan(wanted(settings), seen, used_key(current_host()))
    if not report("access", made.findings):
        return
    if seen.unconfirmed:
        yield from rolled_back_first()
        seen = observe(access.Accounts)
        made = plan(wanted(settings), seen, used_key(current_host()))
        if not report("access", made.findings):
            return
    commands, locked = _apply(made, seen), _locked(made, seen)
    if made.sudoers is None and not made.keys and not locked:
        yield script("\n".join(commands))  # users and groups are added, nobody loses anything
        return
    progress("access: a new login has to work before the change is kept")
    yield from with_rollback(
        "access",
        files=[SUDOERS] if made.sudoers is not None else [],
        in_homes=[(name, path) for name in made.keys for path in key_files(_home(name, seen))],
        passwords=locked,
        apply=commands,
        seconds=settings.ssh.rollback_after,
    )


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


def _locked(made: Plan, seen: Accounts) -> list[str]:
    """The users who are there, and whose locked password keeps them out."""
    return [account.name for account in seen.accounts if account.name in made.unlock]


def _home(name: str, seen: Accounts) -> str:
    existing = seen.account(name)
    return existing.home if existing else f"/home/{name}"


def _apply(made: Plan, seen: Accounts) -> list[str]:
    commands: list[str] = []
    for name in made.create:
        secret = " -p '*'" if name in made.unlock else ""
        commands.append(f"useradd -m -d /home/{name} -s /bin/bash -G sudo{secret} {name}")
    for account in seen.accounts:
        if account.name in made.join_sudo:
            commands.append(f"usermod -aG sudo {quote(account.name)}")
    commands += [unlock(name) for name in _locked(made, seen)]
    if made.sudoers is not None:
        candidate = f"{SUDOERS}.candidate"  # sudo does not read names with a dot
        commands += [
            write_file(candidate, made.sudoers, mode="440"),
            f"visudo -qcf {candidate} || {{ rm -f {candidate}; exit 1; }}",
            f"mv -f {candidate} {SUDOERS}",
        ]
    for name, keys in made.keys.items():
        path, second = key_files(_home(name, seen))
        folder, _, file = path.rpartition("/")
        commands.append(write_in_home(name, folder, file, "\n".join(keys), instead_of=[second]))
    proven = [*made.create, *made.join_sudo]
    if made.sudoers is not None:
        commands += [f"runuser -u {quote(name)} -- sudo -n true" for name in proven]
    return commands
