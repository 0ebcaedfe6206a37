#!/bin/sh
# Which interfaces are Docker's bridges, and the rules that follow from it.
#
# dockers_own: the bridges whose names never change. bridge_prefix, bridge_digits: how Docker calls
# another one, and how much of the network's id it takes. rules_by_interface: lines of "docker",
# "outside" or "any" and a rule, in which % is an interface's name.
# Other variables, and functions, are those of firewall.sh and its other parts.
# shellcheck disable=SC2086,SC2154

: "${dockers_own?}" "${bridge_prefix?}" "${bridge_digits?}" "${rules_by_interface?}"

interface_rules() { # FILE: the rules of SWARM-BRIDGES and SWARM-CONTAINERS
    [ -r "$1" ] || set -- /dev/null
    {
        printf '%s\n' "$rules_by_interface" | sed 's/^/rule /'
        printf 'docker %s\n' $dockers_own
        cat "$1"
    } | awk '
        $1 == "rule" && !k { of[++r] = $2; sub(/^rule [a-z]+ /, ""); rule[r] = $0; next }
        $1 == "docker" && !known[$2]++ { all[++k] = $2 }
        $1 == "outside" { outside[++m] = $2 }
        $1 == "shared" { shared[$2] }
        function put(text, name) { sub(/%/, name, text); print text }
        END {
            for (i = 1; i <= k; i++) if (!(all[i] in shared)) docker[++n] = all[i]
            for (j = 1; j <= r; j++) {
                if (of[j] == "any") print rule[j]
                if (of[j] == "docker") for (i = 1; i <= n; i++) put(rule[j], docker[i])
                if (of[j] == "outside") for (i = 1; i <= m; i++) put(rule[j], outside[i])
            }
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
    [ -z "$ids" ] || printf '%s\n' "$said" |
        awk -v prefix="$bridge_prefix" -v digits="$bridge_digits" '
        NF == 2 {
            gsub(/"/, "", $2)
            print "docker", $2 == "" ? prefix substr($1, 1, digits) : $2
        }'
}

# Prints "bridge NAME", "shared NAME" for a bridge with a port that is no veth, "other NAME".
interfaces_of_kernel() {
    # The veths of containers, which are left out, show by their name or their bridge. All is asked
    # at once: containers come and go, and one that came between two answers would be no veth.
    ip -d -o link show | awk '
        {
            name = $2; sub(/:$/, "", name); sub(/@.*/, "", name)
            veth = /\\ +veth( |$)/; bridge = /\\ +bridge( |$)/; master = ""
            for (i = 3; i < NF; i++) if ($i == "master") master = $(i + 1)
            if (bridge) print "bridge", name
            if (veth && (master || name ~ /^veth/)) next
            if (master) print "shared", master
            if (!bridge && name != "lo") print "other", name
        }' | sort -u
}

# new_list SETTLED: the new list, made of what the two functions above print, and of the old list
# with "was" before each line.
new_list() {
    # A bridge that Docker does not know may be one that it is about to make, and is outside only
    # once it has settled. A "+" in a name would stand for many.
    awk -v settled=" $1 " -v always="$dockers_own" '
        $1 == "answered" { answered = 1; next }
        NF < 2 || $NF !~ /^[A-Za-z0-9_.-]+$/ { next }
        $1 == "docker" { docker[$2] }
        $1 == "bridge" { bridge[$2] }
        $1 == "other" { other[$2] }
        $1 == "shared" { shared[$2] }
        $1 == "was" && $2 == "outside" { before[$3] }
        $1 == "was" && $2 != "outside" { dockers[$3] }
        END {
            n = split(always, own, " ")
            for (i = 1; i <= n; i++) docker[own[i]]
            if (!answered) for (name in dockers) docker[name]
            for (name in docker) print name in shared ? "shared" : "docker", name
            for (name in other) if (!(name in docker)) print "outside", name
            for (name in bridge) if (!(name in docker)) {
                known = name in before || (answered && index(settled, " " name " "))
                print known ? "outside" : "unknown", name
            }
        }' | sort
}
