"""What iptables holds, in both address families and both back ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cluster.observation import Observation
from facts.kernel import PATH
from facts.subject import SECTION, SubjectFact, sections

FAMILIES = {"ipv4": "iptables", "ipv6": "ip6tables"}
BACKENDS = ("nft", "legacy")

_SCRIPT = (
    "".join(
        f"""\
section {family}
if [ -x /usr/sbin/{command} ]; then
  if [ /usr/sbin/{command} -ef /usr/sbin/{command}-nft ]; then echo nft
  elif [ /usr/sbin/{command} -ef /usr/sbin/{command}-legacy ]; then echo legacy
  else /usr/sbin/{command} --version; fi
fi
"""
        + "".join(
            f"section {family}-{backend}\n"
            f"[ ! -x /usr/sbin/{command}-{backend}-save ] || {command}-{backend}-save 2>&1\n"
            for backend in BACKENDS
        )
        for family, command in FAMILIES.items()
    )
    + "exit 0"
)


@dataclass(frozen=True)
class Chain(Observation):
    """A chain: its policy (``None`` for one that is not built in) and its rules, in order."""

    policy: str | None
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Family(Observation):
    """One address family.

    installed: whether there is an iptables for it.
    backend: the one that the plain command uses, ``nft`` or ``legacy``; empty without iptables.
    mixed: both back ends hold rules, and each is blind to the other's.
    tables: back end → table → chain; tables that the kernel has not loaded are left out.
    errors: what a back end said where the kernel does not have it.
    """

    installed: bool
    backend: str
    mixed: bool
    tables: dict[str, dict[str, dict[str, Chain]]]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Firewall(Observation):
    """iptables on a host; ``installed`` is false in both families where there is none."""

    ipv4: Family
    ipv6: Family

    def to_json(self) -> dict[str, Any]:
        """Without what is empty, so that a person can read it."""
        return {
            name: _readable(family) if family.installed else "iptables is not installed"
            for name, family in (("ipv4", self.ipv4), ("ipv6", self.ipv6))
        }


class Tables(SubjectFact[Firewall]):
    """All tables, chains and rules of iptables, in order.

    .. code:: python

        {
            "ipv4": {
                "backend": "nft",
                "filter": {
                    "INPUT (policy ACCEPT)": ["-i lo -j ACCEPT", …],
                    "DOCKER-USER": [],
                },
            },
            "ipv6": "iptables is not installed",
        }

    Rules of the back end that the plain command does not use appear as ``filter (legacy)``.
    """

    def command(self) -> str:
        return PATH + SECTION + _SCRIPT

    def parse(self, output: list[str]) -> Firewall:
        return parse(output)


def parse(output: list[str]) -> Firewall:
    """Make sense of the script's output. Raises ``ValueError`` where it is not understood."""
    said = sections(output)
    try:
        families = {
            name: _family(said[name], {b: said[f"{name}-{b}"] for b in BACKENDS})
            for name in FAMILIES
        }
    except KeyError as section:
        raise ValueError(f"the host said nothing under {section}") from None
    return Firewall(**families)


def _family(active: list[str], saved: dict[str, list[str]]) -> Family:
    tables: dict[str, dict[str, dict[str, Chain]]] = {}
    errors: list[str] = []
    for backend, lines in saved.items():
        found, said = parse_save(lines)
        if found:
            tables[backend] = found
        errors += said
    ruled = [b for b, found in tables.items() if any(map(_in_use, found.values()))]
    word = active[0] if active else ""
    backend = "nft" if "nf_tables" in word else "legacy" if "legacy" in word else word
    return Family(
        installed=bool(word),
        backend=backend,
        mixed=len(ruled) > 1,
        tables=tables,
        errors=tuple(errors),
    )


def _in_use(chains: dict[str, Chain]) -> bool:
    return any(chain.rules or chain.policy == "DROP" for chain in chains.values())


def parse_save(lines: list[str]) -> tuple[dict[str, dict[str, Chain]], list[str]]:
    """The output of ``iptables-save``: table → chain, and the messages that are not rules.

    Rules are without their chain, as ``iptables-save`` writes them otherwise. Raises ``ValueError``
    on a rule outside of a table or of a chain that was not named.
    """
    tables: dict[str, dict[str, tuple[str | None, list[str]]]] = {}
    chains: dict[str, tuple[str | None, list[str]]] | None = None
    errors: list[str] = []
    for line in lines:
        if line.startswith("*"):
            chains = tables.setdefault(line[1:].strip(), {})
        elif line.strip() == "COMMIT":
            chains = None
        elif match := re.match(r":(\S+) (\S+)", line):
            if chains is None:
                raise ValueError(f"a chain outside of a table: {line!r}")
            chains[match[1]] = (None if match[2] == "-" else match[2], [])
        elif match := re.match(r"-A (\S+)\s?(.*)", line):
            if chains is None or match[1] not in chains:
                raise ValueError(f"a rule outside of a chain: {line!r}")
            chains[match[1]][1].append(match[2])
        elif line.strip() and not line.startswith("#"):
            errors.append(line.strip())
    frozen = {
        table: {name: Chain(policy, tuple(rules)) for name, (policy, rules) in found.items()}
        for table, found in tables.items()
    }
    return frozen, errors


def _readable(family: Family) -> dict[str, Any]:
    shown: dict[str, Any] = {"backend": family.backend}
    if family.mixed:
        shown["mixed"] = "both back ends hold rules, and each is blind to the other's"
    for backend, tables in family.tables.items():
        for table, chains in tables.items():
            title = table if backend == family.backend else f"{table} ({backend})"
            shown[title] = {
                name if chain.policy is None else f"{name} (policy {chain.policy})": chain.rules
                for name, chain in chains.items()
            }
    if not family.tables:
        shown["tables"] = "none: nothing has used iptables since the last boot"
    if family.errors:
        shown["errors"] = family.errors
    return shown
