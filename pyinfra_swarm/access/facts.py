"""What a host says about the people who could log in to it."""

from __future__ import annotations

from typing import cast

from pyinfra_swarm.access import plan
from pyinfra_swarm.access.plan import SUDOERS, Account, Password
from pyinfra_swarm.rollback.plan import UNCONFIRMED
from pyinfra_swarm.run.answer import LIMIT, Sections
from pyinfra_swarm.run.fact import SubjectFact, plain_files, user_names
from pyinfra_swarm.run.onhost import program

_USING = (UNCONFIRMED, plain_files("/etc/passwd", "/etc/shadow", "/etc/group"))


class Accounts(SubjectFact[plan.Accounts]):
    """Everyone who could log in: users of people, root, and every other user with authorized keys.

    + users: more users to tell of, separated by commas (the run's own always is)

    Returns :class:`access.plan.Accounts`:

    .. code:: python

        {
            "login_user": "ubuntu",
            "accounts": [
                {
                    "name": "ubuntu",
                    "uid": 1000,
                    "password": "locked",
                    "groups": ["sudo"],
                    "keys": ["ssh-ed25519 AAAA… owner"],
                    …
                },
            ],
            "sudoers": None,
            "elsewhere": [],
            …
        }

    Passwords stay on the host; the fact only says whether there is one, or it is locked. Only local
    accounts (``/etc/passwd``) and sshd's default places for keys are looked at; ``elsewhere`` has
    those of the named users that only another source knows, such as LDAP. The shell's builtins do
    nearly all of it, since a board takes longer to start programs than to read files. A file of
    keys that is no plain file, larger than 64 KiB, or hidden by a mount, is ``unread``:
    ``["… is a link"]``.
    """

    tolerates = frozenset({"authorized_keys", "authorized_keys2"})

    def script(self, users: str = "") -> str:
        return program(
            __file__,
            "accounts.sh",
            using=_USING,
            users=user_names(users),
            sudoers=SUDOERS,
            limit=str(LIMIT),
        )

    def parse(self, said: Sections) -> plan.Accounts:
        return parse(said)


def parse(found: Sections) -> plan.Accounts:
    """Turn the script's output into the fact's value."""
    passwords = {name: state for name, _, state in (s.rpartition(" ") for s in found["passwords"])}
    memberships = [line.split(":", 2) for line in found["groups"]]
    accounts = []
    for line in found["accounts"]:
        name, uid, home, shell = line.split(":", 3)
        accounts.append(
            Account(
                name=name,
                uid=int(uid),
                home=home,
                shell=shell,
                password=cast(Password, passwords.get(name, "locked")),
                groups=tuple(
                    group for group, _, members in memberships if name in members.split(",")
                ),
                keys=tuple(found.get(f"authorized_keys {name}", ())),
                more_keys=tuple(found.get(f"authorized_keys2 {name}", ())),
                unread=tuple(
                    dict.fromkeys(
                        found.odd[file]
                        for file in (f"authorized_keys {name}", f"authorized_keys2 {name}")
                        if file in found.odd
                    )
                ),
            )
        )
    drop_in = found.get("sudoers-ours")
    return plan.Accounts(
        login_user="".join(found["login"]),
        accounts=tuple(accounts),
        sudoers=None if drop_in is None else "\n".join([*drop_in, ""]),
        sudoers_included=any("/etc/sudoers.d" in line for line in found["sudoers"]),
        unconfirmed="unconfirmed" in found,
        elsewhere=tuple(found.get("elsewhere", ())),
    )
