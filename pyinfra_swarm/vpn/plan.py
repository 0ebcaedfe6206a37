"""What differs between the declared VPN and a host's, and what other VPNs let through.

A private key is made on the host. Its public half is all that is ever seen of it here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.rollback.plan import roll_back_first_finding
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed, verb
from pyinfra_swarm.vpn import wireguard
from pyinfra_swarm.vpn.state import PRIVATE, Running, Vpns
from pyinfra_swarm.vpn.wireguard import Wanted, config_path, key_path, unit

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

PACKAGE = "wireguard-tools"

_MESH = {"tailscale0": "Tailscale", "wt0": "NetBird"}
"""The interfaces of VPNs that are set up by others."""


@dataclass(frozen=True)
class Install(Change):
    """wireguard-tools is installed."""


@dataclass(frozen=True)
class MakeKey(Change):
    """The host makes its private key, or takes back the one that its interface still has."""


@dataclass(frozen=True)
class Protect(Change):
    """The private key is readable for root alone."""


@dataclass(frozen=True, kw_only=True)
class Apply(Change):
    """The configuration is written, read, and brought up at boot.

    restart: the interface is taken down for a moment; else it only reads its peers anew.
    unwritten: it runs without a configuration, which is written down first, to be put back.
    """

    restart: bool = False
    unwritten: bool = False


@dataclass(frozen=True, kw_only=True)
class Remove(Change):
    """An interface of ours goes, with its configuration and its key."""

    interface: str


def plan(settings: Settings, name: str, seen: Vpns) -> list[Finding]:
    """What differs on the host of this name, most important first."""
    declared = wireguard.wanted(settings, name)
    refused = [*_node_address(settings, name, seen)]
    if declared:
        refused += _refusals(declared, seen)
    if any(isinstance(one, Refusal) for one in refused):
        return refused
    found: list[Finding] = [*refused, *_undeclared(declared, seen)]
    if declared:
        found += _differences(declared, seen)
    if seen.unconfirmed:
        found.insert(0, roll_back_first_finding())
    return [*found, *_mesh_vpns(settings, seen)]


def plan_removal(seen: Vpns) -> list[Finding]:
    """Everything of WireGuard that is ours, to be taken off a host."""
    first = [roll_back_first_finding()] if seen.unconfirmed else []
    return [*first, *_undeclared(None, seen)]


# WireGuard
# ---------


def _refusals(declared: Wanted, seen: Vpns) -> Iterator[Finding]:
    name = declared.interface
    key = seen.keys.get(name)
    if name in seen.foreign:
        what = f"the file and {key_path(name)}" if key else "the file"
        yield Refusal(
            config_path(name),
            "is there already, and was not written by these deploys; it is left alone",
            remedy=f"Declare another name as access.wireguard.interface, or move {what} away "
            f"(`sudo wg-quick down {quoted(name)}` first) and run again: the host then makes a new "
            "key",
        )
    elif name in {*seen.addresses, *seen.running} and name not in {*seen.configs, *seen.keys}:
        yield Refusal(
            name,
            "is an interface of somebody else's on this host",
            found=", ".join(seen.addresses.get(name, ())),
            remedy="Declare another name as access.wireguard.interface; or, if nobody needs it, "
            f"`sudo ip link delete dev {quoted(name)}` on the host",
        )
    elif key and seen.tools and not key.public and name not in seen.configs:
        yield Refusal(
            key_path(name),
            "is there already, but WireGuard reads no key from it (a link to something that is not "
            "mounted, or another kind of file); it is left alone",
            remedy="Mount what it links to, or move it away, and run again. Or declare another "
            "name as access.wireguard.interface",
        )
    for other, running in seen.running.items():
        if other != name and other not in seen.configs and running.port == declared.port:
            yield Refusal(
                "access.wireguard.port",
                f"another WireGuard interface, {other}, listens there",
                found=str(running.port),
                remedy="Declare another port as access.wireguard.port"
                + (
                    f". Or, if {_unneeded(other, seen)}, then run again"
                    if _is_left(other, seen)
                    else ""
                ),
            )
    if not seen.kernel and not seen.userspace:
        yield Refusal(
            "WireGuard",
            "this host's kernel does not have it",
            expected="the module wireguard",
            remedy="Boot the distribution's own kernel; or install wireguard-go, which does "
            "without, more slowly: `sudo apt install wireguard-go`",
        )


def _differences(declared: Wanted, seen: Vpns) -> Iterator[Finding]:
    name = declared.interface
    if not seen.tools:
        yield Install(PACKAGE, "is not installed", expected="installed", found="missing")
    key = seen.keys.get(name)
    if key is None or (not key.public and seen.tools):
        reason = "there is none yet: the host makes it, and it stays there"
        if key is not None:
            reason = "is no key"
        elif name in seen.running:
            reason = "the file is gone; the interface still has the key, which is written back"
        yield MakeKey("WireGuard private key", reason)
    elif key.access not in ("", PRIVATE):
        yield Protect(
            key_path(name),
            "others may read this host's private key; consider a new one (docs/vpn.md)",
            expected=PRIVATE,
            found=key.access,
        )
    yield from _configuration(declared, seen)
    yield from _interface(declared, seen)


def _configuration(declared: Wanted, seen: Vpns) -> Iterator[Finding]:
    path = config_path(declared.interface)
    config = seen.configs.get(declared.interface)
    if config is None:
        reason, remedy = "is missing", ""
        unwritten = declared.interface in seen.running
        if declared.interface in seen.keys:
            reason += (
                f"; {key_path(declared.interface)} becomes this host's key, and is deleted when "
                "the interface is removed"
            )
            first = (
                f"take {declared.interface} down and move it away" if unwritten else "move it away"
            )
            remedy = f"To keep that key as yours, {first} first: the host then makes its own"
        yield Apply(
            path,
            reason,
            expected="as declared",
            remedy=remedy,
            restart=True,
            unwritten=unwritten,
        )
    elif config.access != PRIVATE:
        yield Apply(
            path,
            "others may read the private key in it; consider a new one (docs/vpn.md)",
            expected=PRIVATE,
            found=config.access,
        )
    elif not config.own_key:
        yield Apply(path, "has not this host's own private key", restart=True)
    elif config.sum != declared.sum:
        yield Apply(path, "is not as declared")


def _interface(declared: Wanted, seen: Vpns) -> Iterator[Finding]:
    name = declared.interface
    running = seen.running.get(name)
    if running is None:
        yield Apply(name, "is not up", expected="up", found="down", restart=True)
    else:
        if declared.address not in seen.addresses.get(name, ()):
            yield Apply(
                f"{name} address",
                "the host has another one in the VPN",
                expected=declared.address,
                found=", ".join(seen.addresses.get(name, ())) or "none",
                restart=True,
            )
        if running.port != declared.port:
            yield Apply(
                f"{name} port",
                "it listens elsewhere",
                expected=str(declared.port),
                found=str(running.port),
            )
        key = seen.keys.get(name)
        if key and key.public and running.public_key != key.public:
            yield Apply(f"{name} key", "it runs with another key than the host's own", restart=True)
        yield from _peers(declared, running)
    if name not in seen.starts:
        yield Apply(unit(name), "is not started at boot", expected="enabled", found="disabled")


def _peers(declared: Wanted, running: Running) -> Iterator[Finding]:
    known = {peer.public_key: peer for peer in declared.peers}
    missing = [peer.name for key, peer in known.items() if key not in running.peers]
    if missing:
        yield Apply(
            f"{declared.interface} peers",
            f"{listed(missing)} {'is' if len(missing) == 1 else 'are'} declared, and cannot come "
            "in yet",
        )
    for key, sources in running.peers.items():
        if key not in known:
            yield Apply(
                f"{declared.interface} peers",
                "one that is not declared may come in",
                expected="gone",
                found=f"{key} as {sources}",
            )
        elif sources != f"{known[key].address}/32":
            yield Apply(
                f"{declared.interface} peers",
                f"{known[key].name} may come in as another",
                expected=f"{known[key].address}/32",
                found=sources,
            )


def _undeclared(declared: Wanted | None, seen: Vpns) -> Iterator[Finding]:
    """Interfaces that are not declared: none is, or another one."""
    for name in seen.configs:
        if (declared and name == declared.interface) or name in seen.foreign:
            continue
        if seen.login_by == name:
            yield Refusal(
                name,
                "is not declared any more, and this run comes through it",
                remedy="Give the host its address outside of the VPN as ssh_host, and run again",
            )
        else:
            yield Remove(name, "is not declared any more", expected="gone", interface=name)
    yield from _without_configuration(declared, seen)


def _without_configuration(declared: Wanted | None, seen: Vpns) -> Iterator[Finding]:
    """Interfaces without a configuration, and keys: nothing says whose they are."""
    ours = {*seen.configs, *([declared.interface] if declared else [])}
    for name in dict.fromkeys([*seen.keys, *seen.starts, *seen.running]):
        if name in ours or name in seen.foreign:
            continue
        left, key, up = _is_left(name, seen), name in seen.keys, name in seen.running
        which = f"{quoted(name)}'s key" if left else "this key"
        about_key = _about_key(name, which, ours, seen) if key else ""
        if left:
            without = f"without {config_path(name)}" + ("" if key else " and without a key file")
            how = f"is up {without}, and its peers can come in"
            yield Notice(
                name,
                (how if up else f"starts at boot {without}")
                + "; it was left by these deploys, or is somebody else's",
                found=_peers_of(name, seen),
                remedy=". ".join(filter(None, [f"If {_unneeded(name, seen)}", about_key])),
            )
        elif about_key:
            yield Notice(
                key_path(name),
                "is a key without a configuration: left by an interface that these deploys have "
                "taken off, or somebody else's",
                remedy=about_key,
            )


def _is_left(name: str, seen: Vpns) -> bool:
    """An interface without a configuration that wg-quick starts, or that is up beside its key.

    One that is up with neither is another program's: NetBird's, a container network's.
    """
    if name in {*seen.configs, *seen.foreign}:
        return False
    return name in seen.starts or (name in seen.running and name in seen.keys)


def _about_key(name: str, key: str, ours: Collection[str], seen: Vpns) -> str:
    """What may be done with a key without a configuration; "" where another interface has it.

    key: the words for it.
    """
    if _is_in_use(name, seen):
        return ""
    others = sorted({*seen.foreign, *seen.running, *seen.starts} - {*ours, name})
    remove = f"`sudo rm {quoted(key_path(name))}` on the host"
    if not others:
        return f"If nobody needs {key}: {remove}"
    return (
        f"{listed(others)} on this host {verb(others, 'has', 'have')} no configuration of these "
        f"deploys, and may use {key}, also as a preshared key. "
        f"If {verb(others, 'it does', 'they do')} not: {remove}"
    )


def _unneeded(name: str, seen: Vpns) -> str:
    """How an interface goes that may be somebody else's: what follows an “if”."""
    commands = [f"sudo ip link delete dev {quoted(name)}"] if name in seen.running else []
    if name in seen.starts:
        commands.append(f"sudo systemctl disable {quoted(unit(name))}")
    first = ""
    if seen.login_by == name:
        first = "give the host another ssh_host, since this run comes through it; then "
    return f"nobody needs {quoted(name)}: {first}`{'; '.join(commands)}` on the host"


