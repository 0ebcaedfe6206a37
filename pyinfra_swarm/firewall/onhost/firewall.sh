#!/bin/sh
# pyinfra-swarm: the firewall of this host.
# usage: firewall load                          put the rules into the kernel
#        firewall refresh [--accept-shrink]     fetch the ranges that may reach the web ports
#        firewall look                          find out which interfaces are Docker's bridges
#        firewall watch                         the same, whenever one comes or goes
#        firewall unload                        take our rules out of the kernel
set -u
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
root=${FIREWALL_ROOT-}
rules=$root/etc/pyinfra-swarm/firewall
lists=$root/var/lib/pyinfra-swarm/web-ranges
interfaces=$root/var/lib/pyinfra-swarm/interfaces
lock=$root/run/pyinfra-swarm-firewall.lock
looking=$root/run/pyinfra-swarm-interfaces.lock # a refresh holds the other one for minutes

ours='SWARM-INPUT SWARM-BRIDGES SWARM-FORWARD SWARM-CONTAINERS SWARM-OUTPUT SWARM-PEERS
SWARM-PUBLISHED SWARM-WEB'
say() { echo "pyinfra-swarm: $*"; }

has() { $1 -w 20 -n -L "$2" >/dev/null 2>&1; } # a chain of the filter table

# ip6tables on a host without IPv6 has nothing to protect.
speaks() { [ "$1" = ipv4 ] || [ -e /proc/net/if_inet6 ]; }
command_of() { case $1 in ipv4) echo iptables ;; ipv6) echo ip6tables ;; esac; }

web() { # FILE: the rules of SWARM-WEB; without a list the door is closed
    tr -d '\r' < "$1" | awk 'NF { print "-A SWARM-WEB -s " $1 " -j RETURN" }'
    echo "-A SWARM-WEB -j DROP"
}

replace() { # ipv4|ipv6 CHAINS [--test]: these chains, from standard input, at once or not at all
    {
        echo '*filter'
        for chain in $2; do echo ":$chain - [0:0]"; done
        cat
        echo COMMIT
    } | $(command_of "$1")-restore -w 20 --noflush ${3-}
}

# --- load -------------------------------------------------------------------------------------

jumps() { # what `iptables -S` says: lines that put each of our jumps first, and there once
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

compose() { # ipv4|ipv6: one atomic change of the filter table
    t=$(command_of "$1")
    while IFS= read -r line; do
        case $line in
        '# web ranges')
            list=$lists/$1
            wrong=$(valid "$1" "$list" 2>&1) || {
                say "$1: $list is no list of networks ($wrong): the web ports are closed" >&2
                list=/dev/null
            }
            web "$list" ;;
        '# interfaces') inside "$interfaces/list" ;;
        COMMIT)
            # Without an answer nothing is known of DOCKER-USER, and naming it would empty it.
            now=$($t -w 20 -S) || { say "$1: iptables does not say what is there" >&2; return 1; }
            printf '%s\n' "$now" | jumps
            echo COMMIT ;;
        *) printf '%s\n' "$line" ;;
        esac
    done < "$rules.$1"
}

load() { # ipv4|ipv6
    speaks "$1" || { say "$1: this host does not speak it"; return 0; }
    t=$(command_of "$1")
    text=$(compose "$1") && [ -n "$text" ] || { say "$1: no rules in $rules.$1" >&2; return 1; }
    printf '%s\n' "$text" | $t-restore -w 20 --noflush || {
        say "$1: the rules were not loaded" >&2
        return 1
    }
}

# --- interfaces -------------------------------------------------------------------------------

