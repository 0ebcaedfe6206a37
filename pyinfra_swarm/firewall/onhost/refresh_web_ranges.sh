#!/bin/sh
# `firewall refresh`: fetches the ranges that may reach the web ports, and uses a list only if all of
# it is right.
#
# Variables and functions are those of firewall.sh and its other parts.
# shellcheck disable=SC2154

count() { grep -c . "$1" 2>/dev/null || :; }

fetch() { # ipv4|ipv6 URL: says ok, `failed: why`, or `refused: why` where a list came
    new=$lists/$1.new
    said=$(curl -q -sS --fail -L --max-redirs 3 --proto '=https' --proto-redir '=https' \
        --connect-timeout 20 --max-time 40 --retry 1 --max-filesize 100000 \
        -w '%{url_effective}' -o "$new" "$2" 2>&1) || {
        echo "failed: it could not be fetched: $(printf %s "$said" | tr '\n' ' ')"
        return 1
    }
    from=$(printf '%s\n' "$said" | tail -n 1)
    case $from in
    "${2%/*}"/*) ;;
    *) echo "refused: it comes from elsewhere: $from"; return 1 ;;
    esac
    wrong=$(valid "$1" "$new") || { echo "refused: $wrong"; return 1; }
    tr -d '\r' < "$new" | grep . > "$new.clean" || {
        echo "failed: it could not be written"
        return 1
    }
    before=$(count "$lists/$1") after=$(count "$new.clean")
    if [ $((after * 2)) -lt "${before:-0}" ] && [ -z "$shrink" ]; then
        echo "refused: it has $after networks, where there were $before;" \
            "if that is right: sh /usr/local/lib/pyinfra-swarm/firewall refresh --accept-shrink"
        return 1
    fi
    sync "$new.clean" || { echo "failed: it could not be written"; return 1; }
    if speaks "$1" && has "$(command_of "$1")" SWARM-INPUT; then
        said=$({ web_rules "$new.clean" | replace "$1" SWARM-WEB --test &&
            web_rules "$new.clean" | replace "$1" SWARM-WEB; } 2>&1) || {
            echo "refused: iptables does not take it: $said"
            return 1
        }
    fi
    mv -f "$new.clean" "$lists/$1" || { echo "failed: it could not be written"; return 1; }
    echo ok
}

refresh() {
    mkdir -p "$lists" || return 1
    grep -qsx '# web ranges' "$rules.ipv4" || {
        say "the web ports are not open to Cloudflare here: there is nothing to refresh" >&2
        return 1
    }
    failed=0 results=
    for family in ipv4 ipv6; do
        case $family in ipv4) url=$url_ipv4 ;; ipv6) url=$url_ipv6 ;; esac
        result=$(fetch $family "$url") || failed=1
        rm -f "$lists/$family.new" "$lists/$family.new.clean"
        if [ "$result" = ok ]; then
            say "web ranges, $family: $(count "$lists/$family") networks from $url"
        else
            result=${result:-failed: it could not be fetched}
            say "web ranges, $family: the list from $url is not used; $result." \
                "What was in force stays in force" >&2
        fi
        results="$results$family: $result
"
    done
    # A result that cannot be written down must not look like the one before it.
    if ! { { date +%s && printf %s "$results"; } 2>/dev/null > "$lists/status.new" &&
        mv -f "$lists/status.new" "$lists/status"; }; then
        rm -f "$lists/status.new" "$lists/status"
    fi
    return $failed
}
