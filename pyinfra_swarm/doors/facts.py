"""What a host says of its ways to root, and in: one remote command."""

from __future__ import annotations

import json
import re
from typing import Literal, cast

from pyinfra_swarm.access.plan import FILES as ACCESS_FILES
from pyinfra_swarm.access.plan import SUDOERS
from pyinfra_swarm.docker.paths import DAEMON_JSON
from pyinfra_swarm.docker.paths import FILES as DOCKER_FILES
from pyinfra_swarm.doors.accounts import GROUPS
from pyinfra_swarm.doors.engine_hosts import (
    FOLDERS,
    of_arguments,
    of_daemon_json,
    of_files,
    of_units,
    over_the_network,
)
from pyinfra_swarm.doors.jobs import AGENTS, TOOLS
from pyinfra_swarm.doors.seen import (
    Account,
    Agent,
    Container,
    Doors,
    Group,
    Job,
    Listener,
    Password,
    Socket,
)
from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.firewall.paths import FILES as FIREWALL_FILES
from pyinfra_swarm.floating_address.paths import FILES as FLOATING_ADDRESS_FILES
from pyinfra_swarm.rollback.plan import FILES as ROLLBACK_FILES
from pyinfra_swarm.run.answer import LIMIT, Sections
from pyinfra_swarm.run.fact import SubjectFact, plain_files, user_names
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.shell import function

OURS = (
    *ACCESS_FILES,
    *DOCKER_FILES,
    *FIREWALL_FILES,
    *FLOATING_ADDRESS_FILES,
    *ROLLBACK_FILES,
)
"""Managed files that a job may start: not looked into, whether they are declared or not."""

_WHOLE = plain_files("/etc/passwd", "/etc/shadow", "/etc/group")


class WaysIn(SubjectFact[Doors]):
    """Who is as good as root, what listens, and which jobs touch what is managed here.

    + admins: users whose rules of sudo are declared, separated by commas; of others sudo is asked

    Returns :class:`doors.seen.Doors`:

    .. code:: python

        {
            "accounts": [
                {"name": "ubuntu", "uid": 1000, "password": "none", "shell": "/bin/bash", …}, …
            ],
            "groups": [{"name": "sudo", "members": ["ubuntu"]}, …],
            "listeners": [
                {"protocol": "tcp", "address": "0.0.0.0", "port": 22, "processes": ["sshd"], …}, …
            ],
            "running_hosts": [],
            "containers": [{"name": "portainer_agent", "held": "/run/docker.sock", …}],
            "jobs": [{"path": "/etc/cron.d/rules", "line": "@reboot root iptables -F"}],
            …
        }

    No password's hash leaves the host. Only local accounts are looked at. What the host says for
    this has its whole ``daemon.json`` and Docker's units, which may hold a password, as of a proxy.
    """

    unprinted = True
    tolerates = frozenset({"daemon"})

    def script(self, admins: str = "") -> str:
        accounts = program(
            __file__,
            "accounts.sh",
            groups=" ".join(GROUPS),
            admins=user_names(admins),
            drop_in=SUDOERS,
        )
        listening = program(__file__, "listening.sh")
        engine = program(
            __file__,
            "engine.sh",
            using=[ENGINE_STATE],
            daemon=DAEMON_JSON,
            folders=" ".join(FOLDERS),
        )
        jobs = program(
            __file__,
            "jobs.sh",
            ours=" ".join(OURS),
            tools=TOOLS,
            agents=" ".join(AGENTS),
            limit=str(LIMIT),
        )
        # Each ends for itself: one that has nothing to say does not end the others.
        parts = {"people": accounts, "ports": listening, "engine": engine, "jobs": jobs}
        called = "".join(f"( {name} ) || exit\n" for name in parts)
        return _WHOLE + "".join(function(name, text) for name, text in parts.items()) + called

    def parse(self, said: Sections) -> Doors:
        return parse(said)