inside() { # FILE: the rules of SWARM-BRIDGES and SWARM-CONTAINERS
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

runs() { # the engine; whoever connects to its socket while it does not would start it
    pid=
    read -r pid < /run/docker.pid # which has no end of line
    [ -n "$pid" ] && [ -d "/proc/$pid" ]
} 2>/dev/null

engine() { timeout 25 docker -H unix:///run/docker.sock "$@" 2>/dev/null; }

of_docker() { # "answered", then "docker NAME" for each bridge; nothing where the engine is silent
    runs && ids=$(engine network ls --quiet --no-trunc --filter driver=bridge) || return 0
    name='json (index .Options "com.docker.network.bridge.name")'
    # One that was removed in between fails all; an event will tell of it.
    [ -z "$ids" ] || said=$(engine network inspect --format "{{.ID}} {{$name}}" $ids) || return 0
    echo answered
    [ -z "$ids" ] || printf '%s\n' "$said" | awk '
        NF == 2 {
            gsub(/"/, "", $2)
            print "docker", $2 == "" ? "br-" substr($1, 1, 12) : $2
        }'
}

of_kernel() { # "bridge NAME", "shared NAME" for one with a port that is no veth, "other NAME"
    # Which veth is a container's, of which none is told, shows in its name or its bridge.
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

judge() { # SETTLED: the new list, from of_kernel, of_docker, and "was WORD NAME" of the old list
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

look() { # bring the list and the rules up to date
    mkdir -p "$interfaces" || return 1
    tries=0 settled=
    while :; do
        seen=$(of_kernel)
        [ -n "$seen" ] || { say "ip does not say which interfaces there are" >&2; return 1; }
        answer=$(of_docker)
        new=$({
            printf '%s\n' "$seen" "$answer"
            sed 's/^/was /' "$interfaces/list" 2>/dev/null
        } | judge "$([ $tries -lt 10 ] || echo $settled)")
        unknown=$(printf '%s\n' "$new" | sed -n 's/^unknown //p')
        found=$(printf '%s\n' "$new" | grep -v '^unknown ')
        if [ "$found" != "$(cat "$interfaces/list" 2>/dev/null)" ] || [ -n "$anew" ]; then
            put "$found" || return 1
        fi
        anew=
        [ $tries -gt 0 ] || settled=$unknown
        [ -n "$unknown" ] && [ -n "$answer" ] && [ $tries -lt 10 ] || return 0
        tries=$((tries + 1))
        sleep 0.3
    done
}

put() { # LIST: into both families' rules, then onto the disk
    printf '%s\n' "$1" > "$interfaces/list.new" || return 1
    for family in ipv4 ipv6; do
        speaks $family && has "$(command_of $family)" SWARM-BRIDGES || continue
        inside "$interfaces/list.new" | replace $family 'SWARM-BRIDGES SWARM-CONTAINERS' || {
            say "$family: the rules for Docker's bridges were not loaded" >&2
            return 1
        }
    done
    mv -f "$interfaces/list.new" "$interfaces/list" || return 1
    say "interfaces:" $(printf '%s\n' "$1" | tr ' ' =)
}

alone() { flock -w 60 8 && look && flock -u 8; }

events() { # of networks; whoever looks at the line that comes first misses nothing after it
    since=$(date +%s)
    echo
    curl -q -sN --max-time 300 --unix-socket /run/docker.sock -G http://localhost/events \
        --data-urlencode 'filters={"type":["network"],"event":["create","destroy"]}' \
        --data-urlencode "since=$since"
}

watch() {
    anew=yes # whatever somebody has done to the rules
    alone || return 1
    {
        while :; do
            if runs; then events; fi
            sleep 2
        done &
        ip -o monitor link
        echo gone
    } | while read -r line; do
        case $line in
        '' | '{'*) ;;
        gone) exit 1 ;;
        *veth*) continue ;; # a container's
        *) [ "$(of_kernel)" != "$seen" ] || continue ;;
        esac
        alone || exit 1
    done
}

# --- unload -----------------------------------------------------------------------------------

unload() { # ipv4|ipv6: leave the tables as if we had never been there
    t=$(command_of "$1")
    for pair in INPUT:SWARM-INPUT DOCKER-USER:SWARM-FORWARD OUTPUT:SWARM-OUTPUT; do
        while $t -w 20 -D "${pair%:*}" -j "${pair#*:}" 2>/dev/null; do :; done
    done
    for chain in $ours; do $t -w 20 -F "$chain" 2>/dev/null; done
    for chain in $ours; do $t -w 20 -X "$chain" 2>/dev/null; done
    # Where Docker keeps no rules in this family, its user chain was ours.
    if has $t DOCKER-USER && ! has $t DOCKER && ! $t -w 20 -S DOCKER-USER | grep -q ^-A; then
        while $t -w 20 -D FORWARD -j DOCKER-USER 2>/dev/null; do :; done
        $t -w 20 -X DOCKER-USER
    fi
    ! has $t SWARM-INPUT
}

# --- refresh ----------------------------------------------------------------------------------

valid() { # ipv4|ipv6 FILE: says what is wrong, if anything
    awk -v family="$1" '
        function bad(why) { print "line " NR ": " why; wrong = 1; exit 1 }
        { sub(/\r$/, "") }
        /^[ \t]*$/ { next }
        NR > 2000 { bad("too many lines") }
        family == "ipv4" {
            if ($0 !~ /^[0-9]+[.][0-9]+[.][0-9]+[.][0-9]+[/][0-9]+$/) bad("not an IPv4 network")
            split($0, p, /[.\/]/)
            for (i = 1; i <= 5; i++) # iptables takes 012 for 10
                if (p[i] > 255 || p[i] ~ /^0./) bad("not an IPv4 network")
            if (p[5] < 8 || p[5] > 32) bad("a network of an unlikely size")
            if (p[1] == 0 || p[1] == 10 || p[1] == 127 || p[1] > 223 ||
                (p[1] == 100 && p[2] > 63 && p[2] < 128) || (p[1] == 169 && p[2] == 254) ||
                (p[1] == 172 && p[2] > 15 && p[2] < 32) || (p[1] == 192 && p[2] == 168))
                bad("not a network of the internet")
        }
        family == "ipv6" {
            if ($0 !~ /^[0-9a-fA-F:]+[/][0-9]+$/) bad("not an IPv6 network")
            split($0, p, "/")
            if (p[2] ~ /^0./) bad("not an IPv6 network") # iptables takes 032 for 26
            if (p[2] < 16 || p[2] > 128) bad("a network of an unlikely size")
            if ($0 !~ /^[23][0-9a-fA-F][0-9a-fA-F][0-9a-fA-F]:/)
                bad("not a network of the internet")
            n = split(p[1], group, ":")
            empty = 0
            for (i = 1; i <= n; i++) {
                if (length(group[i]) > 4) bad("not an IPv6 network")
                empty += group[i] == ""
            }
            if (p[1] ~ /::$/ ? empty != 2 || n > 9 : group[n] == "" || empty > 1 || n > 8 ||
                (!empty && n < 8)) bad("not an IPv6 network")
        }
        { lines++; covered += 2 ^ ((family == "ipv4" ? 32 : 128) - p[family == "ipv4" ? 5 : 2]) }
        END {
            if (wrong) exit 1
            if (!lines) { print "it is empty"; exit 1 }
            shipped = family == "ipv4" ? @COVERED4@ : @COVERED6@
            if (covered > 16 * shipped) {
                printf "it covers %.0f times as many addresses as the list in this version;" \
                    " at most 16 times is accepted\n", covered / shipped
                exit 1
            }
        }' "$2"
}

count() { grep -c . "$1" 2>/dev/null || :; }

fetch() { # ipv4|ipv6 URL: says ok, `failed: why`, or `refused: why` where a list came
    new=$lists/$1.new
    said=$(curl -q -sS --fail -L --max-redirs 3 --proto '=https' --proto-redir '=https' \
        --connect-timeout 20 --max-time 40 --retry 1 --max-filesize 100000 \
        -w '%{url_effective}' -o "$new" "$2" 2>&1) || {
        echo "failed: it could not be fetched: $(printf %s "$said" | tr '\n' ' ')"
        return 1
    }
    from=$(printf '%s
' "$said" | tail -n 1)
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
        said=$({ web "$new.clean" | replace "$1" SWARM-WEB --test &&
            web "$new.clean" | replace "$1" SWARM-WEB; } 2>&1) || {
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
        case $family in ipv4) url=@URL4@ ;; ipv6) url=@URL6@ ;; esac
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
    { date +%s && printf %s "$results"; } 2>/dev/null > "$lists/status.new" &&
        mv -f "$lists/status.new" "$lists/status" ||
        rm -f "$lists/status.new" "$lists/status"
    return $failed
}

# ----------------------------------------------------------------------------------------------

umask 077 # whoever can open a lock can hold it, and keep the rules from being loaded
shrink=
[ "${2-}" != --accept-shrink ] || shrink=yes
anew=
exec 8> "$looking"
case ${1-} in
look) alone; exit ;;
watch) watch; exit 1 ;;
esac
exec 9> "$lock"
flock -w 300 9 || { say "this script is at work already, and does not end" >&2; exit 1; }
case ${1-} in
load)
    failed=0
    flock -w 60 8 || { say "this script is at work already, and does not end" >&2; exit 1; }
    for family in ipv4 ipv6; do load $family || failed=1; done
    exit $failed ;;
refresh) refresh ;;
unload)
    failed=0
    for family in ipv4 ipv6; do ! speaks $family || unload $family || failed=1; done
    exit $failed ;;
*)
    echo "usage: firewall load | refresh [--accept-shrink] | look | watch | unload" >&2
    exit 2 ;;
esac
