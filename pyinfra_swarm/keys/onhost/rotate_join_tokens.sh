#!/bin/sh
# Replaces both join tokens, which never leave the host. It uses engine and update.

token() {
  said=$(engine swarm join-token -q "$1")
  case $said in SWMTKN-*) echo "$said" ;; *) echo "the engine gave no join token" >&2; exit 1 ;; esac
}
for role in worker manager; do
  before=$(token $role)
  update swarm join-token --rotate $role
  after=$(token $role)
  [ "$after" != "$before" ] || {
    echo "the engine accepted the change, but the $role's join token is still the old one" >&2
    exit 1
  }
done
