"""What differs between the declared floating address and the hosts'."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pyinfra_swarm.floating_address.keepalived import DROP_IN, configuration, host_program
from pyinfra_swarm.floating_address.paths import (
    CONFIGURATION,
    PACKAGE,
    PROGRAM,
    UNIT,
)
from pyinfra_swarm.floating_address.paths import DROP_IN as DROP_IN_PATH
from pyinfra_swarm.floating_address.seen import Holding
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.wording import duration, listed, verb

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings

Seen = Mapping[str, Holding | None]
"""What every host says of the floating address, by name; ``None`` for a silent one."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

WHAT = "floating address"

_LOG = "`sudo journalctl -u keepalived` on the host says more"


@dataclass(frozen=True)
class Install(Change):
    """keepalived is installed."""


@dataclass(frozen=True, kw_only=True)
class WriteFile(Change):
    """A file of ours is written."""

    path: str
    content: str


@dataclass(frozen=True)
class Reload(Change):
    """The running keepalived reads its configuration again."""


@dataclass(frozen=True)
class Start(Change):
    """keepalived runs, now and after every boot."""


@dataclass(frozen=True)
class TakeBack(Change):
    """The host may hold the address again."""


@dataclass(frozen=True)
class Remove(Change):
    """All that holds the address is taken off the host."""


# How a host is set up
# --------------------


def plan_files(
    settings: Settings, host: Host, seen: Seen, members: Sequence[str] = ()
) -> list[Finding]:
    """What keepalived lacks on a host to hold the address there as declared, running or not.

    members: addresses at which nodes are in the swarm, whatever is declared by now.
    """
    own = seen.get(host.name)
    if own is None:  # a silent host has no operation
        return []
    if not settings.exposure.address:
        return plan_removal(own, "no exposure.address is declared")
    interface = _interface(settings, host, own)
    refused = [*([interface] if isinstance(interface, Refusal) else ()), *_not_ours(settings, own)]
    if isinstance(interface, Refusal) or refused:
        return [*refused]
    findings: list[Finding] = []
    if not own.package:
        findings.append(Install(PACKAGE, "is not installed, so this host cannot hold the address"))
    for path, content in wanted(settings, host, interface, members).items():
        if own.sums.get(path) != sha256(content.encode()).hexdigest():
            reason = "is not as declared" if path in own.sums else "is not there"
            findings.append(WriteFile(path, reason, path=path, content=content))
    if own.active and (findings or own.reload or own.loaded != own.sums.get(CONFIGURATION)):
        findings.append(Reload(UNIT, "has not read what is declared"))
    findings += _neighbours6(settings, own, interface)
    return findings


def wanted(
    settings: Settings, host: Host, interface: str, members: Sequence[str] = ()
) -> dict[str, str]:
    """Path to content of each file on a host. Arguments as in :func:`plan_files`."""
    exposure = settings.exposure
    # A node that is in the swarm and not declared any more may run keepalived still: told nothing,
    # it would take all others for dead, and the address with it.
    addresses = dict.fromkeys((*(other.address for other in settings.hosts), *members))
    return {
        PROGRAM: host_program(address=exposure.address, address6=exposure.address6),
        DROP_IN_PATH: DROP_IN,
        CONFIGURATION: configuration(
            name=host.name,
            own=host.address,
            peers=[address for address in addresses if address != host.address],
            place=settings.hosts.index(host),
            interface=interface,
            address=exposure.address,
            address6=exposure.address6,
        ),
    }


def plan_removal(own: Holding, reason: str) -> list[Finding]:
    """Everything that holds the address is taken off the host, where it is ours."""
    if not own.left:
        return []
    held = own.role == "MASTER" and own.active
    return [Remove(WHAT, reason, expected="gone", found="this host holds it" if held else "set up")]


