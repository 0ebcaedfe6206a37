#!/bin/sh
# `firewall look` and `firewall watch`: the list of Docker's bridges, and their rules, kept current.
#
# Variables and functions are those of firewall.sh and its other parts.
# shellcheck disable=SC2154

look() { # brings the list and the rules up to date
    mkdir -p "$interfaces" || return 1
    tries=0 settled=
    while :; do
        seen=$(interfaces_of_kernel)
        [ -n "$seen" ] || { say "ip does not say which interfaces there are" >&2; return 1; }
        answer=$(bridges_of_docker)
        # shellcheck disable=SC2086 # names in one line
        new=$({
            printf '%s\n' "$seen" "$answer"
            sed 's/^/was /' "$interfaces/list" 2>/dev/null
        } | new_list "$([ $tries -lt 10 ] || echo $settled)")
        unknown=$(printf '%s\n' "$new" | sed -n 's/^unknown //p')
        found=$(printf '%s\n' "$new" | grep -v '^unknown ')
        if [ "$found" != "$(cat "$interfaces/list" 2>/dev/null)" ] || [ -n "$rewrite" ]; then
            apply_list "$found" || return 1
        fi
        rewrite=
        [ $tries -gt 0 ] || settled=$unknown
        [ -n "$unknown" ] && [ -n "$answer" ] && [ $tries -lt 10 ] || return 0
        tries=$((tries + 1))
        sleep 0.3
    done
}

apply_list() { # LIST: into both families' rules, then onto the disk
    printf '%s\n' "$1" > "$interfaces/list.new" || return 1
    for family in ipv4 ipv6; do
        if speaks $family && has "$(command_of $family)" SWARM-BRIDGES; then
            interface_rules "$interfaces/list.new" |
                replace $family 'SWARM-BRIDGES SWARM-CONTAINERS' || {
                say "$family: the rules for Docker's bridges were not loaded" >&2
                return 1
            }
        fi
    done
    mv -f "$interfaces/list.new" "$interfaces/list" || return 1
    # shellcheck disable=SC2046 # in one line
    say "interfaces:" $(printf '%s\n' "$1" | tr ' ' =)
}

look_alone() { flock -w 60 8 && look && flock -u 8; }

events() { # of networks; a look at the first line, which is empty, misses nothing after it
    since=$(date +%s)
    echo
    curl -q -sN --max-time 300 --unix-socket /run/docker.sock -G http://localhost/events \
        --data-urlencode 'filters={"type":["network"],"event":["create","destroy"]}' \
        --data-urlencode "since=$since"
}

watch() {
    rewrite=yes # whatever somebody has done to the rules
    look_alone || return 1
    {
        while :; do
            if engine_runs; then events; fi
            sleep 2
        done &
        ip -o monitor link
        echo gone
    } | while read -r line; do
        case $line in
        '' | '{'*) ;;
        gone) exit 1 ;;
        *veth*) continue ;; # a container's
        *) [ "$(interfaces_of_kernel)" != "$seen" ] || continue ;;
        esac
        look_alone || exit 1
    done
}
