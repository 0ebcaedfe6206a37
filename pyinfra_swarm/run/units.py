"""How ``systemctl show`` describes units."""

from __future__ import annotations

from collections.abc import Iterable

from pyinfra_swarm.run.onhost import program

UNITS = program(__file__, "units.sh")
"""Shell: ``units ARGUMENTS…`` is ``systemctl show``; what it does not say is not taken for no."""


def parse_units(lines: Iterable[str]) -> dict[str, dict[str, str]]:
    """Unit name to its properties, of blocks of ``KEY=VALUE`` lines with an ``Id`` in each."""
    units: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in [*lines, ""]:
        key, _, value = line.partition("=")
        if key:
            current[key] = value
        elif current:
            units[current.pop("Id", "")] = current
            current = {}
    return units
