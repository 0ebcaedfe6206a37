#!/bin/sh
# `firewall load`: puts the rules of one family into the kernel, all at once.
#
# Variables and functions are those of firewall.sh and its other parts.
# shellcheck disable=SC2154

jumps() { # what `iptables -S` says: lines that put each managed jump first, and only once
    awk '
        /^-N DOCKER-USER$/ { made = 1 }
        /^-A FORWARD -j DOCKER-USER$/ { led = 1 }
        /^-A (INPUT -j SWARM-INPUT|DOCKER-USER -j SWARM-FORWARD|OUTPUT -j SWARM-OUTPUT)$/ {
            sub(/^-A/, "-D")
            print
        }
        END {
            if (!made) print ":DOCKER-USER - [0:0]"
            if (!led) print "-I FORWARD 1 -j DOCKER-USER"
            print "-I INPUT 1 -j SWARM-INPUT"
            print "-I DOCKER-USER 1 -j SWARM-FORWARD"
            print "-I OUTPUT 1 -j SWARM-OUTPUT"
        }'
}

rules_of() { # ipv4|ipv6: the rules as one atomic change of the filter table
    t=$(command_of "$1")
    while IFS= read -r line; do
        case $line in
        '# web ranges')
            list=$lists/$1
            wrong=$(valid "$1" "$list" 2>&1) || {
                say "$1: $list is no list of networks ($wrong): the web ports are closed" >&2
                list=/dev/null
            }
            web_rules "$list" ;;
        '# interfaces') interface_rules "$interfaces/list" ;;
        COMMIT)
            # Without an answer nothing is known of DOCKER-USER, and naming it would empty it.
            now=$("$t" -w 20 -S) || {
                why=$?
                say "$1: \`$t -S\` failed, so no rules were loaded" >&2
                return $why
            }
            printf '%s\n' "$now" | jumps
            echo COMMIT ;;
        *) printf '%s\n' "$line" ;;
        esac
    done < "$rules.$1"
}

load_family() { # ipv4|ipv6; where it fails, with the code of iptables
    speaks "$1" || { say "$1: this host does not speak it"; return 0; }
    t=$(command_of "$1")
    text=
    if [ -s "$rules.$1" ]; then text=$(rules_of "$1") || return; fi
    [ -n "$text" ] || {
        say "$1: $rules.$1 is missing or empty, so no rules were loaded" >&2
        return 2
    }
    printf '%s\n' "$text" | "$t-restore" -w 20 --noflush || {
        why=$?
        say "$1: the rules were not loaded" >&2
        return $why
    }
}
