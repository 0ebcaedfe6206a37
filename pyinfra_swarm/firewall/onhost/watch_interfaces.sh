#!/bin/sh
# `firewall look` and `firewall watch`: which interfaces are Docker's bridges, and their rules.
#
# Variables and functions are those of firewall.sh and its other parts.
# shellcheck disable=SC2154

interface_rules() { # FILE: the rules of SWARM-BRIDGES and SWARM-CONTAINERS
    [ -r "$1" ] || set -- /dev/null
    { printf 'docker docker0\ndocker docker_gwbridge\n' && cat "$1"; } | awk '
        $1 == "docker" && !known[$2]++ { all[++k] = $2 }
        $1 == "outside" { outside[++m] = $2 }
        $1 == "shared" { shared[$2] }
        END {
            for (i = 1; i <= k; i++) if (!(all[i] in shared)) docker[++n] = all[i]
            for (i = 1; i <= n; i++) print "-A SWARM-BRIDGES -i " docker[i] " -j ACCEPT"
            for (i = 1; i <= n; i++) print "-A SWARM-CONTAINERS -i " docker[i] " -j RETURN"
            for (i = 1; i <= m; i++) print "-A SWARM-CONTAINERS -o " outside[i] " -j RETURN"
            print "-A SWARM-CONTAINERS -m conntrack --ctstate DNAT -g SWARM-PUBLISHED"
            for (i = 1; i <= n; i++) print "-A SWARM-CONTAINERS -o " docker[i] " -j DROP"
            print "-A SWARM-CONTAINERS -i br-+ -o br-+ -j RETURN"
            print "-A SWARM-CONTAINERS -o br-+ -j DROP"
        }'
}

engine_runs() { # asked first: a connection to its socket would start it
    pid=
    read -r pid < /run/docker.pid # which has no end of line
    [ -n "$pid" ] && [ -d "/proc/$pid" ]
} 2>/dev/null

engine() { timeout 25 docker -H unix:///run/docker.sock "$@" 2>/dev/null; }

# Prints "answered", then "docker NAME" for each bridge; nothing where the engine is silent.
bridges_of_docker() {
    engine_runs && ids=$(engine network ls --quiet --no-trunc --filter driver=bridge) || return 0
    name='json (index .Options "com.docker.network.bridge.name")'
    # One that was removed in between fails all; an event follows.
    # shellcheck disable=SC2086 # a word for each id
    [ -z "$ids" ] || said=$(engine network inspect --format "{{.ID}} {{$name}}" $ids) || return 0
    echo answered
    [ -z "$ids" ] || printf '%s\n' "$said" | awk '
        NF == 2 {
            gsub(/"/, "", $2)
            print "docker", $2 == "" ? "br-" substr($1, 1, 12) : $2
        }'
}

# Prints "bridge NAME", "shared NAME" for a bridge with a port that is no veth, "other NAME".
interfaces_of_kernel() {
    # The veths of containers, which are left out, show by their name or their bridge.
    {
        ip -o link show type bridge | sed 's/^/bridge /'
        ip -o link show type veth | sed 's/^/veth /'
        ip -o link show | sed 's/^/link /'
    } | awk '
        { name = $3; sub(/:$/, "", name); sub(/@.*/, "", name) }
        $1 == "bridge" { bridge[name]; print "bridge", name }
        $1 == "veth" { veth[name] }
        $1 == "link" {
            master = ""
            for (i = 4; i < NF; i++) if ($i == "master") master = $(i + 1)
            if (name in veth && (master || name ~ /^veth/)) next
            if (master) print "shared", master
            if (!(name in bridge) && name != "lo") print "other", name
        }' | sort -u
}

# new_list SETTLED: the new list, made of what the two functions above print, and of the old list
# with "was" before each line.
new_list() {
    # A bridge that Docker does not know may be one that it is about to make, and is outside only
    # once it has settled. A "+" in a name would stand for many.
    awk -v settled=" $1 " '
        $1 == "answered" { answered = 1; next }
        NF < 2 || $NF !~ /^[A-Za-z0-9_.-]+$/ { next }
        $1 == "docker" { docker[$2] }
        $1 == "bridge" { bridge[$2] }
        $1 == "other" { other[$2] }
        $1 == "shared" { shared[$2] }
        $1 == "was" && $2 == "outside" { before[$3] }
        $1 == "was" && $2 != "outside" { dockers[$3] }
        END {
            docker["docker0"]; docker["docker_gwbridge"]
            if (!answered) for (name in dockers) docker[name]
            for (name in docker) print name in shared ? "shared" : "docker", name
            for (name in other) if (!(name in docker)) print "outside", name
            for (name in bridge) if (!(name in docker)) {
                known = name in before || (answered && index(settled, " " name " "))
                print known ? "outside" : "unknown", name
            }
        }' | sort
}

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
