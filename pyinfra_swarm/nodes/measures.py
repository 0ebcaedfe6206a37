"""What a swarm's state is worth telling of, besides its differences: the report's picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyinfra_swarm.nodes.identity import likely_node, node_at
from pyinfra_swarm.nodes.membership import Observed, acting_manager, view
from pyinfra_swarm.nodes.quorum import Quorum

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def nodes(settings: Settings, observed: Observed) -> dict[str, dict[str, Any]]:
    """Every node as the acting manager lists it, by the declared name of its host.

    ``{name: {"role", "leader", "state", "availability", "reachability", "engine", "declared"}}``;
    a node that belongs to no declared host has the name it gives itself. Empty without a manager
    that answers.
    """
    cluster = view(settings, observed)
    listed = (cluster.nodes if cluster else None) or ()
    names: dict[str, str] = {}
    for host in settings.hosts:
        if cluster is None:
            break
        own = likely_node(settings, observed, cluster, host.name)
        if own is None and ((said := observed.get(host.name)) is None or not said.in_none):
            own = node_at(settings, cluster, host.name)  # it does not say which it is, or another's
            if own and own.state == "ready" and own.address != host.address:
                own = None  # only called so, as anybody may be
        names |= {own.id: host.name} if own else {}
    declared = {host.name for host in settings.hosts}
    found = {}
    for node in listed:
        stranger = node.id if node.hostname in declared else node.hostname
        found[names.get(node.id) or stranger or node.id] = {
            "role": node.role,
            "leader": node.leader,
            "state": node.state,
            "availability": node.availability,
            "reachability": node.reachability,
            "engine": node.engine_version,
            "declared": node.id in names,
        }
    return found


def managers(settings: Settings, observed: Observed) -> dict[str, int]:
    """The quorum's arithmetic: ``{"managers", "reachable", "needed", "margin"}``.

    margin: how many more managers may fail; negative where the quorum is lost. Empty where no
    manager answers.
    """
    cluster = view(settings, observed)
    if cluster is None:
        return {}
    quorum = Quorum.of(cluster)
    return {
        "managers": quorum.managers,
        "reachable": quorum.reachable,
        "needed": quorum.needed,
        "margin": quorum.margin,
    }


def networks(settings: Settings, observed: Observed) -> dict[str, bool]:
    """The overlay networks by name, and whether each is encrypted; empty where nobody says."""
    name = acting_manager(settings, observed)
    membership = observed[name] if name else None
    overlays = (membership.overlays if membership else None) or ()
    return {overlay.name: overlay.encrypted for overlay in overlays}


def exposure(settings: Settings) -> str:
    """Who gets in from outside, as declared, in a few words."""
    firewall = settings.firewall
    if not firewall.enabled:
        return "whatever is published: no firewall"
    ports = ", ".join(map(str, firewall.web_ports))
    listed = len(firewall.web_sources)
    said = {
        "cloudflare": f"{ports} from Cloudflare only",
        "open": f"{ports} from anywhere",
        "closed": "no web ports",
        "listed": f"{ports} from {listed} network{'s' * (listed != 1)}",
    }[firewall.web]
    more = len(firewall.open)
    said += f", {more} more port{'s' * (more != 1)}" if more else ""
    return said if firewall.inbound == "deny" else f"{said}; the hosts' own ports open"
