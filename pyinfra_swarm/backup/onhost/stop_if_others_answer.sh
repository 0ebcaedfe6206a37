#!/bin/sh
# Stops here if another manager has found the restored one. It uses api and within.
#
# It runs in the same script as what it forbids. An engine that has just been started finds the
# others within seconds.
#
# shellcheck disable=SC2154  # api sets $answer

others_answer() {
  api --max-time 20 http://localhost/nodes 2>/dev/null || return 1
  reachable='"ManagerStatus":{[^}]*"Reachability":"reachable"'
  [ "$(printf '%s' "$answer" | grep -o "$reachable" | wc -l)" -gt 1 ]
}
! within 10 others_answer || {
  echo "other managers of this swarm answer. They would continue as a second swarm beside the" \
    "restored one, so nothing was forced. Make them leave, or switch them off" >&2
  exit 1
}
