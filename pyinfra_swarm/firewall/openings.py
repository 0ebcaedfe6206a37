"""A port, or a host of the cluster, is several rules in several chains. Told, it is one thing.

From rules that differ back to what a person declares: ``8080/tcp from 203.0.113.10``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pyinfra_swarm.firewall.iptables_rule import Rule, parse
from pyinfra_swarm.firewall.rules import INPUT, PEERS, PUBLISHED, WEB
from pyinfra_swarm.run.findings import Whole
from pyinfra_swarm.run.wording import listed

_LETS_IN = {INPUT: "ACCEPT", PUBLISHED: "RETURN"}
_PORT = {INPUT: "--dport", PUBLISHED: "--ctorigdstport"}
_BESIDE = {"-i", "-m", "-s", "-p", "--ctdir"}

_NAMED = 3
"""Sources in a sentence; of more it gives the number."""

IS_OPENED, IS_CLOSED = "is to be opened", "is to be closed: it is not declared"
IS_LET_IN = "is to be let in as a host of the cluster"
IS_SHUT_OUT = "is to be let in no longer: no host of the cluster has this address"

_OF_PEERS = {PEERS: "ACCEPT", PUBLISHED: "RETURN", INPUT: "RETURN"}
_CLEAR_TEXT = {"-p", "-m", "--dir", "--pol", "--dport"}
"""Conditions beside the source, where a peer's clear-text VXLAN is not dropped."""


@dataclass(frozen=True)
class Port:
    """A port or a range, as rules have it, and its protocol."""

    number: str
    protocol: str

    def __str__(self) -> str:
        return f"{self.number.replace(':', '-')}/{self.protocol}"


@dataclass(frozen=True)
class Part:
    """What a rule does for a port.

    source: a network, "" for anywhere, or an interface; web: it sends to the web's sources;
    opens: false for the one that drops what was not let in.
    """

    port: Port
    source: str = ""
    web: bool = False
    opens: bool = True


def part_of(chain: str, rule: Rule) -> Part | None:
    """What a rule of a chain does for a single port; None for any other rule."""
    number = rule.condition(_PORT[chain]) if chain in _PORT else None
    protocol = rule.condition("-p")
    if number is None or protocol is None or rule.options:
        return None
    if {name for name, _ in rule.conditions} - _BESIDE - {_PORT[chain]}:
        return None
    port, source = Port(number, protocol), rule.condition("-s") or ""
    if (interface := rule.condition("-i")) is not None:  # that of a VPN
        source = f"interface {interface}"
    if rule.target == _LETS_IN[chain] and not rule.goto:
        return Part(port, source)
    if rule.target == WEB:
        return Part(port, web=True)
    if rule.target == "DROP" and not source:
        return Part(port, opens=False)
    return None


def peer_of(chain: str, rule: Rule) -> str | None:
    """Whose rule it is, where a chain lets in a host of the cluster, whatever the port."""
    source = rule.condition("-s")
    if source is None or rule.goto or rule.options or rule.target != _OF_PEERS.get(chain):
        return None
    beside = {name for name, _ in rule.conditions} - {"-s"}
    return source if beside == (_CLEAR_TEXT if chain == INPUT else set()) else None


class Differences:
    """The ports to be opened or closed on a host, and the peers, from all of its chains."""

    def __init__(self) -> None:
        self._let_in: set[str] = set()
        self._shut_out: set[str] = set()
        self._opened: dict[Port, dict[str, None]] = {}
        self._closed: dict[Port, dict[str, None]] = {}
        self._web: set[Port] = set()

    def add(self, chain: str, wanted: Sequence[str], found: Sequence[str]) -> None:
        """Take in what a chain lacks, and what it has too much."""
        there, declared = map(parse, found), map(parse, wanted)
        has, should = set(there), set(declared)
        missing, foreign = should - has, has - should
        if chain == PEERS:
            self._let_in |= {peer for rule in missing if (peer := peer_of(chain, rule))}
            self._shut_out |= {peer for rule in foreign if (peer := peer_of(chain, rule))}
        self._take(self._opened, chain, (rule for rule in should if rule in missing))
        self._take(self._closed, chain, (rule for rule in has if rule in foreign))

    def _take(self, into: dict[Port, dict[str, None]], chain: str, rules: Iterable[Rule]) -> None:
        for part in filter(None, (part_of(chain, rule) for rule in rules)):
            if part.web:
                self._web.add(part.port)
            if part.opens:
                into.setdefault(part.port, {})[part.source] = None

    def whole(self, chain: str, rule: Rule, *, missing: bool) -> Whole | None:
        """What a rule that differs is a piece of; None where it is of no port or peer alone."""
        part = part_of(chain, rule)
        ports = self._opened if missing else self._closed
        peers = self._let_in if missing else self._shut_out
        only = {*ports.get(part.port, {})} if part else {peer_of(chain, rule) or ""}
        if only and only <= peers and (part is None or part.opens):
            return Whole(sources(only), IS_LET_IN if missing else IS_SHUT_OUT)
        if part is None:
            return None
        if part.port not in ports:  # only its drop differs
            ports = self._closed if missing else self._opened
        if part.port not in ports:
            return None
        opened = ports is self._opened
        return Whole(self._named(part.port, ports), IS_OPENED if opened else IS_CLOSED)

    def _named(self, port: Port, ports: Mapping[Port, Mapping[str, None]]) -> str:
        if port in self._web:
            return f"{port}, a web port"
        return f"{port} from {sources(ports[port])}"


def sources(networks: Iterable[str]) -> str:
    """Networks in words: ``203.0.113.10``, ``anywhere``, ``5 networks``."""
    names = sorted({name.removesuffix("/128" if ":" in name else "/32") for name in networks})
    if not names or "" in names:
        return "anywhere"
    return listed(names) if len(names) <= _NAMED else f"{len(names)} networks"
