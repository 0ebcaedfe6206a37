"""What a host says of its firewall."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyinfra_swarm.firewall.docker_bridges import Interfaces
from pyinfra_swarm.firewall.iptables_rule import Rule, parse
from pyinfra_swarm.firewall.paths import WANTS
from pyinfra_swarm.firewall.placement import FilterTable
from pyinfra_swarm.firewall.policy import FAMILIES, Family
from pyinfra_swarm.firewall.rules import MANAGED
from pyinfra_swarm.firewall.web_ranges import WebRanges
from pyinfra_swarm.run.observation import Observation


@dataclass(frozen=True)
class Tables(Observation):
    """One family's filter table, in the back end that the plain command uses.

    spoken: the kernel has this family; installed: there is an iptables for it.
    chains: chain to its rules, in order; docker: Docker keeps rules in this family.
    mixed: the other back end holds rules as well.
    """

    spoken: bool = True
    installed: bool = True
    backend: str = ""
    chains: FilterTable = field(default_factory=dict)
    mixed: bool = False

    @property
    def managed(self) -> bool:
        """Any of the managed chains is there."""
        return any(name in self.chains for name in MANAGED)


@dataclass(frozen=True)
class Host(Observation):
    """What a host says of its firewall.

    tables: by family. sums: path to the SHA-256 of its content, of the managed files that exist.
    links: the managed units that systemd starts at boot. active: the units that run.
    docker: it is installed. docker_waits: it does not start without the firewall's unit.
    docker_for: seconds that it has been running; ``None`` where it does not run.
    bridges: the names of Docker's bridges; ``None`` where the engine did not say.
    interfaces: the host's own list of them. ssh_ports: where sshd listens. ssh_problem: why sshd
        does not say that, in its words; the ports are then not all of them.
    login_from: the address that this login comes from, as the host sees it; empty where unknown.
    login_by: the interface by which the host answers it, likewise.
    vpns_at_boot: the units of VPNs that systemd starts at boot: ``wg-quick@wg0.service``, …
    others: other firewalls that are active: ``ufw``, ``firewalld``, ``netfilter-persistent``,
        ``nftables``.
    unconfirmed: a change waits for its confirmation or its rollback.
    mesh_ports: the ports, with their protocols, that Docker's rules hand on to services, from every
        node; container_ports: those handed on to containers on this host.
    """

    tables: Mapping[Family, Tables]
    sums: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    docker: bool = True
    docker_waits: bool = False
    docker_for: float | None = None
    bridges: tuple[str, ...] | None = None
    interfaces: Interfaces = field(default_factory=Interfaces)
    ssh_ports: tuple[int, ...] = ()
    ssh_problem: str = ""
    login_from: str = ""
    login_by: str = ""
    vpns_at_boot: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    web: WebRanges = field(default_factory=lambda: WebRanges({}))
    unconfirmed: bool = False
    mesh_ports: frozenset[tuple[int, str]] = frozenset()
    container_ports: frozenset[tuple[int, str]] = frozenset()

    def rules(self, chain: str) -> list[Rule]:
        """The rules of a chain in IPv4, in order."""
        return [parse(text) for text in self.tables["ipv4"].chains.get(chain, ())]

    def to_json(self) -> dict[str, Any]:
        """As a person reads it: the managed rules by chain, and the rest under plain names."""
        return {
            **{family: self._shown(self.tables[family]) for family in FAMILIES},
            "web ranges": self.web.to_json(),
            "starts at boot": list(self.links),
            "active": [unit for unit in WANTS if unit in self.active],
            "docker waits for it": self.docker_waits,
            "docker has run for": None if self.docker_for is None else round(self.docker_for),
            "docker's bridges": "the engine does not say" if self.bridges is None else self.bridges,
            "interfaces": self.interfaces.to_json(),
            "sshd listens on": self._listens,
            "this login comes from": self.login_from or "unknown",
            "this login comes by": self.login_by or "unknown",
            "VPNs that start at boot": list(self.vpns_at_boot),
            "other firewalls": list(self.others),
            "waits for a confirmation": self.unconfirmed,
            "published by services": _ports(self.mesh_ports),
            "published by containers": _ports(self.container_ports),
        }

    @property
    def _listens(self) -> Any:
        return f"unknown: {self.ssh_problem}" if self.ssh_problem else list(self.ssh_ports)

    @staticmethod
    def _shown(tables: Tables) -> Any:
        if not tables.spoken:
            return "this host does not speak it"
        if not tables.installed:
            return "iptables is not installed"
        if not tables.managed:
            return "none of the managed rules"
        return {name: list(tables.chains[name]) for name in MANAGED if name in tables.chains}


def _ports(ports: Iterable[tuple[int, str]]) -> list[str]:
    return [f"{number}/{protocol}" for number, protocol in sorted(ports)]
