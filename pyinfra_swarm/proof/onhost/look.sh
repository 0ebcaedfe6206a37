#!/bin/bash
# The counters once more, after all packets were sent; then names of services. Uses counters.sh.
#
# Reads the lines for lookups.sh, whose text is in “lookups”.

: "${lookups?}"

names=$(cat)
look end
section names
cut -d ' ' -f 1 <<< "$names" | sort -u | while read -r sandbox; do
  [ -n "$sandbox" ] || continue
  grep "^$sandbox " <<< "$names" |
    nsenter --net="/run/docker/netns/$sandbox" bash -c "$lookups"
done
exit 0
