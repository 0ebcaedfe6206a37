#!/bin/sh
# A fact: the swarm's services, one a line: name, ports in the routing mesh, ids
# of networks.
# Uses state.sh and engine_must_run.sh.
#
# The templates leave out what a service's definition may hold of secrets (environment, labels).

: "${DOCKER_HOST?}"
[ "$(ask http://localhost/services)" != "[]" ] || exit 0
ids=$(docker service ls -q 2>&1) || case $ids in
  *"not a swarm manager"*) exit 0 ;;
  *) echo "$ids" >&2; exit 1 ;;
esac
ports='{{range .Endpoint.Ports}}{{if eq .PublishMode "ingress"}}{{.PublishedPort}}/{{.Protocol}} {{end}}{{end}}'
networks='{{range .Spec.TaskTemplate.Networks}}{{.Target}} {{end}}'
# shellcheck disable=SC2086  # one word for each id
[ -z "$ids" ] || docker service inspect --format "{{json .Spec.Name}} [$ports] [$networks]" $ids
