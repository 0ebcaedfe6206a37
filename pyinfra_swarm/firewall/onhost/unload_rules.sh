#!/bin/sh
# `firewall unload`: takes the rules of one family out of the kernel.
#
# Variables and functions are those of firewall.sh and its other parts.
# shellcheck disable=SC2086,SC2154 # chains: one line

unload_family() { # ipv4|ipv6: leave the tables as if the rules had never been there
    speaks "$1" || return 0
    t=$(command_of "$1")
    command -v "$t" >/dev/null || return 0
    for pair in INPUT:SWARM-INPUT DOCKER-USER:SWARM-FORWARD OUTPUT:SWARM-OUTPUT; do
        while "$t" -w 20 -D "${pair%:*}" -j "${pair#*:}" 2>/dev/null; do :; done
    done
    for chain in $chains; do "$t" -w 20 -F "$chain" 2>/dev/null; done
    for chain in $chains; do "$t" -w 20 -X "$chain" 2>/dev/null; done
    # Where Docker keeps no rules in this family, DOCKER-USER was made by `load`.
    if has "$t" DOCKER-USER && ! has "$t" DOCKER && ! "$t" -w 20 -S DOCKER-USER | grep -q ^-A; then
        while "$t" -w 20 -D FORWARD -j DOCKER-USER 2>/dev/null; do :; done
        "$t" -w 20 -X DOCKER-USER
    fi
    # Without an answer they may still be there, unless there is no table that they could be in.
    now=$("$t" -w 20 -S) || {
        why=$?
        [ $why != 3 ] || ! no_table "$1" || return 0
        say "$1: \`$t -S\` failed, so it is unknown whether the rules are out" >&2
        return $why
    }
    ! printf '%s\n' "$now" | grep -qxE -e "-N ($(echo $chains | tr ' ' '|'))" || {
        say "$1: the rules could not be taken out" >&2
        return 1
    }
}
