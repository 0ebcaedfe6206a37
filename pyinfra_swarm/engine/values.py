"""Judged where they come in: what engines say that plans compare and scripts are made of.

Each function gives the value, or raises ``ValueError``: then the host has said nothing that could
be believed, and counts as not observed. What a *manager* lists of another node in that node's own
words (its name, its engine's version) is no reason to disbelieve the manager: see
:func:`others_name`. What is only shown to a person (an engine's error, a label's text) is not
judged here: :class:`run.findings.Finding` makes it plain.

Sources: swarmkit's ``identity.NewID`` (25 characters of base 36), moby's ``stringid`` (64 of base
16, for networks of one host), and the enumerations of the Engine API's reference, v1.24 to v1.52.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from datetime import datetime

ROLES = ("manager", "worker")
AVAILABILITIES = ("active", "pause", "drain")
NODE_STATES = ("unknown", "down", "ready", "disconnected")
REACHABILITIES = ("unknown", "unreachable", "reachable")
PROTOCOLS = ("tcp", "udp", "sctp")
LOCAL_STATES = ("inactive", "pending", "active", "error", "locked")

_SWARM_ID = re.compile(r"[0-9a-z]{25}")
_NETWORK_ID = re.compile(r"[0-9a-z]{25}|[0-9a-f]{64}")
_HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")  # 64 bytes is the kernel's limit
_DNS_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+~:_-]{0,63}")
_SANDBOX = re.compile(r"ingress_sbox|lb_[0-9a-z]{1,25}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def swarm_id(text: object) -> str:
    """The id of a node, a service, a task or a swarm."""
    return _matching(_SWARM_ID, text, "a swarm's id")


def swarm_id_if_any(text: object) -> str:
    """The same, or nothing, as of a host that is in no swarm."""
    return swarm_id(text) if text else ""


def network_id(text: object) -> str:
    """The id of a network, the swarm's or one host's."""
    return _matching(_NETWORK_ID, text, "the id of a network")


def sandbox(text: object) -> str:
    """The name of the namespace that an end of an overlay network is in."""
    return _matching(_SANDBOX, text, "a network's sandbox")


def host_name(text: object) -> str:
    """What an engine calls its host, or nothing."""
    return _matching(_HOST_NAME, text, "a host's name") if text else ""


def mac(text: object) -> str:
    """A hardware address."""
    return _matching(_MAC, text, "a hardware address")


def one_of(allowed: Collection[str], text: object) -> str:
    """A word of an enumeration."""
    if isinstance(text, str) and text in allowed:
        return text
    raise ValueError(f"not one of {', '.join(allowed)}: {_shown(text)}")


def moment(text: object) -> float:
    """``2026-11-27T18:00:00.123456789Z`` in seconds since 1970."""
    whole = re.sub(r"\.\d+", "", str(text))
    return datetime.fromisoformat(whole).timestamp()


def address(text: object) -> str:
    """An IP address in its shortest form, without a zone; or nothing."""
    if not text:
        return ""
    plain = str(text).partition("%")[0].removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        raise ValueError(f"not an address: {_shown(text)}") from None


def endpoint(text: object) -> str:
    """An address and a port, ``192.168.1.11:2377`` or ``[fd00::1]:2377``.

    Or a name and a port: a host that was made to join through a name, and waits to be let in, knows
    the manager by that name only.
    """
    host, _, port = str(text).rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or not host:
        raise ValueError(f"not an address and a port: {_shown(text)}")
    if _DNS_NAME.fullmatch(host) and not host.replace(".", "").isdigit():
        return f"{host}:{int(port)}"
    found = address(host)
    return f"[{found}]:{int(port)}" if ":" in found else f"{found}:{int(port)}"


def others_name(text: object) -> str:
    """A name that a manager repeats of another node: nothing where it is none."""
    return text if isinstance(text, str) and _HOST_NAME.fullmatch(text) else ""


def others_version(text: object) -> str:
    """An engine's version that a manager repeats of another node: nothing where it is none."""
    return text if isinstance(text, str) and _VERSION.fullmatch(text) else ""


def _matching(pattern: re.Pattern[str], text: object, what: str) -> str:
    if isinstance(text, str) and pattern.fullmatch(text):
        return text
    raise ValueError(f"not {what}: {_shown(text)}")


def _shown(text: object) -> str:
    return ascii(text)[:80]
