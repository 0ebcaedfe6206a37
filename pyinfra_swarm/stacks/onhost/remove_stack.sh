#!/bin/sh
# On a manager: removes a stack, until nothing of it is left, then our records of it. Uses api.sh.
#
# Tasks end after their service is gone, and a network goes only when its last task has ended: the
# command line gives up on it then, so it is called again.
# stack: its name; seconds: for all of it; records: ids.
# shellcheck disable=SC2154  # api sets it
: "${stack?}" "${seconds?}" "${records?}" "${DOCKER_HOST?}"

# left: the ids of what there still is; it fails where that cannot be listed.
left() {
  for kind in service network secret config; do
    docker "$kind" ls --quiet --filter "label=com.docker.stack.namespace=$stack" || return 1
  done
}
gone() { there=$(left 2>/dev/null) && [ -z "$there" ]; }
end=$(($(date +%s) + seconds))
until gone; do
  words=$(docker stack rm "$stack" 2>&1) || [ "$(date +%s)" -lt $end ] || {
    echo "$words" >&2; exit 1; }
  [ "$(date +%s)" -lt $end ] || gone || {
    there=$(left) || exit 1
    echo "still there: $(echo "$there" | tr '\n' ' ')" >&2; exit 1; }
  gone || sleep 1
done
for id in $records; do
  api -X DELETE "http://localhost/configs/$id" || [ "$code" = 404 ]
done
