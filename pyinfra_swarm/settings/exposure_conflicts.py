"""Whether what `[exposure]` says agrees with the firewall, and with what is declared beside it.

Read from what was written, as :mod:`settings.consistency` does it: what follows from the mode by
itself is no contradiction, and what somebody has written beside it is.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pyinfra_swarm.settings.errors import NOT_SHOWN, Problem, field_name, nearest, shown
from pyinfra_swarm.settings.exposure import Exposure
from pyinfra_swarm.settings.exposure_modes import CLOSED_BY, OWN_STACK
from pyinfra_swarm.settings.opened_ports import ports_of
from pyinfra_swarm.settings.values.applications import (
    VALUE_FOR_NAME,
    like_a_token,
    names_no_secret,
)
from pyinfra_swarm.settings.written import items, table, tables

CLOUDFLARES = (15, 1_524_736)
"""How many IPv4 ranges Cloudflare publishes, and how many addresses they hold."""

_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"),
    )
)

_WEB_PORTS = (80, 443)


def exposure_conflicts(data: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between `[exposure]` and the rest of `data`, which is as it was written."""
    exposure = table(data, "exposure")
    mode = exposure.get("mode", "ports")
    if mode in CLOSED_BY:
        yield from _let_in(data, str(mode))
    yield from _tokens(data, exposure, str(mode))
    yield from _dynamic_dns(exposure, str(mode))
    yield from _origin_pulls(exposure)
    yield from _own_name(data)


def exposure_warnings(exposure: Exposure, *, enabled: bool, web: str) -> list[str]:
    """What is allowed, but worth a second thought. enabled, web: as in `[firewall]`."""
    found, mode = [], exposure.mode
    if mode in CLOSED_BY and not enabled:
        found.append(
            f'exposure.mode = "{mode}", and firewall.enabled = false: nothing of ours keeps '
            "published ports shut, so whoever reaches a host reaches them"
        )
    if exposure.dynamic_dns.domains and web == "closed":
        found.append(
            'exposure.dynamic_dns keeps names at your address, and firewall.web = "closed": '
            "nobody who follows them is let in"
        )
    for where, image in (
        ("tunnel", exposure.tunnel.image),
        ("dynamic_dns", exposure.dynamic_dns.image),
    ):
        if "@sha256:" not in image:
            found.append(
                f"exposure.{where}.image = {shown(image)} has no digest: whoever may push to that "
                "name decides what runs with your token"
            )
    return found


# Who would get in
# ----------------


def _let_in(data: Mapping[str, Any], mode: str) -> Iterator[Problem]:
    firewall = table(data, "firewall")
    web, sources = firewall.get("web"), _networks(firewall.get("web_sources"))
    wanted = "nobody has to get in: connectors open the tunnel from inside"
    if mode == "none":
        wanted = "nobody is to get in from the internet"
    who = ""
    if web == "open":
        who = "everybody: all 4294967296 IPv4 addresses, and all of IPv6"
    elif web == "cloudflare":
        ranges, addresses = CLOUDFLARES
        who = (
            f"Cloudflare's {ranges} IPv4 ranges with {addresses} addresses and its IPv6 ranges, "
            "from which every customer of Cloudflare's can send requests"
        )
    elif web == "listed" and (public := _public(sources)):
        who = _counted(public)
    if who:
        yield Problem(
            "firewall.web",
            shown(web),
            f'would let in {who}. With exposure.mode = "{mode}" {wanted}',
            'leave firewall.web out, which then is "closed"; your own network gets in by '
            'firewall.open = [{ port = 443, sources = ["192.168.1.0/24"] }]',
        )
    for index, opening in enumerate(tables(firewall.get("open"))):
        yield from _opening(data, index, opening, mode)


def _opening(
    data: Mapping[str, Any], index: int, opening: Mapping[str, Any], mode: str
) -> Iterator[Problem]:
    if opening.get("protocol", "tcp") != "tcp":
        return
    written = items(table(data, "firewall").get("web_ports")) or _WEB_PORTS
    ports = [port for port in written if port in ports_of(opening)]
    sources = opening.get("sources")
    public = _public(_networks(sources))
    if not ports or (items(sources) and not public):
        return
    who = _counted(public) if public else "everybody: all IPv4 and IPv6 addresses"
    yield Problem(
        field_name(("firewall", "open", index), data),
        None,
        f"opens the web port {', '.join(map(str, ports))} to {who}, past exposure.mode = "
        f'"{mode}", with which nobody from the internet is to get in there',
        'sources with your own networks only, such as ["192.168.1.0/24"]; or exposure.mode = '
        '"ports"',
    )


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(value: Any) -> list[Network]:
    """Those that can be read; others are reported as what they are."""
    found: list[Network] = []
    for one in items(value):
        try:
            found.append(ipaddress.ip_network(str(one), strict=False))
        except ValueError:
            continue
    return found


