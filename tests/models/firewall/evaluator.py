"""What iptables would do with a packet, from the text that ``iptables-save`` prints.

Knows nothing of the code that made the rules: it reads options as iptables(8) and
iptables-extensions(8) define them, and refuses those that it does not know.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from tests.models.firewall.packet import Packet, network

PROTOCOLS = {"tcp", "udp", "icmp", "ipv6-icmp", "esp", "gre", "sctp", "vrrp"}
NUMBERS = {"112": "vrrp"}
MODULES = {"tcp", "udp", "icmp", "icmp6", "esp", "conntrack", "policy", "comment"}


class NotUnderstood(Exception):
    """A rule asks for something that this evaluator does not know."""


@dataclass(frozen=True)
class Verdict:
    """What happens to a packet: ``ACCEPT`` or ``DROP``; policy: only since no rule decided."""

    what: str
    policy: bool = False


class Table:
    """The filter table, as printed."""

    def __init__(self, saved: str) -> None:
        self.policies: dict[str, str] = {}
        self.chains: dict[str, list[list[str]]] = {}
        for line in saved.splitlines():
            if line.startswith(":"):
                name, policy, *_ = line[1:].split()
                self.policies[name] = policy
                self.chains[name] = []
            elif line.startswith("-A "):
                _, chain, *words = _words(line)
                self.chains[chain].append(words)
            elif line not in ("*filter", "COMMIT", "") and not line.startswith("#"):
                raise NotUnderstood(line)

    def judge(self, packet: Packet) -> Verdict:
        """Send a packet through the chain of its hook."""
        verdict = self._walk(packet.hook, packet)
        if verdict is None:
            return Verdict(self.policies[packet.hook], policy=True)
        return Verdict(verdict)

    def _walk(self, chain: str, packet: Packet) -> str | None:
        """The verdict of a chain; ``None`` where it returns to the one that called it."""
        for words in self.chains[chain]:
            target, goto = self._applies(words, packet)
            if target is None:
                continue
            if target in ("ACCEPT", "DROP"):
                return target
            if target == "RETURN":
                return None
            if target not in self.chains:
                raise NotUnderstood(f"-j {target}")
            verdict = self._walk(target, packet)
            if verdict is not None or goto:
                return verdict
        return None

    def _applies(self, words: list[str], packet: Packet) -> tuple[str | None, bool]:
        """The rule's target if the packet meets all conditions; whether by ``-g``."""
        rest = list(words)
        holds = True
        direction = ""
        asked = None
        while rest:
            word = rest.pop(0)
            wrong = word == "!"
            if wrong:
                word = rest.pop(0)
            if word in ("-j", "-g"):
                target = rest.pop(0)
                if rest:
                    raise NotUnderstood(f"options of a target: {words}")
                if asked is not None:
                    holds &= (direction, asked) == (direction, packet.ipsec)
                return (target if holds else None), word == "-g"
            value = rest.pop(0)
            if word == "--dir":
                direction = value
                if {"INPUT": "in", "OUTPUT": "out"}.get(packet.hook) != value:
                    raise NotUnderstood(f"--dir {value} in {packet.hook}")
            elif word == "--pol":
                asked = {"none": False, "ipsec": True}[value]
            elif word in CONDITIONS:
                holds &= CONDITIONS[word](packet, value) != wrong
            else:
                raise NotUnderstood(f"{word} in {words}")
        raise NotUnderstood(f"no target: {words}")


@cache  # one rule stands in many tables
def _words(rule: str) -> tuple[str, ...]:
    return tuple(shlex.split(rule))


def _interface(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern


def _protocol(packet: Packet, value: str) -> bool:
    name = NUMBERS.get(value, value)
    if name not in PROTOCOLS:
        raise NotUnderstood(f"-p {value}")
    return packet.protocol == name


def _module(packet: Packet, value: str) -> bool:
    if value not in MODULES:
        raise NotUnderstood(f"-m {value}")
    return True


def _within(port: int, value: str) -> bool:
    first, _, last = value.partition(":")
    return int(first) <= port <= int(last or first)


def _ports(packet: Packet, port: int, value: str) -> bool:
    if packet.protocol not in ("tcp", "udp"):
        return False
    return _within(port, value)


def _states(packet: Packet, value: str) -> bool:
    asked = set(value.split(","))
    if asked - {"NEW", "ESTABLISHED", "RELATED", "INVALID", "DNAT"}:
        raise NotUnderstood(f"--ctstate {value}")
    return packet.state in asked or ("DNAT" in asked and packet.dnat)


def _direction(packet: Packet, value: str) -> bool:
    if value != "ORIGINAL":
        raise NotUnderstood(f"--ctdir {value}")
    return packet.state != "INVALID"  # a new connection's first packet has no other


def _original_port(packet: Packet, value: str) -> bool:
    if packet.state == "INVALID" or packet.protocol not in ("tcp", "udp"):
        return False
    return _within(packet.asked_port if packet.dnat else packet.port, value)


CONDITIONS: dict[str, Callable[[Packet, str], bool]] = {
    "-s": lambda packet, value: packet.address in network(value),
    "-i": lambda packet, value: _interface(packet.entered, value),
    "-o": lambda packet, value: _interface(packet.leaves, value),
    "-p": _protocol,
    "-m": _module,
    "--comment": lambda packet, value: True,
    "--dport": lambda packet, value: _ports(packet, packet.port, value),
    "--sport": lambda packet, value: _ports(packet, packet.source_port, value),
    "--icmp-type": lambda packet, value: packet.protocol == "icmp" and packet.icmp == int(value),
    "--icmpv6-type": lambda packet, value: (
        packet.protocol == "ipv6-icmp" and packet.icmp == int(value)
    ),
    "--ctstate": _states,
    "--ctdir": _direction,
    "--ctorigdstport": _original_port,
}