def _not_ours(settings: Settings, own: Holding) -> list[Refusal]:
    """What somebody has set up by hand, and what would be overwritten or fought with."""
    address = settings.exposure.address
    if own.configuration and not own.ours:
        return [
            Refusal(
                CONFIGURATION,
                "was not written by this project, and is not overwritten: keepalived does "
                "somebody else's work here",
                remedy="Where it is no longer needed: `sudo systemctl disable --now keepalived`, "
                f"move the file away, and run again; else leave exposure.address empty. "
                f"`grep -A9 vrrp_instance {CONFIGURATION}` shows what it holds",
            )
        ]
    if own.holds(address) and not own.ours:
        return [
            Refusal(
                "exposure.address",
                f"{address} is an address of this host already, given by something else",
                remedy="Take it off (netplan, systemd-networkd, /etc/network/interfaces), or "
                "declare one that no device has",
            )
        ]
    return []


def _interface(settings: Settings, host: Host, own: Holding) -> str | Refusal:
    """The interface that is to hold the address on a host, or why there is none."""
    declared, address = settings.exposure.interface, settings.exposure.address
    if declared and declared not in own.addresses:
        return Refusal(
            "exposure.interface",
            "this host has none of that name",
            expected=declared,
            found=listed([*own.addresses]),
            remedy="Name one that all hosts have, or leave it out: then it is the one with the "
            "host's own address",
        )
    having = [
        name
        for name, held in own.addresses.items()
        if host.address in {one.partition("/")[0] for one in held}
    ]
    interface = declared or next(iter(having), "")
    if not interface:
        return Refusal(
            "exposure.interface",
            f"no interface of this host has its address {host.address}, so it is not clear where "
            "the floating one belongs",
            remedy="Name it: exposure.interface",
        )
    networks = _networks(own, interface, 4)
    if not any(ipaddress.ip_address(address) in network for network in networks):
        return Refusal(
            "exposure.address",
            f"is in no network of {interface}, so the router would look for it in vain",
            expected=listed([*map(str, networks)]),
            found=address,
            remedy="Declare an address of that network that no device has and your router gives "
            "to none",
        )
    return interface


def _networks(own: Holding, interface: str, version: int) -> list[Network]:
    """The networks of an interface, of one family; a single address is none."""
    found = []
    for text in own.addresses.get(interface, ()):
        with suppress(ValueError):
            network = ipaddress.ip_network(text, strict=False)
            if network.version == version and network.prefixlen < network.max_prefixlen:
                found.append(network)
    return found


def _neighbours6(settings: Settings, own: Holding, interface: str) -> list[Finding]:
    address6 = settings.exposure.address6
    if not address6:
        return []
    networks = _networks(own, interface, 6)
    if any(ipaddress.ip_address(address6) in network for network in networks):
        return []
    return [
        Notice(
            "exposure.address6",
            f"is in no IPv6 network of {interface}, so neighbours would look for it in vain",
            found=address6,
            remedy="Give the host an IPv6 address of that network, or declare another",
        )
    ]


# Who holds it
# ------------


def plan_holding(
    settings: Settings,
    host: Host,
    seen: Seen,
    *,
    unfinished: bool = False,
    drained: bool = False,
) -> list[Finding]:
    """Whether a host does its part in holding the address, and whether one host does.

    unfinished: a rolling job has not finished with this host. drained: managers say that its node
    is drained. A worker does not know that of itself.
    """
    own = seen.get(host.name)
    if not settings.exposure.address or own is None:
        return []
    if refused := _unknown_to_the_holder(settings, host, own, seen):
        return [refused]
    findings: list[Finding] = []
    if not own.active or not own.enabled:
        state = "active" if own.active else "not active"
        state += "" if own.enabled else ", not enabled"
        findings.append(
            Start(UNIT, "does not run, so this host cannot hold the address", "active", state)
            if not own.active
            else Start(UNIT, "would not start at boot", "active", state)
        )
    elif own.given_up and unfinished:
        findings.append(
            Notice(
                WHAT,
                "this host has given it up: a rolling job has not finished with it",
                remedy="Run the job again (deploys/upgrade.py, restart.py or reboot.py): it "
                "resumes here",
            )
        )
    elif own.given_up and not drained:
        findings.append(
            TakeBack(WHAT, "this host has given it up for work that did not end", "may hold it")
        )
    elif drained and host.role == "worker" and own.holds(settings.exposure.address):
        findings.append(
            Notice(
                WHAT,
                "this host holds it, and its node is drained, which a worker does not know of "
                "itself: whoever works on the host now cuts its visitors off",
                remedy=f"`sudo sh {PROGRAM} give-up` on it hands the address on. "
                "deploys/exposure.py takes that back once the node is active again",
            )
        )
    elif own.problem and not own.drained:
        findings.append(
            Notice(
                WHAT,
                f"this host cannot hold it: {own.problem}",
                remedy="See to the engine (`sudo journalctl -u docker`); the host may hold it "
                "again by itself then",
            )
        )
    return [*findings, *plan_holders(settings, host, seen)]


