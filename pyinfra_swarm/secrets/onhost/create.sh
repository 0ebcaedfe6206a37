#!/bin/sh
# On a manager: creates a secret or a config. Standard input: it, as the API takes it.
# kind: secrets or configs. Uses api.sh.
: "${kind?}"

api --data-binary @- "http://localhost/$kind/create"
