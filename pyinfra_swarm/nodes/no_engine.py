"""What is said of a host that answers, while its engine does not."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.nodes.membership import Membership


@dataclass(frozen=True)
class NoEngine:
    """Why an engine can be asked for nothing.

    reason: a sentence without its end; remedy: what brings the engine back.
    """

    reason: str
    remedy: str


def no_engine(own: Membership) -> NoEngine | None:
    """Why a host's engine can be asked for nothing; ``None`` where it answers, or there is none."""
    if own.engine in ("running", "absent"):
        return None
    if own.engine == "stopped":
        return NoEngine(
            "Docker is stopped on this host", "Start it (`sudo systemctl start docker`)"
        )
    why = own.engine.removeprefix("unreachable: ")
    remedy = "Restart it (`sudo systemctl restart docker`)"
    if "curl is not installed" in why:
        remedy = "Install curl (`sudo apt install curl`), by which it is asked"
    return NoEngine(f"Docker does not answer on this host ({why})", remedy)
