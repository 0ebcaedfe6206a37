#!/bin/sh
# pyinfra-swarm: the firewall of this host.
# usage: firewall load                          put the rules into the kernel
#        firewall refresh [--accept-shrink]     fetch the ranges that may reach the web ports
#        firewall look                          find out which interfaces are Docker's bridges
#        firewall watch                         the same, whenever one comes or goes
#        firewall unload                        take the rules out of the kernel again
# load, unload end with: 0 done; 1 it may work later; 2 as it is, it never will

# url_ipv4, url_ipv6: where the lists of ranges are.
# shipped_ipv4, shipped_ipv6: how many addresses the lists of this version hold.
# This is the head of the script: what the parts after it share. The last of them,
# firewall_commands.sh, does what the script was called for.
# shellcheck disable=SC2034,SC2154
: "${url_ipv4?}" "${url_ipv6?}" "${shipped_ipv4?}" "${shipped_ipv6?}"
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
root=${FIREWALL_ROOT-}
rules=$root/etc/pyinfra-swarm/firewall
lists=$root/var/lib/pyinfra-swarm/web-ranges
interfaces=$root/var/lib/pyinfra-swarm/interfaces
rules_lock=$root/run/pyinfra-swarm-firewall.lock
# A lock of its own: a refresh holds the other one for minutes.
interfaces_lock=$root/run/pyinfra-swarm-interfaces.lock

chains='SWARM-INPUT SWARM-BRIDGES SWARM-FORWARD SWARM-CONTAINERS SWARM-OUTPUT SWARM-PEERS
SWARM-PUBLISHED SWARM-WEB'
say() { echo "pyinfra-swarm: $*"; }

has() { $1 -w 20 -n -L "$2" >/dev/null 2>&1; } # a chain of the filter table

# ip6tables on a host without IPv6 has nothing to protect.
speaks() { [ "$1" = ipv4 ] || [ -e /proc/net/if_inet6 ]; }
command_of() { case $1 in ipv4) echo iptables ;; ipv6) echo ip6tables ;; esac; }

# iptables-legacy ends with 3 there, and also where the kernel is out of memory for a moment.
no_table() { # ipv4|ipv6: the kernel has no filter table of that back end
    case $1 in ipv4) tables=ip_tables_names ;; ipv6) tables=ip6_tables_names ;; esac
    ! grep -qx filter "/proc/net/$tables" 2>/dev/null
}

web_rules() { # FILE: the rules of SWARM-WEB; with an empty list the web ports are closed
    tr -d '\r' < "$1" | awk 'NF { print "-A SWARM-WEB -s " $1 " -j RETURN" }'
    echo "-A SWARM-WEB -j DROP"
}

replace() { # ipv4|ipv6 CHAINS [--test]: these chains, from standard input, at once or not at all
    {
        echo '*filter'
        for chain in $2; do echo ":$chain - [0:0]"; done
        cat
        echo COMMIT
    } | "$(command_of "$1")-restore" -w 20 --noflush ${3:+"$3"}
}
