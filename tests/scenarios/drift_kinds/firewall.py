"""Drift of the part `firewall`."""

from __future__ import annotations

from tests.scenarios.drift_kinds.kind import Kind

KINDS = (
    Kind(
        "a rule inserted above ours",
        *("firewall", "INPUT (IPv4)", "a rule above the managed one lets packets pass"),
        "iptables -I INPUT -s 203.0.113.77 -j ACCEPT",
        undo="iptables -D INPUT -s 203.0.113.77 -j ACCEPT",
        group="firewall",
    ),
    Kind(
        "a rule deleted",
        *("firewall", "SWARM-FORWARD (IPv4)", "lacks"),
        "iptables -D SWARM-FORWARD 1",
        group="firewall",
    ),
    Kind(
        "a chain flushed",
        *("firewall", "SWARM-INPUT (IPv4)", "its rules are gone"),
        "iptables -F SWARM-INPUT",
        group="firewall",
    ),
    Kind(
        "a rule of somebody else's among ours",
        *("firewall", "SWARM-WEB (IPv4)", "not declared"),
        "iptables -I SWARM-WEB -j RETURN",
        group="firewall",
    ),
    Kind(
        "the jump gone from DOCKER-USER",
        *("firewall", "DOCKER-USER (IPv4)", "does not lead to"),
        "iptables -D DOCKER-USER -j SWARM-FORWARD",
        group="firewall",
    ),
    Kind(
        "the jump gone from OUTPUT",
        *("firewall", "OUTPUT (IPv4)", "does not lead to"),
        "iptables -D OUTPUT -j SWARM-OUTPUT",
        group="firewall",
    ),
    Kind(
        "an IPv6 rule gone",
        *("firewall", "SWARM-INPUT (IPv6)", "lacks"),
        "ip6tables -D SWARM-INPUT -j DROP",
        group="firewall",
    ),
    Kind(
        "the firewall not loaded at boot",
        *("firewall", "pyinfra-swarm-firewall.service", "is not started at boot"),
        "systemctl disable --quiet pyinfra-swarm-firewall",
        group="firewall",
    ),
    Kind(
        "ranges that nobody refreshes",
        *("firewall", "pyinfra-swarm-web-ranges.timer", "is not active"),
        "systemctl stop pyinfra-swarm-web-ranges.timer",
        group="firewall",
    ),
    Kind(
        "new bridges of Docker's that nobody sees",
        *("firewall", "pyinfra-swarm-interfaces.service", "is not active"),
        "systemctl stop pyinfra-swarm-interfaces.service",
        group="firewall",
    ),
    Kind(
        "a network that is let in as if it were Docker's",
        *("firewall", "SWARM-BRIDGES (IPv4)", "has a rule that"),
        "iptables -A SWARM-BRIDGES -i br-lan -j ACCEPT",
        group="firewall",
    ),
    Kind(
        "Tailscale's rules above Docker's",
        *("firewall", "FORWARD (IPv4)", "the whole tailnet reaches every published port"),
        "iptables -N ts-forward; iptables -A ts-forward -i tailscale0 -j ACCEPT; "
        "iptables -I FORWARD -j ts-forward",
        kind="notice",
        undo="iptables -D FORWARD -j ts-forward; iptables -F ts-forward; iptables -X ts-forward",
        group="firewall",
    ),
    Kind(
        "Tailscale's rules above ours",
        *("firewall", "INPUT (IPv4)", "Tailscale puts its rules first again"),
        "iptables -N ts-input; iptables -A ts-input -i tailscale0 -j ACCEPT; "
        "iptables -I INPUT -j ts-input",
        undo="iptables -D INPUT -j ts-input; iptables -F ts-input; iptables -X ts-input",
        group="firewall",
    ),
    Kind(
        "NetBird's rules above Docker's",
        *("firewall", "FORWARD (IPv4)", "whoever NetBird's own policies let in reaches every"),
        "iptables -N NETBIRD-RT-FWD-IN; iptables -A NETBIRD-RT-FWD-IN -j ACCEPT; "
        "iptables -I FORWARD -i wt0 -j NETBIRD-RT-FWD-IN",
        kind="notice",
        undo="iptables -D FORWARD -i wt0 -j NETBIRD-RT-FWD-IN; iptables -F NETBIRD-RT-FWD-IN; "
        "iptables -X NETBIRD-RT-FWD-IN",
        group="together",
    ),
    Kind(
        "a stale range list",
        *("firewall", "web ranges", "9 days ago"),
        "touch -d '9 days ago' /var/lib/pyinfra-swarm/web-ranges/ipv4",
        group="firewall",
    ),
    Kind(
        "a range list lost",
        *("firewall", "web ranges", "no sound list for IPv6"),
        "rm /var/lib/pyinfra-swarm/web-ranges/ipv6",
        also=("firewall/SWARM-WEB (IPv6)",),
        group="firewall",
    ),
    Kind(
        "Docker that would start without the firewall",
        *("firewall", "docker.service", "would start without the firewall"),
        "rm /etc/systemd/system/docker.service.d/pyinfra-swarm-firewall.conf; "
        "systemctl daemon-reload",
        also=("firewall//etc/systemd/system/docker.service.d/*",),
        group="firewall",
    ),
)
