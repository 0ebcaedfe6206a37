"""A swarm with keys, and its key file, in the states that plans have to tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.nodes.membership import Membership, Observed, SwarmSpec
from pyinfra_swarm.settings import Settings
from tests.builders import FRESH, declared, nodes_of, swarm

NOW = 1_800_000_000.0
DAY = 86400
TERMS = SwarmSpec(90 * DAY, autolock=False, issuer="new", root_expires=NOW + 7000 * DAY)
PATH = "/home/me/unlock-key"
FILE = KeyFile(PATH, fingerprint="aaaa")
NO_FILE_YET = KeyFile(PATH)
UNMOUNTED = KeyFile(PATH, problem="its folder /media/stick is not there")


def cluster_of(
    settings: Settings, spec: SwarmSpec = TERMS, old: tuple[str, ...] = (), **differing: Any
) -> dict[str, Membership | None]:
    """A converged cluster on these terms. old: who has a certificate of the old root;
    differing: of a node, by its name."""
    nodes = [
        replace(
            node,
            issuer="old" if node.hostname in old else "new",
            **differing.get(node.hostname, {}),
        )
        for node in nodes_of(settings)
    ]
    return {
        name: replace(
            said,
            spec=spec if said.controls else None,
            in_ingress=True,
            certificate_issued=NOW - 10 * DAY,
            certificate_expires=NOW + 80 * DAY,
            certificate_role="manager" if said.manager else "worker",
        )
        for name, said in swarm(nodes).items()
        if said is not None
    }


def of(observed: Observed, name: str, **differing: Any) -> dict[str, Membership | None]:
    """The same, but for one host."""
    own = observed[name]
    assert own is not None
    return {**observed, name: replace(own, **differing)}


SETTINGS = declared()
RK1, RK2, RK3, RK4 = SETTINGS.hosts
CONVERGED = cluster_of(SETTINGS)
LOCKING = declared(swarm={"autolock": True, "unlock_key_file": PATH})
OFF = declared(swarm={"autolock": False, "unlock_key_file": PATH})
AUTOLOCKED = cluster_of(SETTINGS, replace(TERMS, autolock=True))
ROTATING = replace(TERMS, rotating=True)
DOWN = {"state": "down"}
GONE = {"state": "down", "reachability": "unreachable"}
LOCKED = Membership("running", "rk2", "locked", error="Swarm is encrypted")
NO_MANAGER = dict.fromkeys(CONVERGED, FRESH)
CUT_OFF = of(AUTOLOCKED, "rk2", in_ingress=False)