def _peers_of(name: str, seen: Vpns) -> str:
    if name not in seen.running:
        return ""
    peers = seen.running[name].peers
    return ", ".join(f"{key} as {sources}" for key, sources in peers.items()) or "no peers"


def _is_in_use(name: str, seen: Vpns) -> bool:
    """Another interface that is up has this key, or knows it as a peer's."""
    others = [running for other, running in seen.running.items() if other != name]
    known = {each for one in others for each in (one.public_key, *one.peers)}
    return seen.keys[name].public in known


# Others
# ------


def _node_address(settings: Settings, name: str, seen: Vpns) -> Iterator[Finding]:
    """The swarm's own traffic, which is encrypted already, would go through the VPN."""
    address = settings.host(name).address
    for interface, found in seen.addresses.items():
        through_vpn = interface in _MESH or interface in seen.running
        if not through_vpn or address not in [one.partition("/")[0] for one in found]:
            continue
        what = f"address of {name}"
        if settings.networks.mtu:
            yield Notice(
                what,
                f"is on {interface}, a VPN: overlay networks are encrypted twice, and slow",
                found=address,
                remedy="Better: an address in the hosts' own network",
            )
        else:
            yield Refusal(
                what,
                f"is on {interface}, a VPN, whose packets are smaller: those of overlay networks "
                "would be lost or torn apart",
                found=address,
                remedy="Declare the host's address in its own network; or set networks.mtu to that "
                "of the VPN (1280 for Tailscale and NetBird)",
            )


