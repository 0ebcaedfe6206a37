#!/bin/sh
# On a manager: the tasks of some services, as the engine lists them.
# services: the engine's filter for them. Uses api.sh.
# shellcheck disable=SC2154
: "${services?}"

api -G --data-urlencode "filters=$services" http://localhost/tasks
printf '%s\n' "$answer"
