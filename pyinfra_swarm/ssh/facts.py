"""What a host says about its SSH server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from pyinfra_swarm.rollback.plan import pending
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.units import UNITS, parse_units
from pyinfra_swarm.ssh.plan import ACCESS_RULES, CONFIG, DROP_IN, DROP_INS, KEYWORDS, Line, Sshd

_RELEVANT = "|".join(["include", "match", *KEYWORDS, *ACCESS_RULES])

_SCRIPT = f"""\
{UNITS}export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC
login=${{SUDO_USER:-root}}
section login; printf '%s\\n' "$login"
if ! command -v sshd >/dev/null; then section absent; exit 0; fi
if {pending()}; then section unconfirmed; fi
for path in {CONFIG} {DROP_INS}/*.conf; do  # sshd itself would wait for a pipe
  [ -f "$path" ] || [ ! -e "$path" ] || [ "$path" -ef /dev/null ] ||
    {{ show config "$path"; exit 0; }}
done
lines=$(grep -asHniE '^[[:space:]]*({_RELEVANT})[[:space:]="]' {CONFIG} {DROP_INS}/*.conf)
section lines; printf '%s\\n' "$lines"
show drop-in {DROP_IN} || section drop-in
case $lines in *[Gg][Rr][Oo][Uu][Pp][Ss]*) section groups; id -Gn "$login";; esac
connection= matched=
case $lines in *[Mm][Aa][Tt][Cc][Hh]*)
  matched=yes
  connection=$(tr '\\0' '\\n' < /proc/$PPID/environ | grep ^SSH_CONNECTION=) ;;
esac
set -- ${{connection#SSH_CONNECTION=}}
peer=host=${{1:-localhost}},addr=${{1:-127.0.0.1}},laddr=${{3:-127.0.0.1}},lport=${{4:-22}}
asked=,
for user in root "$login" USERS; do
  case $asked in *,$user,*) continue;; esac
  section "user $user"
  if [ $asked != , ] && [ -z "$matched" ]; then echo as-first
  else sshd -T -C "user=$user,$peer" 2>&1 || printf 'exit status %s\\n' $?; fi
  asked=$asked$user,
done
section times; stat -c '%.9Z %n' {CONFIG} {DROP_INS} {DROP_INS}/*.conf /proc/$$ 2>/dev/null
section units
units --timestamp=us+utc -p Id,ActiveState,StateChangeTimestamp ssh.service ssh.socket
exit 0
"""


class Effective(SubjectFact[Sshd]):
    """The configuration sshd really has, and whether the running one has read it.

    + users: more user names to ask for, separated by commas (root and ours always are)

    Without a ``Match`` block, whom one asks for makes no difference, so sshd is asked once.

    Returns :class:`ssh.plan.Sshd`:

    .. code:: python

        {
            "installed": True,
            "login_user": "ubuntu",
            "effective": {"root": {"passwordauthentication": "no", "usepam": "no", …}, …},
            "drop_in": "PubkeyAuthentication yes\\n…",
            "service": "active",
            "socket": "active",
            …
        }

    A host without sshd answers ``installed: False``.

    When the files were last read is the time of ``ssh.service``'s last change of state: a reload
    moves it, while the start time stays.
    """

    def script(self, users: str = "") -> str:
        names = " ".join(name for name in users.split(",") if name)
        if not all(c.isalnum() or c in "._- " for c in names):
            raise ValueError(f"not a list of user names: {users!r}")
        return _SCRIPT.replace("USERS", names)

    def parse(self, said: Sections) -> Sshd:
        return parse(said)


def parse(found: Sections) -> Sshd:
    """Turn the script's output into the fact's value."""
    login = "".join(found["login"])
    if "absent" in found:
        return Sshd(installed=False, login_user=login)
    units = parse_units(found["units"])
    service, socket = units.get("ssh.service", {}), units.get("ssh.socket", {})
    drop_in = found["drop-in"]
    effective, problem = _effective(found)
    return Sshd(
        installed=True,
        login_user=login,
        login_groups=tuple(" ".join(found.get("groups", [])).split()),
        effective=effective,
        problem=problem,
        drop_in="\n".join([*drop_in, ""]) if drop_in else None,
        lines=tuple(_line(line) for line in found["lines"]),
        service=service.get("ActiveState", ""),
        socket=socket.get("ActiveState", ""),
        files_changed=_newest(found["times"]),
        files_read=_seconds(service.get("StateChangeTimestamp", "")),
        unconfirmed="unconfirmed" in found,
    )


def _effective(found: dict[str, list[str]]) -> tuple[dict[str, dict[str, str]], str]:
    effective: dict[str, dict[str, str]] = {}
    first: dict[str, str] = {}
    for name, lines in found.items():
        if not name.startswith("user "):
            continue
        if lines == ["as-first"]:
            effective[name[5:]] = first
            continue
        if lines and lines[-1].startswith("exit status "):
            return {}, " / ".join(lines[:-1])
        effective[name[5:]] = _keywords(lines)
        first = first or effective[name[5:]]
    return effective, ""


def _keywords(lines: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in lines:
        keyword, _, value = line.partition(" ")
        if keyword in KEYWORDS or keyword in ACCESS_RULES:
            values[keyword] = f"{values[keyword]} {value}" if keyword in values else value
    return values


def _line(text: str) -> Line:
    file, number, rest = text.split(":", 2)
    return Line(file=file, number=int(number), text=rest.strip())


def _newest(lines: Sequence[str]) -> float:
    """The newest time that is not in the future, which only a clock set back can make."""
    times: dict[str, float] = {}
    for line in lines:
        time, _, name = line.partition(" ")
        times[name] = float(time)
    now = max((time for name, time in times.items() if name.startswith("/proc/")), default=math.inf)
    return max((t for name, t in times.items() if name.startswith("/etc/") and t <= now), default=0)


def _seconds(timestamp: str) -> float:
    """``Mon 2026-11-23 23:25:00.123456 UTC`` as seconds since 1970; 0 for ``n/a`` and nothing."""
    words = timestamp.split()
    if len(words) != 4:
        return 0.0
    layout = "%Y-%m-%d %H:%M:%S.%f" if "." in words[2] else "%Y-%m-%d %H:%M:%S"
    return datetime.strptime(f"{words[1]} {words[2]}", layout).replace(tzinfo=UTC).timestamp()
