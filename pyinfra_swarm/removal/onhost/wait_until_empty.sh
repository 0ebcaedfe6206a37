#!/bin/sh
# On a manager: waits until no task of the swarm runs on a drained node. Uses within().

: "${node?}" "${seconds?}" "${DOCKER_HOST?}"

running() {
  said=$(docker node ps --format '{{.CurrentState}}|{{.Name}}' "$node" 2>&1) ||
    { echo "what the managers do not say ($said)"; return; }
  printf '%s\n' "$said" |
    grep -E '^(New|Pending|Assigned|Accepted|Preparing|Ready|Starting|Running)' | cut -d '|' -f 2
}
empty() { left=$(running | tr '\n' ' '); [ -z "$left" ]; }
within "$seconds" empty || {
  echo "tasks that have not ended after $seconds s: ${left% }. The node is drained and otherwise" \
    "unchanged. Look at their stop_grace_period, end them, and run again" >&2
  exit 1
}
