"""What a host says of VPNs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from pyinfra_swarm.host.kernel_facts import PATH
from pyinfra_swarm.rollback.plan import UNCONFIRMED
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.login import LOGIN_BY, answered_by
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.settings.values.names import INTERFACE
from pyinfra_swarm.vpn.state import Config, Key, Running, Tailscale, Vpns
from pyinfra_swarm.vpn.wireguard import FOLDER, MARK

_SCRIPT = program(
    __file__,
    "vpns.sh",
    using=[LOGIN_BY, UNCONFIRMED],
    folder=FOLDER,
    mark=MARK,
)
_NETFILTER = {0: "off", 1: "nodivert", 2: "on"}


class State(SubjectFact[Vpns]):
    """WireGuard as this project sets it up, and which other VPNs there are.

    Returns :class:`vpn.state.Vpns`:

    .. code:: python

        {
            "tools": True,
            "keys": {"wg0": {"access": "600 root", "public": "2Ql4…="}},
            "running": {"wg0": {"port": 51820, "peers": {"Xm0P…=": "10.202.0.100/32"}, …}},
            "login_by": "eth0",
            …
        }

    Private keys stay on the host: what is printed of them are their public halves.
    """

    def script(self) -> str:
        return f"{PATH}{_SCRIPT}exit 0"

    def parse(self, said: Sections) -> Vpns:
        return parse(said)


def parse(said: Sections) -> Vpns:
    """Make sense of the script's output. Raises ``ValueError`` where it is not understood."""
    login = "".join(said["login"]).split()
    return Vpns(
        tools="tools" in said["tools"],
        kernel="kernel" in said["tools"],
        userspace="userspace" in said["tools"],
        configs=_configs(said["configs"]),
        foreign=_foreign(said["configs"]),
        keys=_keys(said["keys"]),
        starts=tuple(said["starts"]),
        running=_running(said["running"]),
        addresses=_addresses(said["addresses"]),
        login_from=login[0].partition("%")[0] if login else "",
        login_by=answered_by(said["login_by"]),
        tailscale=_tailscale(said["tailscale"]),
        unconfirmed="unconfirmed" in said,
    )


def _configs(lines: Iterable[str]) -> dict[str, Config]:
    """Ours. Without those that are no names of interfaces: a copy that somebody keeps there."""
    found = {}
    for line in lines:
        whose, _, rest = line.partition(" ")
        if whose == "ours":
            total, own, mode, owner, name = rest.split(" ", 4)
            if re.fullmatch(INTERFACE, name):
                found[name] = Config(total, f"{mode} {owner}", own == "yes")
    return found


def _foreign(lines: Iterable[str]) -> tuple[str, ...]:
    """Interfaces with a configuration that is not ours, as far as wg-quick takes their names."""
    names = [line.removeprefix("foreign ") for line in lines if line.startswith("foreign ")]
    return tuple(name for name in names if re.fullmatch(r"[A-Za-z0-9_=+.-]{1,15}", name))


def _keys(lines: Iterable[str]) -> dict[str, Key]:
    """Mode, owner, public half and name. Without those that are no names of interfaces."""
    found = {}
    for line in lines:
        mode, _, rest = line.partition(" ")
        owner, _, rest = rest.partition(" ")
        public, _, name = rest.partition(" ")
        if re.fullmatch(INTERFACE, name):
            access = "" if mode == "-" else f"{mode} {owner}"
            found[name] = Key(access, "" if public == "-" else public)
    return found


def _running(lines: Iterable[str]) -> dict[str, Running]:
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        name, what, *words = line.split()
        here = found.setdefault(name, {"public_key": "", "port": 0, "peers": {}})
        if what == "key":
            here["public_key"] = "".join(words)
        elif what == "port":
            here["port"] = int(words[0])
        elif what == "peer":
            here["peers"][words[0]] = " ".join(words[1:])
    return {name: Running(**values) for name, values in found.items()}


def _addresses(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """`ip -o addr show`: a number, the interface, `inet` or `inet6`, the address, …"""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        words = line.split()
        if len(words) > 3 and words[2] in ("inet", "inet6"):
            name = words[1].partition("@")[0]
            found[name] = (*found.get(name, ()), words[3])
    return found


def _tailscale(lines: list[str]) -> Tailscale | None:
    if not lines:
        return None
    try:
        said = json.loads("\n".join(lines[1:]))
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return Tailscale(None, None)
    mode, ssh = said.get("NetfilterMode"), said.get("RunSSH")
    return Tailscale(
        _NETFILTER.get(mode) if isinstance(mode, int) else None,
        ssh if isinstance(ssh, bool) else None,
    )
