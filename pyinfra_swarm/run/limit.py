"""``--limit``: the hosts that a run works on, and who must be among them."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra_swarm.run import pyinfra_internals
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed


def in_limit() -> tuple[str, ...]:
    """The hosts that ``--limit`` leaves, by name; all of them without it."""
    run = pyinfra_internals.run_state()
    return tuple(host.name for host in run.inventory if pyinfra_internals.is_in_limit(run, host))


def left_out(names: Sequence[str], role: str) -> list[Finding]:
    """A refusal where ``--limit`` leaves out a host that has to do its part: nothing would happen.

    role: who they are, as ``the manager that is backed up``.
    """
    within = in_limit()
    missing = [name for name in names if name not in within]
    if not missing:
        return []
    alone = f", or `--limit {quoted(names[0])}`" if len(names) == 1 else ""
    return [
        Refusal(
            "--limit",
            f"leaves out {listed(missing)}, {role}",
            remedy=f"Give no --limit{alone}",
        )
    ]
