#!/bin/sh
# What the script is called with, and who waits for whom.
#
# Variables and functions are those of firewall.sh and its other parts.
# shellcheck disable=SC2034,SC2154

umask 077 # a user who can open a lock can hold it, and keep the rules from being loaded
shrink=
[ "${2-}" != --accept-shrink ] || shrink=yes
rewrite=

# iptables says of nearly every failure the same, whether it passes or not: iptables-restore ends
# with 1 where the kernel is busy, and where it knows no such match. So what is left is what cannot
# pass: wrong rules (2), a program that is not there (126, 127), a kernel without the table.
passes() { # CODE ipv4|ipv6: another try may help
    case $1 in 2 | 126 | 127) return 1 ;; 3) ! no_table "$2" ;; esac
}

in_both() { # COMMAND: for each family; one that may work later is enough for that
    code=0
    for family in ipv4 ipv6; do
        "$1" $family
        ended=$?
        if [ $ended = 0 ]; then continue; fi
        if passes $ended $family; then code=1; elif [ $code = 0 ]; then code=2; fi
    done
    exit $code
}

exec 8> "$interfaces_lock"
case ${1-} in
look) look_alone; exit ;;
watch) watch; exit 1 ;;
esac
exec 9> "$rules_lock"
flock -w 300 9 || { say "another run of this script does not end" >&2; exit 1; }
case ${1-} in
load)
    flock -w 60 8 || { say "another run of this script does not end" >&2; exit 1; }
    in_both load_family ;;
refresh) refresh ;;
unload)
    in_both unload_family ;;
*)
    echo "usage: firewall load | refresh [--accept-shrink] | look | watch | unload" >&2
    exit 2 ;;
esac
