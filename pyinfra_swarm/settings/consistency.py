"""What must hold between settings: no doubles, no overlaps, a manager, room for the subnets.

These checks read what was written, not what was validated, and skip what they cannot read. So a
malformed address is reported beside a duplicate name, not instead of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.settings.errors import Problem, field_name, shown
from pyinfra_swarm.settings.fields import Loc
from pyinfra_swarm.settings.values.addresses import ipv4_network_fault

HOST_NETWORK_PREFIX = 24
"""The hosts' own networks are not declared; each is taken to be this wide."""


@dataclass(frozen=True)
class _Range:
    """A range of addresses somebody declared: where, and for what."""

    network: ipaddress.IPv4Network
    what: str
    loc: Loc = ()


def problems(data: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong between the fields of `data`, which has its defaults filled in."""
    hosts = [host if isinstance(host, Mapping) else {} for host in _items(data.get("hosts"))]
    return [
        *_no_hosts(data, hosts),
        *_no_manager(hosts),
        *_doubles(data, hosts),
        *_init_without(data, hosts),
        *_autolock_without_a_place(data),
        *_login_shut_out(data, hosts),
        *_overlaps(data, hosts),
        *_subnet_size(data),
        *_firewall(data),
    ]


def warnings(managers: int, workers: int) -> list[str]:
    """What is allowed, but worth a second thought."""
    found = []
    tolerated = (managers - 1) // 2
    if managers % 2 == 0:
        fewer = managers - 1
        better = (
            f"{fewer} manager would tolerate as many, or {managers + 1} would tolerate "
            f"{tolerated + 1}"
            if fewer == 1
            else f"{fewer} managers tolerate as many, {managers + 1} tolerate {tolerated + 1}"
        )
        found.append(
            f"{managers} managers, an even number, tolerate the failure of {tolerated or 'none'}: "
            f"{better}"
        )
    if managers > 7:
        found.append(
            f"{managers} managers: every change waits for {managers // 2 + 1} of them; Docker "
            "recommends 7 at most"
        )
    return found


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _no_hosts(data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    if not hosts and isinstance(data.get("hosts", ()), list | tuple):
        yield Problem(
            "hosts",
            None,
            "no host is declared",
            'one [[hosts]] table per host, each with name, address and role = "manager" or '
            '"worker"; see cluster.example.toml',
        )


def _no_manager(hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    if hosts and all(host.get("role") == "worker" for host in hosts):
        name = hosts[0].get("name")
        named = f" of {shown(name)}" if isinstance(name, str) else ""
        yield Problem(
            "hosts",
            None,
            "no host is a manager, and a swarm cannot exist without one",
            f'role = "manager" for an odd number of hosts; the role{named}, to begin with',
        )


def _doubles(data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    yield from _twice(data, "hosts", hosts, "name", "a name of its own for every host")
    yield from _twice(data, "hosts", hosts, "address", "an address of its own for every host")
    yield from _ssh_doubles(data, hosts)
    for section, key in (("networks", "overlays"), ("access", "admins")):
        inside = data.get(section)
        if isinstance(inside, Mapping):
            items = [i if isinstance(i, Mapping) else {} for i in _items(inside.get(key))]
            yield from _twice(data, f"{section}.{key}", items, "name", "each name once")


def _twice(
    data: Mapping[str, Any],
    where: str,
    items: Sequence[Mapping[str, Any]],
    key: str,
    instead: str,
) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        value = item.get(key)
        if not isinstance(value, str) or not value:
            continue
        if value in first:
            place: Loc = tuple(where.split("."))
            other = field_name((*place, first[value]), data)
            yield Problem(
                field_name((*place, index, key), data),
                shown(value),
                f"is also the {key} of {other}",
                instead,
            )
        else:
            first[value] = index


def _ssh_doubles(data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    ssh = data.get("ssh")
    common = ssh.get("port") if isinstance(ssh, Mapping) else None
    first: dict[tuple[str, str], int] = {}
    for index, host in enumerate(hosts):
        target = host.get("ssh_host") or host.get("address")
        if not isinstance(target, str):
            continue
        login = (target.lower(), str(host.get("ssh_port") or common))
        before = first.setdefault(login, index)
        # One address for two hosts is reported as that already.
        if before != index and hosts[before].get("address") != host.get("address"):
            yield Problem(
                field_name(("hosts", index), data),
                None,
                f"is reached over SSH at {target} port {login[1]}, and so is "
                f"{field_name(('hosts', before), data)}",
                "an ssh_host or ssh_port of its own for each host",
            )


def _init_without(data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    swarm = data.get("swarm")
    names = _items(swarm.get("init_without") if isinstance(swarm, Mapping) else None)
    roles = {host["name"]: host.get("role") for host in hosts if isinstance(host.get("name"), str)}
    managers = [name for name, role in roles.items() if role == "manager"]
    for index, name in enumerate(names):
        if not isinstance(name, str) or roles.get(name, "") not in ("manager", "worker", ""):
            continue  # reported as no text, or as no role
        if name in names[:index]:
            reason, instead = "is there twice", "each name once"
        elif name in managers:
            continue
        elif roles.get(name) == "worker":
            reason = "is a worker, and the swarm is initialised without waiting for workers"
            instead = "take it out"
        else:
            # Never the nearest: that manager may be alive, and in a swarm.
            reason = "is not the name of a declared manager"
            meant = _written_otherwise(name, hosts)
            choice = ", ".join(map(shown, managers))
            instead = meant or (f"one of {choice}, or take it out" if managers else "take it out")
        yield Problem(
            field_name(("swarm", "init_without", index), data), shown(name), reason, instead
        )


def _written_otherwise(name: str, hosts: Sequence[Mapping[str, Any]]) -> str | None:
    """The manager that is meant without a doubt: in capitals, with its domain, by its address."""
    for host in hosts:
        label = name.strip().lower().partition(".")[0]
        if host.get("role") == "manager" and (
            label == host.get("name") or name.strip() == host.get("address")
        ):
            return shown(host["name"]) if isinstance(host.get("name"), str) else None
    return None


def _autolock_without_a_place(data: Mapping[str, Any]) -> Iterator[Problem]:
    swarm = data.get("swarm")
    if not isinstance(swarm, Mapping) or swarm.get("unlock_key_file"):
        return
    if swarm.get("autolock") is True:
        yield Problem(
            "swarm.autolock",
            "true",
            "makes a key without which no manager comes back after a reboot, and no place is "
            "declared to keep it",
            'swarm.unlock_key_file = "~/.config/pyinfra-swarm/home.unlock-key", or another path on '
            "this machine",
        )


def _login_shut_out(
    data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]
) -> Iterator[Problem]:
    access, ssh = data.get("access"), data.get("ssh")
    if not isinstance(access, Mapping) or not isinstance(ssh, Mapping):
        return
    admins = {
        str(admin.get("name"))
        for admin in _items(access.get("admins"))
        if isinstance(admin, Mapping)
    }
    if access.get("others") != "deny" or not admins:
        return
    written = [host.get("ssh_user") or ssh.get("user") for host in hosts]
    logins = {login for login in written if isinstance(login, str)}
    for login in sorted(logins - admins):
        yield Problem(
            "access.others",
            '"deny"',
            f'would shut out "{login}", the user we log in as, who is not in access.admins',
            f'add {{ name = "{login}" }} to access.admins, or log in as one of the admins',
        )


def _overlaps(data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    taken = list(_host_networks(hosts))
    clashing: list[tuple[_Range, _Range]] = []
    for mine in _declared_ranges(data):
        clash = next((other for other in taken if other.network.overlaps(mine.network)), None)
        if clash:
            clashing.append((mine, clash))
        else:
            taken.append(mine)
    # Free of what stays and of each other's, so that all of the advice can be followed at once.
    used = [one.network for one in taken]
    for mine, clash in clashing:
        free = _free(mine.network.prefixlen, used)
        used += [free] if free else []
        yield Problem(
            field_name(mine.loc, data),
            f'"{mine.network}"',
            f"overlaps {clash.what}",
            f'a network of its own, such as "{free}"'
            if free
            else "a smaller network, which overlaps nothing",
        )


def _host_networks(hosts: Sequence[Mapping[str, Any]]) -> Iterator[_Range]:
    members: dict[ipaddress.IPv4Network, list[str]] = {}
    for host in hosts:
        try:
            address = ipaddress.IPv4Address(host.get("address"))
        except ValueError:
            continue
        network = ipaddress.IPv4Network((address, HOST_NETWORK_PREFIX), strict=False)
        members.setdefault(network, []).append(str(host.get("name", address)))
    for network, names in members.items():
        some = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
        yield _Range(network, f"the hosts' own network {network} ({some})")


def _declared_ranges(data: Mapping[str, Any]) -> Iterator[_Range]:
    for loc, value in _declared_texts(data):
        if isinstance(value, str) and value and ipv4_network_fault(value) is None:
            yield _Range(ipaddress.IPv4Network(value), f"{field_name(loc, data)} = {value}", loc)


def _declared_texts(data: Mapping[str, Any]) -> Iterator[tuple[Loc, Any]]:
    swarm, networks = data.get("swarm"), data.get("networks")
    if isinstance(swarm, Mapping):
        for index, pool in enumerate(_items(swarm.get("address_pool"))):
            yield ("swarm", "address_pool", index), pool
    if isinstance(networks, Mapping):
        yield ("networks", "ingress_subnet"), networks.get("ingress_subnet")
        for index, overlay in enumerate(_items(networks.get("overlays"))):
            if isinstance(overlay, Mapping):
                yield ("networks", "overlays", index, "subnet"), overlay.get("subnet")


def _free(prefix: int, taken: Sequence[ipaddress.IPv4Network]) -> ipaddress.IPv4Network | None:
    """A private network of this size, or of the next smaller one, that collides with nothing."""
    for length in range(prefix, max(prefix, 16) + 1):
        for space in _TO_PROPOSE:
            size = 2 ** (32 - length)
            first = int(space.network_address)
            while first + size - 1 <= int(space.broadcast_address):
                network = ipaddress.IPv4Network((first, length))
                clash = next((other for other in taken if other.overlaps(network)), None)
                if clash is None:
                    return network
                behind = int(clash.broadcast_address) + 1
                first = -(-behind // size) * size
    return None


_TO_PROPOSE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.200.0.0/13", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
)


def _subnet_size(data: Mapping[str, Any]) -> Iterator[Problem]:
    swarm = data.get("swarm")
    if not isinstance(swarm, Mapping):
        return
    written = str(swarm.get("subnet_size"))
    size = int(written) if re.fullmatch(r"[0-9]{1,2}", written) else 0
    if not 1 <= size <= 29:  # reported as out of range already
        return
    pools = [one for one in _declared_ranges(data) if one.what.startswith("swarm.address_pool")]
    narrowest = max(pools, key=lambda pool: pool.network.prefixlen, default=None)
    if narrowest and size < (least := narrowest.network.prefixlen):
        yield Problem(
            "swarm.subnet_size",
            str(size),
            f"a /{size} for each network does not fit into {narrowest.what}",
            f"at least {least}{', as 24' if least < 24 else ''}, or a wider pool",
        )


def _firewall(data: Mapping[str, Any]) -> Iterator[Problem]:
    firewall = data.get("firewall")
    if not isinstance(firewall, Mapping):
        return
    web, sources = firewall.get("web"), _items(firewall.get("web_sources"))
    if web == "listed" and not sources:
        yield Problem(
            "firewall.web_sources",
            None,
            'is empty, while firewall.web = "listed" means the networks in it',
            'at least one network, or firewall.web = "closed"',
        )
    if sources and isinstance(web, str) and web != "listed":
        yield Problem(
            "firewall.web_sources",
            shown(list(sources)),
            f'has no meaning with firewall.web = "{web}"',
            'firewall.web = "listed", or leave the sources out',
        )
    yield from _swarm_ports_opened(data, firewall)


def _swarm_ports_opened(data: Mapping[str, Any], firewall: Mapping[str, Any]) -> Iterator[Problem]:
    swarm, ssh = data.get("swarm"), data.get("ssh")
    vxlan = swarm.get("data_path_port") if isinstance(swarm, Mapping) else None
    owned = {2377, 7946, *([vxlan] if isinstance(vxlan, int) else [])}
    login = ssh.get("port") if isinstance(ssh, Mapping) else None
    for index, port in enumerate(_items(firewall.get("web_ports"))):
        field = f"firewall.web_ports[{index}]"
        if isinstance(port, int) and port in owned:
            yield _swarms_own(field, port, [port])
        if port == login and firewall.get("ssh_sources"):
            yield Problem(
                field,
                shown(port),
                "is SSH's port, which firewall.ssh_sources closes to the web's visitors",
                "another port, or leave it out; or firewall.ssh_sources = [], open everywhere",
            )
    for index, opening in enumerate(_items(firewall.get("open"))):
        if not isinstance(opening, Mapping):
            continue
        covered = _ports(opening)
        field = f"firewall.open[{index}].port"
        if taken := sorted(port for port in owned if port in covered):
            yield _swarms_own(field, opening["port"], taken)
        if login in covered and firewall.get("ssh_sources") and opening.get("protocol") != "udp":
            yield Problem(
                field,
                shown(opening["port"]),
                f"holds {login}, SSH's: firewall.ssh_sources would not be what it is open to",
                "another port; or more networks in firewall.ssh_sources",
            )


def _ports(opening: Mapping[str, Any]) -> range:
    """The ports of an opening; none where they cannot be read."""
    first, _, last = str(opening.get("port", "")).partition("-")
    if not re.fullmatch(r"[0-9]{1,5}", first) or not re.fullmatch(r"[0-9]{1,5}", last or first):
        return range(0)
    return range(int(first), int(last or first) + 1)


def _swarms_own(field: str, value: Any, taken: Sequence[int]) -> Problem:
    return Problem(
        field,
        shown(value),
        f"holds {', '.join(map(str, taken))}, the swarm's own: open to the cluster's addresses, "
        "and to nobody else",
        "another port, or leave it out",
    )
