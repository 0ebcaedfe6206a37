#!/bin/sh
# Waits until this host has joined the swarm. Uses within.sh.

: "${DOCKER_HOST?}"
joined() {
  state=$(docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}' 2>&1)
  case "$state" in active*) ;; *) return 1 ;; esac
}
within 90 joined || {
  echo "not joined after 90 s: $state. This host has to reach the managers at port 2377 (tcp);" \
    "if it does, 'systemctl restart docker' ends this attempt; then run again" >&2
  exit 1
}
