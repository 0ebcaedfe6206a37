"""The output of ``iptables-save``, read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyinfra_swarm.run.observation import Observation


@dataclass(frozen=True)
class Chain(Observation):
    """A chain: its policy (``None`` for one that is not built in) and its rules, in order."""

    policy: str | None
    rules: tuple[str, ...]


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
