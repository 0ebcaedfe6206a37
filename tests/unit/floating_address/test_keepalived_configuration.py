"""What keepalived is told, word for word: it is the only thing that it goes by."""

from __future__ import annotations

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.floating_address.keepalived import DROP_IN, configuration, host_program

WITHOUT_IPV6 = """\
# Written by pyinfra-swarm (deploys/exposure.py); changes here are overwritten.
global_defs {
    router_id rk2
    vrrp_version 3
    vrrp_garp_master_delay 1
    vrrp_garp_master_refresh 10
    vrrp_higher_prio_send_advert true
    vrrp_priority -10
    enable_script_security
    script_user root
}

vrrp_script healthy {
    script "/usr/local/lib/pyinfra-swarm/floating-address healthy"
    interval 1
    timeout 3
    fall 2
    rise 2
    init_fail
}

track_file given_up {
    file "/var/lib/pyinfra-swarm/floating-address/given-up"
    weight 0
}

vrrp_instance swarm {
    state BACKUP
    nopreempt
    interface end0
    virtual_router_id 77
    priority 249
    advert_int 0.5
    check_unicast_src
    unicast_src_ip 192.168.1.12
    unicast_peer {
        192.168.1.11
        192.168.1.13
    }
    virtual_ipaddress {
        192.168.1.10/32 dev end0
    }
    track_script {
        healthy
    }
    track_file {
        given_up
    }
    notify "/usr/local/lib/pyinfra-swarm/floating-address notify"
}
"""


def told(address6: str = "") -> str:
    return configuration(
        name="rk2",
        own="192.168.1.12",
        peers=["192.168.1.11", "192.168.1.13"],
        place=1,
        interface="end0",
        address="192.168.1.10",
        address6=address6,
    )


def test_the_second_of_three_hosts() -> None:
    assert told() == WITHOUT_IPV6


def test_an_address_of_ipv6_goes_along_with_the_other_one() -> None:
    excluded = "    virtual_ipaddress_excluded {\n        2001:db8::9/128 dev end0\n    }\n"
    whole = WITHOUT_IPV6.replace("    track_script {\n", f"{excluded}    track_script {{\n")
    assert told("2001:db8::9") == whole


def test_the_last_of_very_many_hosts_has_a_priority_still() -> None:
    def priority(place: int) -> str:
        text = configuration(
            name="x", own="a", peers=["b"], place=place, interface="end0", address="192.168.1.10"
        )
        assert "excluded" not in text
        return text.partition("    priority ")[2].partition("\n")[0]

    assert [priority(place) for place in (0, 248, 249, 250)] == ["250", "2", "1", "1"]


def test_the_program_has_what_it_asks_for() -> None:
    head = """\
#!/bin/sh
# Written by pyinfra-swarm (deploys/exposure.py); changes here are overwritten.
address=192.168.1.10
address6=2001:db8::9
tracked6=2001:0db8:0000:0000:0000:0000:0000:0009
ingress=ingress_sbox
folder=/var/lib/pyinfra-swarm/floating-address
given_up=/var/lib/pyinfra-swarm/floating-address/given-up
role=/var/lib/pyinfra-swarm/floating-address/role
configuration=/etc/keepalived/keepalived.conf
loaded=/run/pyinfra-swarm/keepalived.loaded
availability=/run/pyinfra-swarm/node-availability
"""
    both = host_program(address="192.168.1.10", address6="2001:db8::9")
    assert both.startswith(head + ENGINE_STATE)
    alone = host_program(address="192.168.1.10")
    assert "\naddress6=''\ntracked6=''\ningress=" in alone


def test_systemd_stops_it_before_docker_so_that_the_address_is_gone_before_it_is_silent() -> None:
    assert DROP_IN.endswith("""\
[Unit]
After=docker.service

[Service]
ExecStartPre=/usr/local/lib/pyinfra-swarm/floating-address prepare
ExecStartPost=/usr/local/lib/pyinfra-swarm/floating-address loaded
ExecReload=/usr/local/lib/pyinfra-swarm/floating-address loaded
Restart=on-failure
RestartSec=2
""")
