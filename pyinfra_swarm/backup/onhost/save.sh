#!/bin/sh
# Prints the archive of the swarm's state, and leaves the host as it was, whatever happens. It uses
# api, within, attached_to_ingress, reachable_manager and engine.sh.
#
# What stops the engine is a process of its own that takes no signal from the connection, and the
# archive is written to memory first (/run, readable for root alone): neither a controller that dies
# nor one that is slow keeps the engine stopped. The engine of an autolocked swarm is asked for the
# unlock key before it is stopped. The key is kept in a variable of the shell and never leaves the
# host. An engine that was unlocked is often attached to no overlay network: then it is restarted.
#
# node: its id. availability: the node's, before. drain: "yes" if its tasks are moved first.
# drained_within, back_within, patience: seconds. attempts: restarts for the sake of the networks.
#
# shellcheck disable=SC2154  # api sets $answer

: "${node?} ${availability?} ${drain?}" "${DOCKER_HOST?}"
: "${drained_within?} ${back_within?} ${patience?} ${attempts?}"
[ -s /var/lib/docker/swarm/docker-state.json ] || {
  echo "there is no state of a swarm in /var/lib/docker/swarm" >&2; exit 1; }
umask 077
rm -rf /run/pyinfra-swarm-backup.*
work=$(mktemp -d /run/pyinfra-swarm-backup.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap '' HUP INT TERM PIPE
drained='' stopped='' unlock='' attached=''
set_availability() {
  within 60 timeout 30 docker node update --availability "$1" "$node" >/dev/null
}
drain() {
  drained=yes
  set_availability drain || return 1
  within "$drained_within" empty || {
    echo "tasks still run here after $drained_within s; the engine was not stopped"; return 1; }
}
empty() {
  tasks=$(timeout 30 docker ps -q --filter label=com.docker.swarm.node.id) && [ -z "$tasks" ]
}
copy() {
  tar -C /var/lib/docker -czf "$work/partial" swarm || return 1
  ! running || { echo "somebody started the engine while its state was read"; return 1; }
  mv "$work/partial" "$work/state"
}
save() {
  api http://localhost/swarm/unlockkey || return 1
  unlock=$answer
  ! attached_to_ingress --max-time 5 || attached=yes
  [ -z "$drain" ] || drain || return 1
  has_quorum_without_it || { echo "the engine was not stopped: $too_few"; return 1; }
  stopped=yes
  stop_engine && copy
}
too_few="too few of the other managers are reachable to do without this one"
has_quorum_without_it() {
  api http://localhost/nodes || return 1
  members=$(printf '%s' "$answer" | grep -o '"ManagerStatus":{[^}]*}') || return 1
  managers=$(printf '%s\n' "$members" | wc -l)
  reachable=$(printf '%s\n' "$members" | grep -c '"Reachability":"reachable"') || return 1
  [ "$managers" -le 2 ] || [ $((reachable - 1)) -gt $((managers / 2)) ]
}
is_back() {
  api "http://localhost/nodes/$node" 2>/dev/null || {
    case $answer in *"needs to be unlocked"*)
      printf '%s' "$unlock" | api --data-binary @- http://localhost/swarm/unlock;;
    esac
    return 1
  }
  reachable_manager
}
come_back() {
  start_engine || { echo "the engine could not be started: \`sudo journalctl -u docker\`"; return 1; }
  within "$back_within" is_back || {
    echo "it is not a reachable manager after $back_within s"; return 1; }
}
attach() {
  restarts=0
  until within "$patience" attached_to_ingress --max-time 5; do
    problem="it is in no overlay network: published ports do not answer there. Restart its engine"
    [ $restarts -lt "$attempts" ] || { echo "$problem"; return 1; }
    has_quorum_without_it || { echo "$problem; not done, since $too_few"; return 1; }
    restarts=$((restarts + 1))
    stop_engine
    come_back || return 1
  done
}
restore_host() {
  if [ -n "$stopped" ]; then
    if come_back; then [ -z "$attached" ] || attach || status=1; else status=1; fi
  fi
  if [ -n "$drained" ]; then
    set_availability "$availability" || {
      echo "it is drained: docker node update --availability $availability $node"; status=1; }
  fi
}
(
  exec >"$work/log" 2>&1 </dev/null
  status=0
  save || status=1
  restore_host
  echo $status > "$work/status"
  kill -0 $$ 2>/dev/null || rm -rf "$work"
) &
wait $!
section log; cat "$work/log"
section status; cat "$work/status"
[ ! -f "$work/state" ] || {
  section sum; sha256sum < "$work/state"; section state; base64 -w 32768 "$work/state"; }
