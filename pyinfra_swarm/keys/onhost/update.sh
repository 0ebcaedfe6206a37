#!/bin/sh
# update COMMAND…: changes what the managers agree on with a docker command. What the command prints
#   is kept in $said, for it may be a key or a token.
#
# The engine refuses a change if the swarm has changed since the command read it ("update out of
# sequence"): then it is tried again.

update() {
  tries=0
  until said=$(timeout 60 docker "$@" 2>&1); do
    tries=$((tries + 1))
    case $said in *"out of sequence"*) ;; *) echo "$said" >&2; return 1;; esac
    [ $tries -lt 10 ] || { echo "$said" >&2; return 1; }
    sleep 0.2
  done
}
