#!/bin/sh
# Replaces the unlock key and prints the new one. It uses engine and update.

before=$(engine swarm unlock-key -q)
update swarm unlock-key --rotate
after=$(engine swarm unlock-key -q)
[ "$after" != "$before" ] || {
  echo "the engine accepted the change, but the unlock key is still the old one" >&2
  exit 1
}
echo "$after"
