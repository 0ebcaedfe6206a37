#!/bin/sh
# Function `valid FAMILY FILE`: judges a list of networks that may reach the web ports.
#
# shipped_ipv4, shipped_ipv6: how many addresses the lists of this version hold.
# shellcheck disable=SC2154
: "${shipped_ipv4?}" "${shipped_ipv6?}"

valid() { # ipv4|ipv6 FILE: says what is wrong, if anything
    case $1 in ipv4) shipped=$shipped_ipv4 ;; ipv6) shipped=$shipped_ipv6 ;; esac
    awk -v family="$1" -v shipped="$shipped" '
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
            if (covered > 16 * shipped) {
                printf "it covers %.0f times as many addresses as the list in this version;" \
                    " at most 16 times is accepted\n", covered / shipped
                exit 1
            }
        }' "$2"
}
