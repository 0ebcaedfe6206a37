#!/bin/sh
# On a manager: removes a secret or a config, which the engine refuses where a service uses it.
# One that is gone already is as good. kind: secrets or configs; id: its id. Uses api.sh.
# shellcheck disable=SC2154
: "${kind?}" "${id?}"

api -X DELETE "http://localhost/$kind/$id" || [ "$code" = 404 ]
