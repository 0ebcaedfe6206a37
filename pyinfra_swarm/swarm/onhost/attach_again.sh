#!/bin/sh
# On a manager: has the engine of a node that has just joined try again to attach to its networks.
#
# node: its id, by the host's own word; address: the host's. A node that the managers list elsewhere
# is left alone. Uses update_node.sh.
: "${node?}" "${address?}" "${DOCKER_HOST?}"

at=$(docker node inspect --format '{{.Status.Addr}}' -- "$node")
[ "$at" != "$address" ] || update_node "$node"