def _unknown_to_the_holder(
    settings: Settings, host: Host, own: Holding, seen: Seen
) -> Refusal | None:
    """A refusal where the host that has the address tells this one nothing of it."""
    holder, *_ = [*holders(settings, seen), host.name]
    there = seen[holder] or own
    if own.active or holder == host.name or not there.ours or host.address in there.peers:
        return None
    return Refusal(
        UNIT,
        f"{holder} holds the address and does not know this host yet: it would take {holder} for "
        "dead, and the address from it",
        remedy="Run the same deploy for all hosts, without --limit",
    )


def holders(settings: Settings, seen: Seen) -> list[str]:
    """The hosts that have the address now, in the order of the file."""
    address = settings.exposure.address
    return [
        host.name
        for host in settings.hosts
        if (said := seen.get(host.name)) is not None and said.holds(address)
    ]


def plan_holders(settings: Settings, host: Host, seen: Seen) -> list[Finding]:
    """More than one holder, reported on each; none, reported on the first host that answers."""
    address, found = settings.exposure.address, holders(settings, seen)
    said = {name: one for name, one in seen.items() if one is not None}
    if len(found) > 1 and host.name in found:
        by_hand = [name for name in found if said[name].role != "MASTER"]
        why = (
            f"{listed(by_hand)} {verb(by_hand, 'has', 'have')} it from elsewhere than keepalived"
            if by_hand
            else "they do not hear each other (VRRP, protocol 112)"
        )
        return [
            Notice(
                WHAT,
                f"more than one host holds {address}, and answers come from either: {why}",
                expected="one holder",
                found=listed(found),
                remedy="See whether the hosts reach each other (cable, switch, VLAN), and whether "
                "the firewall is as declared: deploys/firewall.py",
            )
        ]
    running = [name for name, one in said.items() if one.ours and one.active]
    if not found and running and host.name == next(iter(said)):
        problems = [f"{name}: {_why_not(said[name])}" for name in said]
        return [
            Notice(
                WHAT,
                f"no host holds {address}, so the services are not reached there. "
                + "; ".join(problems),
                expected="one holder",
                found="none",
                remedy=_LOG,
            )
        ]
    return []


def _why_not(own: Holding) -> str:
    if not own.active:
        return "keepalived does not run"
    if own.given_up:
        return "has given it up"
    return own.problem or "keepalived has not taken it yet"


def measured(settings: Settings, seen: Seen) -> dict[str, Any]:
    """Who holds the address, since when, how often it has moved, for the report.

    ``{"address", "holder", "since", "moved"}``: since in seconds, ``None`` where nobody knows.
    """
    found = holders(settings, seen)
    there = seen.get(found[0]) if found else None
    taken = sum(one.taken for one in seen.values() if one is not None)
    return {
        "address": settings.exposure.address,
        "holder": listed(found),
        "since": there.since if there else None,
        "moved": max(taken - 1, 0),
    }


def told(settings: Settings, seen: Seen) -> str:
    """Who holds the address, since when, how often it has moved, as a sentence."""
    known = measured(settings, seen)
    if not known["holder"]:
        return f"no host holds {known['address']}"
    since = "" if known["since"] is None else f" for {duration(known['since'])}"
    moved = known["moved"]
    times = "has not moved yet" if not moved else f"has moved {moved} time{'s' * (moved != 1)}"
    return f"{known['holder']} holds {known['address']}{since}; it {times}"


def could_take(settings: Settings, seen: Seen, name: str) -> list[str]:
    """The hosts, but for the named one, that could take the address now."""
    return [
        host.name
        for host in settings.hosts
        if host.name != name and (said := seen.get(host.name)) is not None and said.able
    ]
