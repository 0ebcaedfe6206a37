#!/bin/sh
# A fact: what this host keeps of a swarm on its disk. Keys are looked at, never printed.
#
# certificate, key: the node's own, by path.
: "${certificate?}" "${key?}"

section state; [ ! -s /var/lib/docker/swarm/docker-state.json ] || echo yes
[ -f "$key" ] || ! show key "$key" || exit 0
section locked; ! grep -aqs 'BEGIN ENCRYPTED' "$key" || echo yes
show certificate "$certificate" || section certificate
section engine; [ ! -x /usr/bin/dockerd ] || /usr/bin/dockerd --version
section addresses; ip -4 -o addr show scope global 2>/dev/null
true
