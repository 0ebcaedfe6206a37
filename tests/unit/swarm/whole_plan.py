"""What all plans of the swarm find together, and any observation for them."""

from __future__ import annotations

from hypothesis import strategies as st

from pyinfra_swarm.nodes.membership import (
    Membership,
    Observed,
    Service,
)
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.swarm.plan import plan
from pyinfra_swarm.swarm.stages import Seen
from tests.builders import (
    ABSENT,
    CLEAR_INGRESS,
    FRESH,
    SETTINGS,
    SILENT,
    STOPPED,
    node,
    nodes_of,
    swarm,
)

_MEMBERSHIPS = st.sampled_from(
    [
        SILENT,
        ABSENT,
        STOPPED,
        FRESH,
        Membership("unreachable: curl: (28)"),
        Membership("running", "x", "pending"),
        Membership("running", "x", "locked"),
        Membership("running", "x", "error", "n", error="broken"),
        Membership("running", "x", "active", "w", remote_managers={"m": "10.0.0.1:2377"}),
        Membership("running", "x", "active", "m", manager=True, error="no leader"),
        *(swarm(nodes_of(SETTINGS), (CLEAR_INGRESS,)).values()),
        *(swarm([node(1, id="elsewhere")], cluster="swarm2").values()),
    ]
)
OBSERVED = st.fixed_dictionaries({}, optional={f"rk{n}": _MEMBERSHIPS for n in range(1, 6)})


def everything(
    settings: Settings, observed: Observed, services: tuple[Service, ...] = ()
) -> list[Finding]:
    """What all plans together find on all hosts, in the order of a run."""
    planned = plan(Seen(settings, observed, services, planning=True))
    return [finding for entry in planned.entries for finding in entry.findings]
