#!/bin/sh
# On a manager: deploys a stack. Standard input: as unpacked.sh takes it; beside the files "deploy",
# the rendered compose file. Uses api.sh and unpacked.sh.
#
# The services are awaited by others: the command line waits for ever, or for nothing.
: "${stack?}" "${DOCKER_HOST?}"

unpacked
detach=
case $(docker stack deploy --help) in *--detach*) detach=--detach=true ;; esac
# shellcheck disable=SC2086  # nothing where the command line does not know it
words=$(docker stack deploy --compose-file - --prune $detach --with-registry-auth \
  --resolve-image always "$stack" < ../deploy 2>&1) || { echo "$words" >&2; exit 1; }
section words; echo "$words"
