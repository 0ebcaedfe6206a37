"""Addresses, networks, sources of traffic and SSH targets."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pyinfra_swarm.settings.values.refused import wrong


def _address(text: str) -> str:
    example = 'four numbers from 0 to 255, such as "192.168.1.11"'
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if re.fullmatch(r"[0-9.]+/\d+", text):
            alone = text.partition("/")[0]
            instead = f'"{alone}"' if _is_ipv4(alone) else example
            raise wrong("has a prefix length; one host has one address", instead) from None
        if re.fullmatch(r"[0-9]+(\.[0-9]+){3}", text) and re.search(r"\b0[0-9]", text):
            raise wrong(
                "has a number that begins with 0, which can mean two things", example
            ) from None
        raise wrong("is not an IPv4 address", example) from None
    if address.version == 6:
        raise wrong(
            "is an IPv6 address; the hosts of a swarm talk IPv4 to each other here",
            f"the host's IPv4 address: {example}; an IPv6 address may be its ssh_host",
        )
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise wrong(
            "is not an address other hosts can reach",
            "the host's own address in your network, such as "
            '"192.168.1.11"; how you reach it over SSH can differ: ssh_host',
        )
    if address.is_link_local or int(address) >= int(ipaddress.IPv4Address("240.0.0.0")):
        raise wrong("is not an address a host keeps", example)
    return str(address)


def _is_ipv4(text: str) -> bool:
    try:
        return bool(ipaddress.IPv4Address(text))
    except ValueError:
        return False


def _floating(text: str) -> str:
    if ":" in text:
        raise wrong(
            "is an IPv6 address",
            'exposure.address6 for it, beside an IPv4 address such as "192.168.1.9"',
        )
    return _address(text)


def _address6(text: str) -> str:
    example = 'an address such as "2001:db8::9"'
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise wrong("is not an IPv6 address", example) from None
    if "%" in text or address.is_link_local:
        raise wrong("is an address of one cable alone, which no router forwards to", example)
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise wrong("is not an address other hosts can reach", example)
    if address.ipv4_mapped:
        raise wrong("is an IPv4 address in the dress of IPv6", example)
    return str(address)


_PRIVATE = tuple(
    ipaddress.IPv4Network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)


def ipv4_network_fault(text: str) -> tuple[str, str] | None:
    """Why a text is not an IPv4 network in CIDR notation; `None` if it is one."""
    example = 'an IPv4 network such as "10.210.0.0/16"'
    if "/" not in text:
        whole = f"{text}/24"
        instead = example if ipv4_network_fault(whole) else f'such as "{whole}"'
        return "is not a network: the prefix length is missing", instead
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "is not a network", example
    if network.version == 6:
        return "is an IPv6 network; swarm's overlays are IPv4 here", example
    if network.prefixlen < 8:
        return "is wider than any private range", example
    if not any(network.subnet_of(private) for private in _PRIVATE):
        return (
            "is not a private range: what else has those addresses, as in the public internet, "
            "containers could then no longer reach",
            f"{example}: one within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
        )
    if network.prefixlen > 29:
        wider = network.supernet(new_prefix=24)
        return "has room for too few addresses", f'a prefix length of 29 at most, better "{wider}"'
    if ipaddress.ip_interface(text).ip != network.network_address:
        return "has host bits set: the address is not the first of its network", f'"{network}"'
    if not re.fullmatch(r"[0-9.]+/[0-9]+", text):
        return "is not written as a prefix length", f'"{network}"'
    return None


def _network(text: str) -> str:
    if fault := ipv4_network_fault(text):
        raise wrong(*fault)
    return str(ipaddress.IPv4Network(text))


def _not_empty(items: tuple[str, ...]) -> tuple[str, ...]:
    if not items:
        raise wrong("is empty", "at least one entry")
    return items


def _source(text: str) -> str:
    example = 'a network such as "192.168.1.0/24" or "2001:db8::/48", or one address'
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise wrong("is neither a network nor an address", example) from None
    if "%" in text:
        raise wrong("names an interface, which no source can have", example)
    if ipaddress.ip_interface(text).ip != network.network_address:
        raise wrong("has host bits set: the address is not its network's first", f'"{network}"')
    if network.prefixlen == 0 or network.network_address.is_unspecified:
        raise wrong("is everywhere", "an empty list, [], for everywhere")
    if "/" not in text and (prefix := prefix_of_a_network(network.network_address)):
        raise wrong(
            "is the first address of a network, without the prefix length",
            f'"{text}/{prefix}", or as long as it is; "{network}" for that address alone',
        )
    return str(network)


def prefix_of_a_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """The usual prefix length of the network that begins with this address; 0 where none does."""
    usual, host_bits = (24, 8) if address.version == 4 else (64, 64)
    return usual if int(address) % (1 << host_bits) == 0 else 0


CLUSTER = "cluster"
"""The word that stands for the cluster's own addresses among sources."""

