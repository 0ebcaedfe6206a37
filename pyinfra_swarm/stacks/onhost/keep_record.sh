#!/bin/sh
# On a manager: keeps a record as a config, then removes those before it. Standard input: the config,
# as the API creates it. Uses api.sh.
#
# before: their ids. One that is there still is removed by the next deploy: the newest counts.
# shellcheck disable=SC2154  # api sets it
: "${before?}"

api --data-binary @- http://localhost/configs/create
for id in $before; do
  api -X DELETE "http://localhost/configs/$id" 2>/dev/null || [ "$code" = 404 ] ||
    echo "an old record was not removed: $id"
done
