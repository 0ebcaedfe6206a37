#!/bin/sh
# Waits until this node is an active one again, and as a manager a reachable one.
# Uses the function within.
#
# role: manager or worker.
# shellcheck disable=SC2034
: "${role?}" "${DOCKER_HOST?}"
back() {
  state=$(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null) || return 1
  [ "$state" = active ] || return 1
  [ "$role" = worker ] && return
  status=$(docker node inspect self --format '{{.ManagerStatus.Reachability}}' 2>/dev/null)
  [ "$status" = reachable ]
}
pause=2
within 120 back || {
  docker info 2>&1 | tail -n 3 >&2
  echo "after 120 s this node is not back in the swarm (\`sudo journalctl -u docker\`)" >&2
  exit 1
}
