#!/bin/sh
# Functions for a manager.
#
# node_is_reachable ID: the leader reaches this node as a manager.
#
# update_node ID [ROLE]: writes a node's specification, with another role if one is given. The
#   engine refuses it where the node has changed since it was read: then it is read again.
#
#   Without a role the node's engine is made to look at its networks again: the manager gives it the
#   networks that it has not yet, and the engine attaches to them. An engine that has tried that
#   already does so again only if something of its node has changed; hence a name, which no command
#   shows, and which is taken away again when the manager has had its time.
# Uses api.sh.
# shellcheck disable=SC2034

: "${DOCKER_HOST?}"
node_is_reachable() {
  case $(docker node inspect --format '{{with .ManagerStatus}}{{.Reachability}}{{end}}' -- "$1" \
    2>/dev/null) in
    reachable) ;;
    *) return 1 ;;
  esac
}
write_node() {
  tries=0
  until try_write_node "$@"; do
    tries=$((tries + 1)); [ $tries -lt 10 ] || return 1; sleep 0.2
  done
}
try_write_node() {
  # Why it cannot be read, the API says in $code, for callers that look at it: the swarm has no leader
  # (503), or this node is gone (404).
  read_node=$(timeout 60 docker node inspect --format "{{.Version.Index}} $2" -- "$1" 2>/dev/null) || {
    api "http://localhost/nodes/$1" || return 1
    echo "docker node inspect $1 failed" >&2; code=503; return 1; }
  api --data-binary "${read_node#* }" \
    "http://localhost/nodes/$1/update?version=${read_node%% *}"
}
update_node() {
  labels='"Labels":{{json .Spec.Labels}}'
  availability='"Availability":{{json .Spec.Availability}}'
  if [ $# = 2 ]; then
    write_node "$1" "{\"Name\":{{json .Spec.Name}},$labels,\"Role\":\"$2\",$availability}"
    return
  fi
  role='"Role":{{json .Spec.Role}}'
  write_node "$1" "{\"Name\":\"again\",$labels,$role,$availability}"
  sleep 0.3
  write_node "$1" "{$labels,$role,$availability}"
}
