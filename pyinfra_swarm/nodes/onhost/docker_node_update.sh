#!/bin/sh
# docker_node_update NODE OPTION…: for a manager; ends the script where it cannot be done.
#
# It tries for some seconds: the managers may write of a node as well, between the command's reading
# and its writing, and for a moment there may be no leader.

: "${DOCKER_HOST?}"
docker_node_update() {
  node=$1; shift
  i=0
  until said=$(docker node update "$@" "$node" 2>&1); do
    i=$((i + 1)); [ $i -lt 10 ] || { echo "$said" >&2; exit 1; }
    sleep 0.5
  done
}
