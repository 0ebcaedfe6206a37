#!/bin/sh
# On a manager: has the engine's command line render a stack's compose files. Standard input: the
# files, as unpacked.sh takes them; beside them "compose", their names, one a line, and
# "environment", the variables that may stand in them. Uses api.sh and unpacked.sh.
#
# The variables are set within a shell of their own: in the arguments of a command every user of the
# host could read them.

: "${DOCKER_HOST?}"

unpacked
section folder; pwd
set --
while IFS= read -r file; do set -- "$@" --compose-file "$file"; done < ../compose
section rendered
# shellcheck disable=SC2016  # it is that shell that expands it
env -i PATH="$PATH" HOME=/root DOCKER_HOST="$DOCKER_HOST" \
  sh -euc '. ../environment; exec docker stack config "$@"' config "$@" 2> ../words || {
  cat ../words >&2; exit 1; }
section words; cat ../words