def _mesh_vpns(settings: Settings, seen: Vpns) -> Iterator[Finding]:
    kinds = {"Tailscale": "tailscale", "NetBird": "netbird"}
    for interface, title in _MESH.items():
        here = interface in seen.addresses
        declared = settings.access.vpn == kinds[title]
        if declared and not here:
            yield Notice(
                interface,
                f"{title} is declared as the VPN, and has no interface on this host",
                remedy=f"Set {title} up on it; these deploys do not",
            )
    tailscale = seen.tailscale
    if tailscale is None:
        return
    if tailscale.ssh:
        yield Notice(
            "Tailscale SSH",
            "answers on port 22 of the tailnet in place of sshd: the tailnet's own policies decide "
            "who gets in, and what is said here of sshd does not hold there",
            remedy="`sudo tailscale set --ssh=false`, unless that is meant",
        )
    if tailscale.netfilter == "on" and settings.access.vpn_reaches != "everything":
        yield Notice(
            "Tailscale netfilter mode",
            "it puts its own rules above the managed ones whenever it starts: the tailnet then "
            "reaches every port of this host, published ones among them",
            expected="nodivert",
            found="on",
            remedy="`sudo tailscale set --netfilter-mode=nodivert`; or, if that is meant, declare "
            'access.vpn = "tailscale" and access.vpn_reaches = "everything"',
        )
