#!/bin/sh
# Waits until no task of the swarm is left on this drained host. Uses the engine's api().

: "${seconds?}" "${DOCKER_HOST?}"

pid=$(cat /run/docker.pid 2>/dev/null) || :
[ -n "$pid" ] && [ -d "/proc/$pid" ] || exit 0 # no engine runs, so no task does
label='%7B%22label%22%3A%5B%22com.docker.swarm.task.id%22%5D%7D'
empty() {
  api "http://localhost/containers/json?filters=$label" || return 1
  # shellcheck disable=SC2154 # set by api()
  case $answer in '[]'*) ;; *) return 1 ;; esac
}
end=$(($(date +%s) + seconds))
until empty; do
  [ "$(date +%s)" -lt "$end" ] || {
    names=$(docker ps --filter label=com.docker.swarm.task.id --format '{{.Names}}' | tr '\n' ' ')
    echo "after $seconds s there are still tasks on this host: ${names% }. It is drained and" \
      "otherwise unchanged (more time: --data wait=SECONDS)" >&2
    exit 1
  }
  sleep 1
done
