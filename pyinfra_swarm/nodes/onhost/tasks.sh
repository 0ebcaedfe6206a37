#!/bin/sh
# A fact: the tasks that are on a node, by id, one a line: state and name.
# Uses state.sh and engine_must_run.sh.
: "${node?}" "${DOCKER_HOST?}"

docker node ps --no-trunc --format '{{.CurrentState}}|{{.Name}}' "$node"
