"""What keepalived is told, and what systemd is told of it.

Sources: keepalived.conf(5) of 2.2.7 to 2.3.3; RFC 9568 for VRRP 3.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.floating_address import paths
from pyinfra_swarm.floating_address.seen import MARK
from pyinfra_swarm.networks.attachments import INGRESS
from pyinfra_swarm.run.onhost import program

ROUTER_ID = 77
"""VRRP's number for the address, for all hosts. Over unicast it need not be unique in a LAN."""

ADVERTISED_EVERY = 0.5
"""Seconds. A host that falls silent is given up after three times that and a part of it."""

_FIRST = 250
"""The first host's priority; each has one less than the one before it. 255 means something else."""


def configuration(
    *,
    name: str,
    own: str,
    peers: Sequence[str],
    place: int,
    interface: str,
    address: str,
    address6: str = "",
) -> str:
    """keepalived's configuration on one host.

    The program is named by its own path: keepalived runs nothing that a link leads to, as
    ``/bin/sh`` is one.

    own: the host's own address; peers: those of the others. place: among the hosts, from 0.
    """
    others = "".join(f"        {peer}\n" for peer in peers)
    excluded = (
        f"    virtual_ipaddress_excluded {{\n        {address6}/128 dev {interface}\n    }}\n"
        if address6
        else ""
    )
    return f"""\
{MARK}
global_defs {{
    router_id {name}
    vrrp_version 3
    vrrp_garp_master_delay 1
    vrrp_garp_master_refresh 10
    vrrp_higher_prio_send_advert true
    vrrp_priority -10
    enable_script_security
    script_user root
}}

vrrp_script healthy {{
    script "{paths.PROGRAM} healthy"
    interval 1
    timeout 3
    fall 2
    rise 2
    init_fail
}}

track_file given_up {{
    file "{paths.GIVEN_UP}"
    weight 0
}}

vrrp_instance swarm {{
    state BACKUP
    nopreempt
    interface {interface}
    virtual_router_id {ROUTER_ID}
    priority {max(_FIRST - place, 1)}
    advert_int {ADVERTISED_EVERY}
    check_unicast_src
    unicast_src_ip {own}
    unicast_peer {{
{others}    }}
    virtual_ipaddress {{
        {address}/32 dev {interface}
    }}
{excluded}    track_script {{
        healthy
    }}
    track_file {{
        given_up
    }}
    notify "{paths.PROGRAM} notify"
}}
"""


def host_program(*, address: str, address6: str = "") -> str:
    """The program on a host (:data:`floating_address.paths.PROGRAM`)."""
    text = program(
        __file__,
        "floating_address.sh",
        using=[ENGINE_STATE],
        address=address,
        address6=address6,
        tracked6=ipaddress.ip_address(address6).exploded if address6 else "",
        ingress=INGRESS,
        folder=paths.STATE,
        given_up=paths.GIVEN_UP,
        role=paths.ROLE,
        configuration=paths.CONFIGURATION,
        loaded=paths.LOADED,
        availability=paths.AVAILABILITY,
    )
    return f"#!/bin/sh\n{MARK}\n{text}"


DROP_IN = f"""\
{MARK}
# After Docker, so that it is stopped before Docker is when the host shuts down: another host has
# the address while this one still answers.
[Unit]
After=docker.service

[Service]
ExecStartPre={paths.PROGRAM} prepare
ExecStartPost={paths.PROGRAM} loaded
ExecReload={paths.PROGRAM} loaded
Restart=on-failure
RestartSec=2
"""
