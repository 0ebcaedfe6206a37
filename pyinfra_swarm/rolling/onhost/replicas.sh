#!/bin/sh
# How many tasks of each service run, as this manager knows, and those that no node may run.
# Uses engine_state().
#
# A service may go between two questions; then they are asked again.

: "${DOCKER_HOST?}"
[ "$(engine_state)" = running ] || { section error; echo "the engine does not run"; exit 0; }
services='' tasks=''
look() {
  services=$(docker service ls --format '{{.ID}} {{json .Name}} {{.Replicas}} {{.Mode}}' 2>&1) ||
    { words=$services; return 1; }
  [ -n "$services" ] || return 0
  # shellcheck disable=SC2046 # ids, one a word
  tasks=$(docker service ps --no-trunc --filter desired-state=running \
    --format '{{json .Name}} {{.Error}}' $(echo "$services" | cut -d ' ' -f 1) 2>&1) ||
    { words=$(printf '%s\n' "$tasks" | tail -n 1); return 1; }
}
again() { case $words in *"no such service"*) look ;; *) return 1 ;; esac; }
look || again || { section error; echo "$words"; exit 0; }
section services
[ -n "$services" ] || exit 0
echo "$services"
section stuck
printf '%s\n' "$tasks" | grep 'no suitable node' || true
