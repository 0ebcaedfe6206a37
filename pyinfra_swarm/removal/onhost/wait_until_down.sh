#!/bin/sh
# On a manager: waits until a node that leaves by hand is down. Uses within().

: "${node?}" "${name?}" "${seconds?}" "${DOCKER_HOST?}"

is_down() { [ "$(docker node inspect --format '{{.Status.State}}' "$node")" = down ]; }
within "$seconds" is_down || {
  echo "$name is drained, and no manager any more, and still up. Type 'docker swarm leave' on it," \
    "or pull its plug, and run this again" >&2
  exit 1
}
