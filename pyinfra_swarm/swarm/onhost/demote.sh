#!/bin/sh
# On a manager: makes a node a worker, by id. Uses update_node.sh.
#
# A node that has just been promoted, or that has just lost its leader, says for a moment that it
# cannot answer: it is asked again.
: "${node?}"

i=0
until update_node "$node" worker; do
  i=$((i + 1)); [ "${code:-503}" = 503 ] && [ $i -lt 15 ] || exit 1
  sleep 1
done
