#!/bin/sh
# Joins the swarm. Standard input: the request, which has the join token in it. Uses api.sh.
#
# Joining goes on in the background where it takes longer than the engine's own patience (503): then
# await_join.sh, which follows, waits for it.
# shellcheck disable=SC2154

if api --data-binary @- http://localhost/swarm/join; then exit 0; fi
[ "$code" = 503 ] || exit 1
