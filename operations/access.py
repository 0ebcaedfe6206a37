"""The people who administer a host: their users, their keys, their sudo."""

from __future__ import annotations

from shlex import quote

from pyinfra.api import Host

from cluster.access import SUDOERS, Accounts, Declared, Plan, Wanted, key_files, plan
from cluster.settings import Settings
from cluster.shell import write_file
from facts import access
from operations.converge import Commands, converges, current_host, observe, progress, script, tell
from operations.guard import guarded
from operations.pyinfra_internals import UNREACHABLE, login_key


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
    if not tell("access", made.findings):
        return
    files, commands = _files(made, seen), _apply(made, seen)
    if not files and not seen.unconfirmed:
        yield script("\n".join(commands))  # users and groups are added, nobody loses anything
        return
    progress("access: a new login has to work before the change is kept")
    yield from guarded("access", files=files, apply=commands, seconds=settings.ssh.rollback_after)


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


def _files(made: Plan, seen: Accounts) -> list[str]:
    """What has to be put back if the new login fails; the files of new users are not to stay."""
    files = [SUDOERS] if made.sudoers is not None else []
    for name in made.keys:
        files += key_files(_home(name, seen))
    return files


def _home(name: str, seen: Accounts) -> str:
    existing = seen.account(name)
    return existing.home if existing else f"/home/{name}"


def _apply(made: Plan, seen: Accounts) -> list[str]:
    commands: list[str] = []
    for name in made.create:
        secret = " -p '*'" if name in made.unlock else ""
        commands.append(f"useradd -m -d /home/{name} -s /bin/bash -G sudo{secret} {name}")
    for account in seen.accounts:
        options = " -aG sudo" if account.name in made.join_sudo else ""
        options += " -p '*'" if account.name in made.unlock else ""
        if options:
            commands.append(f"usermod{options} {quote(account.name)}")
    if made.sudoers is not None:
        candidate = f"{SUDOERS}.candidate"  # sudo does not read names with a dot
        commands += [
            write_file(candidate, made.sudoers, mode="440"),
            f"visudo -qcf {candidate} || {{ rm -f {candidate}; exit 1; }}",
            f"mv -f {candidate} {SUDOERS}",
        ]
    for name, keys in made.keys.items():
        folder = f"{_home(name, seen)}/.ssh"
        commands += [
            f"[ -d {folder} ] || {{ mkdir -m 700 {folder}; chown {name}: {folder}; }}",
            write_file(f"{folder}/authorized_keys", "\n".join(keys), mode="600", owner=name),
            f"rm -f {folder}/authorized_keys2",
        ]
    proven = [*made.create, *made.join_sudo]
    if made.sudoers is not None:
        commands += [f"runuser -u {quote(name)} -- sudo -n true" for name in proven]
    return commands