def _public(networks: Iterable[Network]) -> list[Network]:
    """Those that are not of a home's or a provider's inside."""
    return [
        one
        for one in networks
        if not any(one.version == own.version and one.subnet_of(own) for own in _NOT_PUBLIC)  # type: ignore[arg-type]
    ]


def _counted(networks: Sequence[Network]) -> str:
    four = sum(one.num_addresses for one in networks if one.version == 4)
    six = sum(one.version == 6 for one in networks)
    words = [f"{four} IPv4 addresses"] * bool(four)
    words += [f"{six} IPv6 network{'s' * (six != 1)}"] * bool(six)
    return f"{' and '.join(words)} outside of private networks"


# What belongs together
# ---------------------


def _tokens(data: Mapping[str, Any], exposure: Mapping[str, Any], mode: str) -> Iterator[Problem]:
    """A value that is not declared is not repeated: it may be the token itself."""
    declared = {str(one["name"]) for one in tables(data.get("secrets")) if "name" in one}
    dns = table(exposure, "dynamic_dns")
    needed = {
        ("tunnel", "token"): mode == "tunnel",
        ("dynamic_dns", "token"): bool(items(dns.get("domains"))),
        ("origin_pulls", "key"): False,
    }
    for (section, key), is_needed in needed.items():
        name = table(exposure, section).get(key, "")
        where = f"exposure.{section}.{key}"
        if not name and is_needed:
            yield Problem(
                where,
                None,
                "is missing: it names the secret that holds the token",
                f'{key} = "{_EXAMPLES[section]}", and [[secrets]] with that name and its source',
            )
        elif not isinstance(name, str) or not name:
            continue
        elif name in declared:
            if section == "tunnel" and "mode" not in exposure:
                yield Problem(
                    where,
                    None,
                    'has no meaning with exposure.mode = "ports", which holds where none is given',
                    'exposure.mode = "tunnel", which opens it and closes the web ports; or '
                    'exposure.mode = "ports", to keep the name for later',
                )
        elif names_no_secret(name):
            continue
        elif like_a_token(name):
            yield Problem(where, NOT_SHOWN, *VALUE_FOR_NAME)
        else:
            instead = "[[secrets]] with that name, and where its value comes from"
            if meant := nearest(name, declared):
                instead = shown(meant)
            elif declared:
                instead += f"; or one of {', '.join(sorted(map(shown, declared)))}"
            yield Problem(where, None, "is not the name of a declared secret", instead)


_EXAMPLES = {"tunnel": "tunnel_token", "dynamic_dns": "dns_token"}


def _dynamic_dns(exposure: Mapping[str, Any], mode: str) -> Iterator[Problem]:
    domains = items(table(exposure, "dynamic_dns").get("domains"))
    if domains and mode in CLOSED_BY:
        reason = (
            "Cloudflare has the tunnel's names in its DNS already"
            if mode == "tunnel"
            else "nobody is to find it"
        )
        yield Problem(
            "exposure.dynamic_dns.domains",
            shown(list(domains)),
            f'keeps names at your address, and with exposure.mode = "{mode}" {reason}',
            'take them out, or exposure.mode = "ports"',
        )


def _origin_pulls(exposure: Mapping[str, Any]) -> Iterator[Problem]:
    pulls = table(exposure, "origin_pulls")
    if pulls.get("key") and not pulls.get("certificate"):
        yield Problem(
            "exposure.origin_pulls.certificate",
            None,
            "is missing: the key alone proves nothing",
            'the path of the client certificate that belongs to it, as "certs/origin-pull.crt"',
        )


def _own_name(data: Mapping[str, Any]) -> Iterator[Problem]:
    for index, stack in enumerate(tables(data.get("stacks"))):
        if stack.get("name") == OWN_STACK:
            yield Problem(
                field_name(("stacks", index, "name"), data),
                shown(OWN_STACK),
                "is the name of the stack that [exposure] deploys",
                "another name",
            )
