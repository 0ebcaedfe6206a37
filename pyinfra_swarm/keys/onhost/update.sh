#!/bin/sh
# Docker's command line, for what the managers agree on.
#
# engine COMMAND…: a docker command to this host's engine, for a minute at most. Without -H, a
#   context that root has chosen ("docker context use") would send it to another engine.
# update COMMAND…: changes what the managers agree on. What the command prints is dropped, for it may
#   be a key or a token; on standard error it prints none.
#
# The engine refuses a change if the swarm has changed since the command read it ("update out of
# sequence"): then it is tried again.

engine() {
  timeout 60 docker -H unix:///run/docker.sock "$@" && return
  status=$?
  [ $status != 124 ] || echo "the engine gave no answer within 60 s" >&2
  return $status
}
update() {
  tries=0
  until said=$(engine "$@" 2>&1 >/dev/null); do
    tries=$((tries + 1))
    case $said in *"out of sequence"*) ;; *) echo "$said" >&2; return 1;; esac
    [ $tries -lt 10 ] || { echo "$said" >&2; return 1; }
    sleep 0.2
  done
}
