#!/bin/sh
# On a manager: removes the configs of a stack's own that are not kept. The engine refuses it where a
# service uses one.
# stack: its name; kept: ids. Uses api.sh.
: "${stack?}" "${kept?}" "${DOCKER_HOST?}"

for id in $(docker config ls --quiet --filter "label=com.docker.stack.namespace=$stack"); do
  case " $kept " in
    *" $id "*) ;;
    *) docker config rm "$id" >/dev/null 2>&1 || : ;;
  esac
done
