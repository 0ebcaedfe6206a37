#!/bin/sh
# A fact: our records of deployed stacks and the services of all stacks, as the engine lists them. Uses state.sh.

state=$(engine_state); section state; echo "$state"
[ "$state" = running ] || exit 0
section records
ask 'http://localhost/configs?filters=%7B%22label%22%3A%5B%22pyinfra-swarm.stack%22%5D%7D'
section services
ask 'http://localhost/services?filters=%7B%22label%22%3A%5B%22com.docker.stack.namespace%22%5D%7D'
