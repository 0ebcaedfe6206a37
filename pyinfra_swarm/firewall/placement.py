"""Where the managed jumps stand, and what stands above them that could let somebody in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pyinfra_swarm.firewall.iptables_rule import parse
from pyinfra_swarm.firewall.rules import MANAGED

FilterTable = Mapping[str, Sequence[str]]
"""Chain to its rules in order, as ``iptables-save`` prints them."""


def positions(table: FilterTable, chain: str, target: str) -> list[int]:
    """At which places (from 0) of a chain an unconditional jump to the target stands."""
    return [
        index
        for index, text in enumerate(table.get(chain, ()))
        if (rule := parse(text)).target == target and not rule.conditions and not rule.goto
    ]


def admits(table: FilterTable, text: str) -> bool:
    """Whether a foreign rule could let a packet past what stands below it.

    In the chains that lead to the managed ones ``RETURN`` admits as well: it goes on to the chain's
    policy, or to Docker's rules. So does a ``-g``: nothing comes back from the chain that it names.
    """
    rule = parse(text)
    if rule.target in ("ACCEPT", "QUEUE", "NFQUEUE", "RETURN") or rule.goto:
        return True
    return _leads_to_accept(table, rule.target, set())


def _leads_to_accept(table: FilterTable, chain: str, seen: set[str]) -> bool:
    if chain in seen or chain in MANAGED or chain not in table:
        return False
    seen.add(chain)
    for text in table[chain]:
        target = parse(text).target
        if target in ("ACCEPT", "QUEUE", "NFQUEUE") or _leads_to_accept(table, target, seen):
            return True
    return False


def above(table: FilterTable, chain: str, target: str) -> list[str]:
    """The foreign rules above the managed jump that could let a packet past it."""
    places = positions(table, chain, target)
    return [text for text in table[chain][: places[0]] if admits(table, text)] if places else []
