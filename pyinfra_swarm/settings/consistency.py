"""What must hold between settings: no doubles, no overlaps, a manager, room for the subnets.

These checks read what was written, not what was validated, and skip what they cannot read. So a
malformed address is reported beside a duplicate name, not instead of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyinfra_swarm.settings.address_overlaps import overlaps, room_in_the_pool, subnet_size
from pyinfra_swarm.settings.errors import Problem, field_name, shown
from pyinfra_swarm.settings.fields import Loc
from pyinfra_swarm.settings.floating_address import floating_address
from pyinfra_swarm.settings.one_source import one_source
from pyinfra_swarm.settings.opened_ports import opened_ports
from pyinfra_swarm.settings.vpn import vpn
from pyinfra_swarm.settings.written import items, table, tables


def problems(data: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong between the fields of `data`, which has its defaults filled in."""
    hosts = tables(data.get("hosts"))
    return [
        *_no_hosts(data, hosts),
        *_no_manager(hosts),
        *_doubles(data, hosts),
        *_init_without(data, hosts),
        *_autolock_without_a_place(data),
        *_login_not_an_admin(data, hosts),
        *overlaps(data, hosts),
        *subnet_size(data),
        *room_in_the_pool(data),
        *opened_ports(data),
        *vpn(data, hosts),
        *floating_address(data, hosts),
        *one_source(data),
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
    yield from _twice(data, "hosts", hosts, "name", "every host needs its own name")
    yield from _twice(data, "hosts", hosts, "address", "every host needs its own address")
    yield from _ssh_doubles(data, hosts)
    for section, key in (("networks", "overlays"), ("access", "admins")):
        named = tables(table(data, section).get(key))
        yield from _twice(data, f"{section}.{key}", named, "name", "each name once")
    for section in ("secrets", "configs", "stacks"):
        yield from _twice(data, section, tables(data.get(section)), "name", "each name once")


def _twice(
    data: Mapping[str, Any],
    where: str,
    named: Sequence[Mapping[str, Any]],
    key: str,
    instead: str,
) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, item in enumerate(named):
        value = item.get(key)
        if not isinstance(value, str) or not value:
            continue
        if value in first:
            place: Loc = tuple(where.split("."))
            other = field_name((*place, first[value]), data)
            yield Problem(
                field_name((*place, index, key), data),
                shown(value),
                f"is used twice: {other} has it as well",
                instead,
            )
        else:
            first[value] = index


def _ssh_doubles(data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    common = table(data, "ssh").get("port")
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
    names = items(table(data, "swarm").get("init_without"))
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
    swarm = table(data, "swarm")
    if swarm.get("autolock") is True and not swarm.get("unlock_key_file"):
        yield Problem(
            "swarm.autolock",
            "true",
            "makes a key without which no manager comes back after a reboot, and no place is "
            "declared to keep it",
            'swarm.unlock_key_file = "~/.config/pyinfra-swarm/home.unlock-key", or another path on '
            "this machine",
        )


def _login_not_an_admin(
    data: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]
) -> Iterator[Problem]:
    access, ssh = table(data, "access"), table(data, "ssh")
    admins = {str(admin["name"]) for admin in tables(access.get("admins")) if "name" in admin}
    if not admins:
        return
    written = [host.get("ssh_user") or ssh.get("user") for host in hosts]
    logins = {login for login in written if isinstance(login, str)}
    would = (
        "access.others would lock this user out"
        if access.get("others") == "deny"
        else "every check would report this user as somebody who should not be able to log in"
    )
    for login in sorted(logins - admins - {"root"}):  # which is refused as ssh.user
        yield Problem(
            "access.admins",
            None,
            f'does not hold "{login}", the user of the runs (ssh.user): {would}',
            f'add {{ name = "{login}" }}; without keys, it keeps those on the hosts. Once a run '
            "with another ssh.user has worked, you can take it out",
        )
