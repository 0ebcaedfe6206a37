"""What a host says about the people who could log in to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import cluster.access
from cluster.access import SUDOERS, Account, Password
from cluster.answer import Sections
from cluster.rollback import pending
from facts.subject import SubjectFact

_SCRIPT = f"""\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
show() {{ while IFS= read -r l || [ -n "$l" ]; do printf '=%s\\n' "$l"; done < "$1"; }}
section login; printf '%s\\n' "${{SUDO_USER:-root}}"
if {pending()}; then section unconfirmed; fi
section passwords
while IFS=: read -r name secret rest; do
  case $secret in '!'*) state=locked;; '*'*) state=star;; '') state=none;; *) state=set;; esac
  printf '%s %s\\n' "$name" $state
done < /etc/shadow
section groups
while IFS=: read -r name x gid members; do
  [ -z "$members" ] || printf '%s:%s:%s\\n' "$name" "$gid" "$members"
done < /etc/group
section sudoers
while read -r word rest; do
  case $word in '#includedir'|'@includedir') printf '%s %s\\n' "$word" "$rest";; esac
done < /etc/sudoers 2>/dev/null
if [ -e {SUDOERS} ]; then section sudoers-ours; show {SUDOERS}; fi
section accounts
people=
while IFS=: read -r name x uid gid gecos home shell; do
  keys=
  if [ -s "$home/.ssh/authorized_keys" ] || [ -s "$home/.ssh/authorized_keys2" ]; then keys=yes; fi
  if [ "$uid" = 0 ] || [ "$uid" -ge 1000 ] && [ "$uid" != 65534 ] || [ -n "$keys" ]; then
    printf '%s:%s:%s:%s\\n' "$name" "$uid" "$home" "$shell"
    [ -z "$keys" ] || people="$people$name:$home
"
  fi
done < /etc/passwd
printf %s "$people" | while IFS=: read -r name home; do
  for file in authorized_keys authorized_keys2; do
    [ -s "$home/.ssh/$file" ] || continue
    section "$file $name"; show "$home/.ssh/$file"
  done
done
exit 0
"""


class Accounts(SubjectFact[cluster.access.Accounts]):
    """Everyone who could log in: users of people, root, and whoever has authorized keys.

    Returns :class:`cluster.access.Accounts`:

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
            …
        }

    Passwords stay on the host; only whether there is one, or it is locked, is said. Only local
    accounts (``/etc/passwd``) and sshd's default places for keys are looked at. The shell's own
    words do all of it, since a board takes longer to start programs than to read these files.
    """

    def script(self) -> str:
        return _SCRIPT

    def parse(self, said: Sections) -> cluster.access.Accounts:
        return parse(said)


def parse(found: Sections) -> cluster.access.Accounts:
    """Turn the script's output into the fact's value."""
    passwords = dict(line.split(" ", 1) for line in found["passwords"])
    memberships = [line.split(":") for line in found["groups"]]
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
                keys=_lines(found.get(f"authorized_keys {name}", [])),
                more_keys=_lines(found.get(f"authorized_keys2 {name}", [])),
            )
        )
    ours = found.get("sudoers-ours")
    return cluster.access.Accounts(
        login_user="".join(found["login"]),
        accounts=tuple(accounts),
        sudoers=None if ours is None else "\n".join([*_lines(ours), ""]),
        sudoers_included=any("/etc/sudoers.d" in line for line in found["sudoers"]),
        unconfirmed="unconfirmed" in found,
    )


def _lines(marked: Sequence[str]) -> tuple[str, ...]:
    return tuple(line[1:] for line in marked)
