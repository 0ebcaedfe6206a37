"""What a user sends along with a bug report: the machines and the proof, without who or where.

Hosts are numbers, and so are networks but the ingress. What a host wrote as free text is left out:
it may hold names and addresses. The keys are described in docs/prove.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.firewall.policy import FAMILIES
from pyinfra_swarm.firewall.state import Host as Firewall
from pyinfra_swarm.host.system import Host
from pyinfra_swarm.proof.verdict import Pair, Proof

FORMAT = 1
"""Grows when a key changes its meaning or goes; not when one is added."""

INGRESS = "ingress"


@dataclass(frozen=True)
class Machine:
    """What is known of a declared host; ``None`` for what it did not say.

    role: ``manager`` or ``worker``.
    """

    role: str
    host: Host | None
    firewall: Firewall | None


@dataclass(frozen=True)
class Tools:
    """Versions on the computer that the run is made on."""

    pyinfra_swarm: str
    pyinfra: str
    python: str


def machine_report(
    date: str,
    tools: Tools,
    machines: Mapping[str, Machine],
    proof: Proof,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """The report as plain data. date: such as ``2026-11-27``; machines: by name, as declared.

    seconds: that each part of the run took, by its name.
    """
    numbers = {name: number for number, name in enumerate(machines, 1)}
    return {
        "format": FORMAT,
        "date": date,
        "tools": {
            "pyinfra-swarm": tools.pyinfra_swarm,
            "pyinfra": tools.pyinfra,
            "python": tools.python,
        },
        "hosts": [_machine(numbers[name], machine) for name, machine in machines.items()],
        "proof": {
            "pairs": _pairs(proof.pairs, numbers),
            "proven": proof.proven,
            "not tried": len(proof.unproven),
            "did not answer": len(proof.silent),
            "watched by tcpdump": len(proof.watched),
            "names asked for": proof.names,
            "names not found": sum(map(len, proof.unresolved.values())),
        },
        "seconds": {part: round(taken, 1) for part, taken in seconds.items()},
    }


def _machine(number: int, machine: Machine) -> dict[str, Any]:
    return {
        "host": number,
        "role": machine.role,
        "answered": machine.host is not None,
        **(_system(machine.host) if machine.host else {}),
        "iptables": _back_ends(machine.firewall) if machine.firewall else {},
    }


def _system(host: Host) -> dict[str, Any]:
    kernel = host.kernel
    return {
        "distribution": host.distribution,
        "version": host.version,
        "architecture": host.architecture,
        "kernel": kernel.release,
        "modules": {module.name: module.state for module in kernel.modules},
        "blocked modules": [module.name for module in kernel.modules if module.blocked_by],
        "esp": kernel.esp,
        "vxlan": kernel.vxlan,
        "matches": kernel.matches,
        "engine": host.engine,
        "packages": dict(sorted(host.packages.items())),
        "clock ahead": host.clock_ahead,
    }


def _back_ends(firewall: Firewall) -> dict[str, Any]:
    found = {family: firewall.tables[family] for family in FAMILIES}
    return {
        family: {"back end": tables.backend, "both back ends": tables.mixed}
        for family, tables in found.items()
        if tables.installed and tables.spoken
    }


def _pairs(pairs: Sequence[Pair], numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    overlays: dict[str, int] = {}
    shown = []
    for pair in pairs:
        if pair.network == INGRESS:
            network = INGRESS
        else:
            network = f"overlay {overlays.setdefault(pair.network, len(overlays) + 1)}"
        shown.append(
            {
                "network": network,
                # A node that is not declared any more has no number.
                "from": numbers.get(pair.sender),
                "to": numbers.get(pair.receiver),
                "small": pair.small,
                "full size": pair.full,
                "encrypted": pair.encrypted,
                "clear frame": pair.clear_frame,
                "proven": pair.problem is None,
            }
        )
    return shown
