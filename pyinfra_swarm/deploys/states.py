"""Deploys that describe a state: where hosts are as declared, they change nothing.

A drift check takes these. A part of the site is named after the deploy that fixes it.
"""

from __future__ import annotations

from typing import Any

from pyinfra_swarm.access import operations as access_operations
from pyinfra_swarm.deploys.deploy import deploy
from pyinfra_swarm.docker import operations as docker_operations
from pyinfra_swarm.doors import operations as doors_operations
from pyinfra_swarm.exposure import operations as exposure_operations
from pyinfra_swarm.firewall import operations as firewall_operations
from pyinfra_swarm.floating_address import operations as floating_address_operations
from pyinfra_swarm.keys import autolock_operations, certificates_operations
from pyinfra_swarm.preflight import operations as preflight_operations
from pyinfra_swarm.secrets import operations as secrets_operations
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.ssh import operations as ssh_operations
from pyinfra_swarm.stacks import operations as stacks_operations
from pyinfra_swarm.swarm import (
    init_operations,
    join_operations,
    labels_operations,
    networks_operations,
    roles_operations,
)
from pyinfra_swarm.updates import operations as updates_operations
from pyinfra_swarm.vpn import operations as vpn_operations

__all__ = [
    "access",
    "docker",
    "doors",
    "exposure",
    "firewall",
    "preflight",
    "secrets",
    "site",
    "ssh",
    "stacks",
    "swarm",
    "updates",
    "vpn",
]


def site(settings: Settings | None = None, **arguments: Any) -> None:
    """The whole job, in the order in which it is safe.

    It has no title of its own: one would stand in front of every operation's name.
    """
    preflight(settings, **arguments)
    access(settings, **arguments)
    ssh(settings, **arguments)
    updates(settings, **arguments)
    docker(settings, **arguments)
    vpn(settings, **arguments)
    firewall(settings, **arguments)
    swarm(settings, **arguments)
    secrets(settings, **arguments)
    stacks(settings, **arguments)
    exposure(settings, **arguments)
    doors(settings, **arguments)


@deploy("Preflight")
def preflight(settings: Settings) -> None:
    """Whether the hosts can become an encrypted swarm; changes nothing."""
    preflight_operations.checked(settings=settings, name="every host can be part of the swarm")


@deploy("Access")
def access(settings: Settings) -> None:
    """The declared admins, their keys and their sudo."""
    access_operations.admins(settings=settings, name="the declared admins and their keys")


@deploy("SSH")
def ssh(settings: Settings) -> None:
    """SSH hardening."""
    ssh_operations.hardened(
        settings=settings, name="keys only, judged by the effective configuration"
    )


@deploy("Updates")
def updates(settings: Settings) -> None:
    """Automatic security updates, without Docker and without reboots; a synchronized clock."""
    updates_operations.unattended(
        settings=settings, name="automatic security updates, a synchronized clock"
    )


@deploy("Docker")
def docker(settings: Settings) -> None:
    """Docker from its own repository: one version everywhere, held, configured, running."""
    docker_operations.repository(settings=settings, name="its repository, the key checked first")
    docker_operations.installed(settings=settings, name="one version everywhere, held")
    docker_operations.followers(
        settings=settings, name="the daemon as declared, managers but the leader", _serial=True
    )
    docker_operations.daemon(
        settings=settings, name="the daemon as declared, one host at a time", _serial=True
    )


@deploy("VPN")
def vpn(settings: Settings) -> None:
    """Admin access by VPN: before the firewall, which may close SSH to all but the VPN."""
    vpn_operations.as_declared(settings=settings, name="WireGuard as declared, others named")


@deploy("Firewall")
def firewall(settings: Settings) -> None:
    """The firewall: after Docker, whose chains it filters, and before the swarm."""
    firewall_operations.applied(
        settings=settings, name="default deny, the web ports for declared sources"
    )
    firewall_operations.web_ranges(settings=settings, name="the web ranges no older than declared")


@deploy("Swarm")
def swarm(settings: Settings) -> None:
    """The swarm: encrypted before anybody joins, with roles and labels as declared."""
    init_operations.initialised(settings=settings, name="find it, or initialise it")
    networks_operations.ingress_encrypted(settings=settings, name="the ingress network encrypted")
    join_operations.joined(settings=settings, name="all hosts in it", _timeout=300)
    roles_operations.promoted(
        settings=settings, name="managers promoted, one at a time", _serial=True, _timeout=300
    )
    roles_operations.demoted(
        settings=settings, name="managers demoted, one at a time", _serial=True, _timeout=300
    )
    roles_operations.leader_demoted(
        settings=settings, name="the leader demoted, after all others", _serial=True, _timeout=300
    )
    firewall_operations.management_port_closed(
        settings=settings, name="the managers' port closed to demoted nodes"
    )
    labels_operations.labelled(settings=settings, name="labels and availability")
    networks_operations.overlays_encrypted(settings=settings, name="overlay networks encrypted")
    certificates_operations.as_declared(
        settings=settings, name="certificates as declared, and renewed"
    )
    autolock_operations.as_declared(settings=settings, name="autolock as declared, its key kept")


@deploy("Secrets and configs")
def secrets(settings: Settings) -> None:
    """Declared secrets and configs: new values rotated into the services that use them."""
    secrets_operations.as_declared(
        settings=settings, name="a version of each, and every service with the current one"
    )


@deploy("Stacks")
def stacks(settings: Settings) -> None:
    """Declared stacks: deployed as their files say, and kept so."""
    stacks_operations.removed(settings=settings, name="one that is not declared goes, if asked for")
    stacks_operations.deployed(settings=settings, name="deployed as declared, and running")


@deploy("Exposure")
def exposure(settings: Settings) -> None:
    """How the world reaches the services: one address, a tunnel or dynamic DNS; what is seen."""
    floating_address_operations.set_up(settings=settings, name="keepalived knows every host")
    floating_address_operations.held(
        settings=settings, name="one healthy host holds the floating address"
    )
    exposure_operations.stack_deployed(
        settings=settings, name="the tunnel or dynamic DNS as declared, and running"
    )
    exposure_operations.checked(settings=settings, name="the ways in are those declared")


@deploy("Doors")
def doors(settings: Settings) -> None:
    """Every way to root, and in, is declared or named; changes nothing."""
    doors_operations.named(settings=settings, name="every way to root, and in, is declared")
