#!/bin/sh
# On a manager: prints the name of a task's node, by id, and the last lines that the task's program
# wrote, where the managers can get at them. Uses this_engine.sh.
: "${DOCKER_HOST?}" "${task?}" "${node?}" "${lines?}"

section node
[ -z "$node" ] || docker node inspect --format '{{.Description.Hostname}}' -- "$node" || :
section log
# An error of the command itself is not what the program wrote.
! log=$(timeout 15 docker service logs --raw --no-trunc --tail "$lines" -- "$task" 2>&1) ||
  printf '%s\n' "$log" | tail -n "$lines" | tail -c 8000
