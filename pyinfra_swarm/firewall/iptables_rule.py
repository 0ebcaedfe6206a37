"""iptables rules as they are printed, compared by what they mean.

Versions and back ends of iptables print the parts of one rule in different orders and leave out
what goes without saying; the order of rules within a chain is what counts, and stays.
"""

from __future__ import annotations

import ipaddress
import shlex
from dataclasses import dataclass
from functools import cache

_LONG = {
    "--source": "-s",
    "--destination": "-d",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--protocol": "-p",
    "--jump": "-j",
    "--goto": "-g",
    "--match": "-m",
    "--destination-port": "--dport",
    "--source-port": "--sport",
}
_PROTOCOLS = {
    **{"1": "icmp", "6": "tcp", "17": "udp", "50": "esp", "58": "ipv6-icmp"},
    "112": "vrrp",
}
_IMPLIED = {"tcp", "udp", "icmp", "icmp6", "esp"}
_WITHOUT_VALUE = {"--syn", "--strict", "--fragment", "-f", "--random", "--random-fully"}
_EVERYWHERE = {"0.0.0.0/0", "::/0"}


@dataclass(frozen=True)
class Rule:
    """One rule: what it asks for, in any order, and what happens then.

    conditions: option and value, ``! `` before the option where it is negated.
    target: the chain or verdict; goto: it does not come back. options: the target's own.
    """

    conditions: frozenset[tuple[str, str]]
    target: str
    goto: bool = False
    options: tuple[str, ...] = ()

    def condition(self, option: str) -> str | None:
        """The value of an option, ``None`` where the rule does not ask for it."""
        return next((value for name, value in self.conditions if name == option), None)


@cache
def parse(text: str) -> Rule:
    """Read a rule as ``iptables-save`` prints it, without ``-A`` and its chain.

    Raises ``ValueError`` where it is not understood at all (an unbalanced quote).
    """
    words = shlex.split(text)
    conditions: set[tuple[str, str]] = set()
    target, goto = "", False
    options: tuple[str, ...] = ()
    negated = ""
    at = 0
    while at < len(words):
        word = _LONG.get(words[at], words[at])
        at += 1
        if word == "!":
            negated = "! "
            continue
        if word in ("-j", "-g"):
            target, goto = (words[at] if at < len(words) else ""), word == "-g"
            options = tuple(words[at + 1 :])
            break
        value = ""
        if word not in _WITHOUT_VALUE and at < len(words) and not _is_option(words[at]):
            value = words[at]
            at += 1
        if not _goes_without_saying(word, value):
            conditions.add((negated + word, _canonical(word, value)))
        negated = ""
    return Rule(frozenset(conditions), target, goto, options)


def _is_option(word: str) -> bool:
    return word == "!" or (word.startswith("-") and not word.lstrip("-").isdigit() and word != "-")


def _goes_without_saying(option: str, value: str) -> bool:
    return (option == "-m" and value in _IMPLIED) or (
        option in ("-s", "-d") and value in _EVERYWHERE
    )


def _canonical(option: str, value: str) -> str:
    if option in ("-s", "-d"):
        try:
            return str(ipaddress.ip_network(value, strict=False))
        except ValueError:
            return value
    if option == "-p":
        return {"icmpv6": "ipv6-icmp"}.get(value.lower(), _PROTOCOLS.get(value, value.lower()))
    if option == "--ctstate":
        return ",".join(sorted(value.split(",")))
    return value
