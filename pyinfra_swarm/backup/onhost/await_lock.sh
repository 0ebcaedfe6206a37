#!/bin/sh
# Waits until the keys on this manager's disk are locked again, which the engine does a moment after
# it leads.
#
# key: path of the node's private key.

: "${key?}"
end=$(($(date +%s) + 90))
until grep -qs 'BEGIN ENCRYPTED' "$key"; do
  [ "$(date +%s)" -lt $end ] || {
    echo "the swarm continues, but this manager's keys are not locked on its disk again after 90 s:" \
      "see 'docker swarm update --autolock=true'" >&2; exit 1; }
  sleep 0.5
done
