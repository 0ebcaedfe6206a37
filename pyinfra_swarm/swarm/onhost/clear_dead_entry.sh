#!/bin/sh
# On a manager: removes the entry of a node that is dead, by force.
#
# node: its id. was_down: the managers called it down when this was planned, so it must not have come
# back since. manager: it is one, so it is demoted first; a node of another role cannot be removed.
# Uses remove_node.sh.
# shellcheck disable=SC2154
: "${node?}" "${was_down?}" "${manager?}" "${DOCKER_HOST?}"

if [ -n "$was_down" ]; then
  case $(docker node inspect --format '{{.Status.State}}' "$node" 2>&1) in
    ready) echo "node $node has come back, so its entry stays. Run again" >&2; exit 1 ;;
  esac
fi
if [ -n "$manager" ]; then
  unless_gone docker node demote "$node" || { echo "$said" >&2; exit 1; }
fi
remove_node --force "$node"
