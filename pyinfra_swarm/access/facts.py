"""What a host says about the people who could log in to it."""

from __future__ import annotations

from typing import cast

from pyinfra_swarm.access import plan
from pyinfra_swarm.access.plan import SUDOERS, Account, Password
from pyinfra_swarm.rollback.plan import pending
from pyinfra_swarm.run.answer import LIMIT, Sections
from pyinfra_swarm.run.fact import SubjectFact, plain_files

# A user decides what lies at a path in a home, at any moment: a link to somebody else's file, a
# pipe that nobody writes to, 20 GB. So the folder is entered first, and the file opened in it
# without following a link, without waiting, and not read to its end.
# What a user has mounted (FUSE) not even root may look at, while sshd reads the keys there as that
# user: to root nothing seems to be there, but the folder above has its name in its list.
_SCRIPT = f"""\
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
hidden() {{
  [ ! -e "$1" ] && [ ! -h "$1" ] || return
  set -- "$1" "${{1%?}}"
  last=${{1#"$2"}}
  for one in "$2"[$last]; do [ "$one" != "$1" ] || return 0; done
  return 1
}}
own() (
  path=$2/.ssh/$3
  for place in "$2" "$2/.ssh" "$path"; do
    ! hidden "$place" || {{ odd "$3 $1" "$place" "hidden from root by what is mounted"; exit; }}
  done
  if [ -h "$2/.ssh" ]; then odd "$3 $1" "$2/.ssh" "a link"
  elif [ -h "$path" ]; then odd "$3 $1" "$path" "a link"
  elif [ -d "$path" ]; then odd "$3 $1" "$path" "a directory"
  elif [ ! -e "$path" ]; then :
  elif [ ! -f "$path" ]; then odd "$3 $1" "$path" "a device or a pipe"
  else
    begin "$3 $1" "$path"
    cd -P "$2" && home=${{PWD%/}} && cd -P .ssh && [ "$PWD" = "$home/.ssh" ] &&
      dd if="./$3" iflag=nofollow,nonblock,fullblock bs={LIMIT + 1} count=1 status=none ||
      odd "$3 $1" "$path" "not readable"
  fi
) 2>/dev/null
{plain_files("/etc/passwd", "/etc/shadow", "/etc/group")}\
[ -f /etc/sudoers ] || ! show sudoers-main /etc/sudoers || exit 0
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
grep -asE '^[[:space:]]*[#@]includedir[[:space:]]' /etc/sudoers
show sudoers-ours {SUDOERS}
section accounts
people=
while IFS=: read -r name x uid gid gecos home shell; do
  keys=
  for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
    if [ -s "$file" ] || [ -p "$file" ] || [ -h "$file" ] || hidden "$file"; then keys=yes; fi
  done
  if hidden "$home" || hidden "$home/.ssh"; then keys=yes; fi
  if [ "$uid" = 0 ] || [ "$uid" -ge 1000 ] && [ "$uid" != 65534 ] || [ -n "$keys" ]; then
    printf '%s:%s:%s:%s\\n' "$name" "$uid" "$home" "$shell"
    [ -z "$keys" ] || people="$people$name:$home
"
  fi
done < /etc/passwd
printf %s "$people" | while IFS=: read -r name home; do
  own "$name" "$home" authorized_keys
  own "$name" "$home" authorized_keys2
done
exit 0
"""


class Accounts(SubjectFact[plan.Accounts]):
    """Everyone who could log in: users of people, root, and whoever has authorized keys.

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
            …
        }

    Passwords stay on the host; only whether there is one, or it is locked, is said. Only local
    accounts (``/etc/passwd``) and sshd's default places for keys are looked at. The shell's own
    words do nearly all of it, since a board takes longer to start programs than to read such files.
    A file of keys that is none, larger than 64 KiB, or hidden by a mount, is ``unread``:
    ``["… is a link"]``.
    """

    bears = frozenset({"authorized_keys", "authorized_keys2"})

    def script(self) -> str:
        return _SCRIPT

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
    ours = found.get("sudoers-ours")
    return plan.Accounts(
        login_user="".join(found["login"]),
        accounts=tuple(accounts),
        sudoers=None if ours is None else "\n".join([*ours, ""]),
        sudoers_included=any("/etc/sudoers.d" in line for line in found["sudoers"]),
        unconfirmed="unconfirmed" in found,
    )
