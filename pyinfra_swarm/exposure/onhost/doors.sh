#!/bin/sh
# A fact: on a manager, the services with the ports that they publish, the tasks of our own stack, and
# the nodes. Uses state.sh.
: "${stack?}"

state=$(engine_state); section state; echo "$state"
[ "$state" = running ] || exit 0
section services; ask 'http://localhost/services'
section tasks
ask "http://localhost/tasks?filters=%7B%22label%22%3A%5B%22com.docker.stack.namespace%3D$stack%22%5D%7D"
section nodes; ask 'http://localhost/nodes'
