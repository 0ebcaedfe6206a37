#!/bin/sh
# On a manager: promotes a node, by id, and waits until the leader reaches it as a manager.
# Uses update_node.sh and within.sh.
# shellcheck disable=SC2034
: "${node?}"

update_node "$node" manager
reachable() { node_is_reachable "$node"; }
pause=0.2
within 90 reachable || { echo "promoted, but not reachable after 90 s" >&2; exit 1; }
