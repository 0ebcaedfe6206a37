#!/bin/sh
# Ends where this engine is no longer the node that is meant: it may have joined another swarm while
# the owner was asked. Looked at on the host, right before what cannot be taken back.
: "${node?}" "${DOCKER_HOST?}"

found=$(docker info --format '{{.Swarm.NodeID}}')
[ "$found" = "$node" ] || {
  echo "this engine is no longer node $node, so nothing was done. Run the same command again" >&2
  exit 1
}
