#!/bin/sh
# Prints the host's lists of web ranges, as far as they are sound, and what the last refresh said.
# Uses section, show (run/answer), valid (valid_networks.sh).
#
# lists: the folder of the lists; status: path of what the last refresh said.
# shellcheck disable=SC2015,SC2154
: "${lists?}" "${status?}"
section now; date +%s
for family in ipv4 ipv6; do
  { [ ! -f "$lists/$family" ] || valid $family "$lists/$family" >/dev/null 2>&1; } &&
    show "list $family" "$lists/$family" || section "list $family"
  section "confirmed $family"; stat -c %Y "$lists/$family" 2>/dev/null
done
show status "$status" || section status