def parse(said: Sections) -> Doors:
    """Turn the script's output into the fact's value. Raises ``ValueError`` where it is not whole.

    Lines that are not understood are left out only where a process could have written them.
    """
    for needed in ("accounts", "passwords", "groups", "listening", "engine", "jobs", "agents"):
        if needed not in said:
            raise ValueError(f"the host said nothing under {needed!r}")
    if "silent" in said:
        raise ValueError("the engine runs, and did not say which containers are privileged")
    accounts = _accounts(said)
    first, last = said["ephemeral"][0].split()
    started = [
        *of_units(said["units"], said["defaults"]),
        *of_files(_unit_files(said), said["defaults"]),
        *of_daemon_json("\n".join(said.get("daemon", ()))),
    ]
    return Doors(
        accounts=accounts,
        groups=_groups(said["groups"], accounts),
        sudoers=_sudoers(said),
        login_files=tuple(said["files"]),
        ephemeral=(int(first), int(last)),
        listeners=tuple(filter(None, map(_listener, said["listening"]))),
        ssh_servers=_ssh_servers(said["ssh servers"]),
        running_hosts=over_the_network(of_arguments(said["running"])),
        next_hosts=over_the_network(started),
        sockets=tuple(map(_socket, said["sockets"])),
        containers=_containers(said.get("containers", [])),
        jobs=(
            *(_job(line, script=False) for line in said["jobs"]),
            *(_job(line, script=True) for line in said["scripts"]),
        ),
        agents=tuple(Agent(*line.split()) for line in said["agents"]),
    )


def _unit_files(said: Sections) -> dict[tuple[int, str], list[str]]:
    files = {}
    for section, lines in said.items():
        kind, _, rest = section.partition(" ")
        if kind == "unit":
            place, _, path = rest.partition(" ")
            files[int(place), path] = lines
    return files


def _accounts(said: Sections) -> tuple[Account, ...]:
    passwords = dict(line.rsplit(":", 1) for line in said["passwords"])
    found = []
    for line in said["accounts"]:
        name, uid, gid, state, home, shell = line.split(":", 5)
        password = state if state != "none" else passwords.get(name, "none")
        found.append(Account(name, int(uid), int(gid), home, shell, cast(Password, password)))
    return tuple(found)


def _groups(lines: list[str], accounts: tuple[Account, ...]) -> tuple[Group, ...]:
    found = []
    for line in lines:
        name, gid, members = line.split(":", 2)
        primary = [one.name for one in accounts if one.gid == int(gid)]
        listed = [member for member in members.split(",") if member]
        found.append(Group(name, tuple(dict.fromkeys([*listed, *primary]))))
    return tuple(found)


_MAY = re.compile(r"User \S+ may run the following commands on ")


def _sudoers(said: Sections) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = []
    for section, lines in said.items():
        if not section.startswith("sudo "):
            continue
        start = next((number for number, line in enumerate(lines) if _MAY.match(line)), None)
        if start is not None:
            rules = [line.strip() for line in lines[start + 1 :] if line.startswith((" ", "\t"))]
            found.append((section[5:], tuple(rules) or ("(not told)",)))
    return tuple(found)


_LISTENING = re.compile(
    r"(?P<protocol>tcp|udp)\s+(?:LISTEN|UNCONN)\s+\d+\s+\d+\s+"
    r"\[?(?P<address>[0-9A-Fa-f:.*]+)(?:%[^\s\]]+)?\]?(?:%\S+)?:(?P<port>\d+)\s"
)
_PROCESS = re.compile(r'\("(?P<name>[^"]*)",pid=(?P<pid>\d+),')


def _listener(line: str) -> Listener | None:
    found = _LISTENING.match(line)
    if found is None or not 0 < int(found["port"]) < 65536:
        return None
    processes = list(_PROCESS.finditer(line))
    return Listener(
        protocol=cast(Literal["tcp", "udp"], found["protocol"]),
        address=found["address"],
        port=int(found["port"]),
        processes=tuple(dict.fromkeys(one["name"] for one in processes)),
        pids=tuple(dict.fromkeys(int(one["pid"]) for one in processes)),
    )


def _ssh_servers(lines: list[str]) -> tuple[tuple[int, str], ...]:
    words = (line.partition(" ") for line in lines)
    return tuple((int(number), command.strip()) for number, _, command in words if number.isdigit())


def _socket(line: str) -> Socket:
    mode, owner, group, path = line.split(" ", 3)
    return Socket(path, int(mode, 8), owner, group)


def _containers(lines: list[str]) -> tuple[Container, ...]:
    """Each name once, however many of its containers run here."""
    found: dict[str, Container] = {}
    for line in lines:
        said = json.loads(line)
        name = str(said["service"] or said["name"].lstrip("/"))
        before = found.get(name, Container(name, False, ""))
        found[name] = Container(
            name,
            privileged=before.privileged or bool(said["privileged"]),
            held=before.held or str(said["held"]),
        )
    return tuple(found.values())


def _job(line: str, *, script: bool) -> Job:
    path, _, text = line.split(":", 2)  # path, number, line
    return Job(path, text.strip(), script)