VPN = "vpn"
"""The word that stands for whoever comes through the declared VPN's interface."""


VPN_NETWORK, VPN_PORT = "10.202.0.0/24", 51820
"""What WireGuard has on the hosts where nothing else is declared."""


def _source_or_vpn(text: str) -> str:
    return text if text == VPN else _source(text)


def _source_or_word(text: str) -> str:
    return text if text in (CLUSTER, VPN) else _source(text)


def _vpn_address(text: str) -> str:
    example = 'an address of the VPN\'s own network, such as "10.202.0.1"'
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise wrong("is not an IPv4 address", example) from None
    return str(address)


def _endpoint(text: str) -> str:
    name, colon, port = text.rpartition(":")
    name = name.removeprefix("[").removesuffix("]") if name.startswith("[") else name
    if not colon or not _is_host(name) or not re.fullmatch(r"[0-9]{1,5}", port):
        raise wrong("is not a name or an address with a port", 'such as "home.example.org:51821"')
    if not 1 <= int(port) <= 65535:
        raise wrong("has a port that is not within 1 and 65535", f'such as "{name}:51820"')
    return text


def _ssh_host(text: str) -> str:
    if not text or _is_host(text):
        return text
    instead = 'a name or an address alone, such as "rk1.example.org"'
    parts = re.fullmatch(
        r"\s*(?:ssh://)?(?:(?P<user>[^@\s:/]+)@)?(?:\[(?P<six>[^]\s]*)\]|(?P<host>[^@\s:/]+))\.?"
        r"(?::(?P<port>[0-9]{1,5}))?/?\s*",
        text,
    )
    host = parts and (parts["six"] or (parts["host"] or "").rstrip("."))
    if parts and host and _is_host(host):
        instead = f'ssh_host = "{host}"'
        instead += f', ssh_user = "{parts["user"]}"' if parts["user"] else ""
        instead += f", ssh_port = {int(parts['port'])}" if parts["port"] else ""
    raise wrong("is not a host name or an address alone", instead)


def _is_host(text: str) -> bool:
    """Whether it is a name or an address; what ends in digits alone is no name (RFC 1123)."""
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        label = r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?"
        return len(text) < 254 and bool(re.fullmatch(rf"({label}\.)*(?![0-9]+$){label}", text))


Address = Annotated[str, AfterValidator(_address), Field(examples=["192.168.1.11"])]

OptionalAddress = Annotated[
    str,
    AfterValidator(lambda text: _floating(text) if text else text),
    Field(examples=["192.168.1.9"]),
]

OptionalAddress6 = Annotated[
    str,
    AfterValidator(lambda text: _address6(text) if text else text),
    Field(examples=["2001:db8::9"]),
]

Network = Annotated[str, AfterValidator(_network), Field(examples=["10.200.0.0/16"])]

Networks = Annotated[tuple[Network, ...], AfterValidator(_not_empty)]

Subnet = Annotated[str, AfterValidator(_network), Field(examples=["10.201.0.0/24"])]

OptionalSubnet = Annotated[str, AfterValidator(lambda text: _network(text) if text else text)]

Source = Annotated[str, AfterValidator(_source), Field(examples=["192.168.1.0/24"])]

SourceOrVpn = Annotated[str, AfterValidator(_source_or_vpn), Field(examples=["192.168.1.0/24"])]

SourceOrWord = Annotated[str, AfterValidator(_source_or_word), Field(examples=["192.168.1.0/24"])]

VpnAddress = Annotated[str, AfterValidator(_vpn_address), Field(examples=["10.202.0.100"])]

OptionalVpnAddress = Annotated[
    str,
    AfterValidator(lambda text: _vpn_address(text) if text else text),
    Field(examples=["10.202.0.1"]),
]

OptionalEndpoint = Annotated[
    str,
    AfterValidator(lambda text: _endpoint(text) if text else text),
    Field(examples=["home.example.org:51821"]),
]

SshHost = Annotated[str, AfterValidator(_ssh_host), Field(examples=["rk1.example.org"])]
