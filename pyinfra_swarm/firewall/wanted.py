"""What is to be on a host: from the settings, the swarm's nodes, and what is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.firewall.host_files import files
from pyinfra_swarm.firewall.paths import TIMER, UNIT, WATCH
from pyinfra_swarm.firewall.policy import FAMILIES, Family, Policy, Vpn, policy, votes
from pyinfra_swarm.firewall.rules import INPUT, MANAGEMENT_PORT, PEERS, Chains, chains
from pyinfra_swarm.firewall.state import Host
from pyinfra_swarm.firewall.unencrypted_overlays import InUse, drops_cleartext_vxlan
from pyinfra_swarm.nodes.membership import Observed, members, view

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@dataclass(frozen=True)
class Wanted:
    """What is declared, as a host is to have it: chains by family, and path to content of files.

    refreshed: the web ranges are Cloudflare's, kept by the host.
    ssh_sources: the networks that SSH is open to; empty for everywhere.
    vpn: the one that the word ``vpn`` among them stands for.
    """

    chains: Mapping[Family, Chains]
    files: Mapping[str, str]
    refreshed: bool
    ssh_sources: tuple[str, ...] = ()
    vpn: Vpn | None = None

    @property
    def units(self) -> tuple[str, ...]:
        """The managed units that start at boot, and run."""
        return (UNIT, WATCH, TIMER) if self.refreshed else (UNIT, WATCH)


def declared(policy: Policy, schedule: str) -> Wanted:
    """A policy as a host is to have it; schedule: when it asks Cloudflare for its ranges."""
    rules = {family: chains(policy, family) for family in FAMILIES}
    refreshed = policy.web == "cloudflare"
    return Wanted(
        chains=rules,
        files=files(rules, refreshed=refreshed, schedule=schedule),
        refreshed=refreshed,
        ssh_sources=policy.ssh_sources,
        vpn=policy.vpn,
    )


def wanted(
    settings: Settings,
    name: str,
    host: Host,
    observed: Observed,
    in_use: InUse | None,
    *,
    manager: bool | None = None,
) -> Wanted:
    """What is to be on the host of this name.

    in_use: the unencrypted overlays that something uses; ``None`` where nobody can say.
    manager: whether the host votes, where that is known better than by the managers' list.
    """
    made = wanted_policy(settings, name, host, observed, in_use, manager=manager)
    return declared(made, settings.firewall.refresh)


def wanted_policy(
    settings: Settings,
    name: str,
    host: Host,
    observed: Observed,
    in_use: InUse | None,
    *,
    manager: bool | None = None,
) -> Policy:
    """Who is to reach what on the host of this name; arguments as in :func:`wanted`."""
    still, voting = in_the_swarm(settings, name, host, observed)
    return policy(
        settings,
        name,
        ssh_ports=host.ssh_ports or (22,),
        drop_cleartext_vxlan=drops_cleartext_vxlan(settings, host, in_use),
        members=still,
        votes=voting if manager is None else manager,
    )


def in_the_swarm(
    settings: Settings, name: str, host: Host, observed: Observed
) -> tuple[tuple[str, ...], bool]:
    """The addresses of the swarm's nodes, and whether the host of this name votes among them.

    Where nobody can say: the addresses that the rules let in already, at whatever port.
    """
    swarm = view(settings, observed)
    if swarm is not None:
        return members(swarm.nodes or ()), votes(settings, observed, swarm, name)
    if in_no_swarm(observed):
        return (), False
    sources = (rule.condition("-s") for rule in host.rules(PEERS) if rule.target == "ACCEPT")
    peers = tuple(source.removesuffix("/32") for source in sources if source)
    return peers, management_port_open(host)


def is_voting(settings: Settings, name: str, observed: Observed) -> bool:
    """Whether the host of this name is among the swarm's managers, as far as anybody can say."""
    swarm = view(settings, observed)
    return swarm is not None and votes(settings, observed, swarm, name)


def in_no_swarm(observed: Observed) -> bool:
    """Whether every host has answered, and none is in a swarm."""
    return not any(found is None or found.in_swarm for found in observed.values())


def management_port_open(host: Host) -> bool:
    """Whether the cluster's addresses reach the host's management port now."""
    return any(
        rule.condition("--dport") == str(MANAGEMENT_PORT) and rule.target == PEERS
        for rule in host.rules(INPUT)
    )
