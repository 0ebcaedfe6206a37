#!/bin/sh
# On a manager: updates a service, by id, to the specification on standard input. Uses api.sh.
#
# version: the service's, as it was read: the engine refuses where somebody has written since then.
# rollback: more of the request. The login to the registry stays what the service has. Where the
# engine refuses, its code and words are in the section "refused".
# shellcheck disable=SC2154
: "${service?}" "${version?}" "${rollback?}"

update="http://localhost/services/$service/update?version=$version&registryAuthFrom=spec$rollback"
api --data-binary @- "$update" || {
  [ -n "$code" ] || { echo "the engine gave no answer" >&2; exit 1; }
  section refused; echo "$code"; printf '%s\n' "$answer"
}
