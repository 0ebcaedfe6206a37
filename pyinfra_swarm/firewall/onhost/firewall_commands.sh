#!/bin/sh
# What the script is called with, and who waits for whom.
#
# Variables and functions are those of firewall.sh and its other parts.
# shellcheck disable=SC2034,SC2154

umask 077 # a user who can open a lock can hold it, and keep the rules from being loaded
shrink=
[ "${2-}" != --accept-shrink ] || shrink=yes
rewrite=

in_both() { # COMMAND: for each family; one that is to be tried again is enough for that
    code=0
    for family in ipv4 ipv6; do
        "$1" $family
        case $? in 0) ;; "$NOT_NOW") code=$NOT_NOW ;; *) [ "$code" = "$NOT_NOW" ] || code=1 ;; esac
    done
    exit "$code"
}

exec 8> "$interfaces_lock"
case ${1-} in
look) look_alone; exit ;;
watch) watch; exit 1 ;;
esac
exec 9> "$rules_lock"
flock -w 300 9 || { say "another run of this script does not end" >&2; exit "$NOT_NOW"; }
case ${1-} in
load)
    flock -w 60 8 || { say "another run of this script does not end" >&2; exit "$NOT_NOW"; }
    in_both load_family ;;
refresh) refresh ;;
unload)
    in_both unload_family ;;
*)
    echo "usage: firewall load | refresh [--accept-shrink] | look | watch | unload" >&2
    exit 2 ;;
esac
