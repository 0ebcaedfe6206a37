#!/bin/sh
# How many tasks of each service run, as this manager knows, and those that no node may run.
# Uses engine_state().

: "${DOCKER_HOST?}"
[ "$(engine_state)" = running ] || { section error; echo "the engine does not run"; exit 0; }
services=$(docker service ls --format '{{.ID}} {{json .Name}} {{.Replicas}} {{.Mode}}' 2>&1) ||
  { section error; echo "$services"; exit 0; }
section services
[ -n "$services" ] || exit 0
echo "$services"
section stuck
# shellcheck disable=SC2046 # ids, one a word
docker service ps --no-trunc --filter desired-state=running \
  --format '{{json .Name}} {{.Error}}' $(echo "$services" | cut -d ' ' -f 1) 2>/dev/null |
  grep 'no suitable node' || true
