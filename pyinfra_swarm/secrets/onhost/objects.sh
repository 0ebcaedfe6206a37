#!/bin/sh
# A fact: the swarm's secrets and configs, and its services, one a line, as far as they use them.
# Uses state.sh, and DOCKER_HOST.
#
# The engine lists configs with their values, which stay here: they are base64, so a quote ends
# them. The template leaves out what a service's definition may hold of secrets (environment,
# labels). A service may go between two questions; then they are asked again.

: "${DOCKER_HOST?}"
section state; engine_state; [ "$(engine_state)" = running ] || exit 0
section secrets; secrets=$(ask http://localhost/secrets); printf '%s\n' "$secrets"
case $secrets in "["*) ;; *) exit 0 ;; esac
section configs; ask http://localhost/configs | sed 's/"Data":"[^"]*"/"Data":""/g'
section services
used='"TaskTemplate":{"ContainerSpec":{{with .TaskTemplate.ContainerSpec}}
{"Secrets":{{json .Secrets}},"Configs":{{json .Configs}}}{{else}}{}{{end}}}'
spec='{"Name":{{json .Name}},"Mode":{{json .Mode}},'$used'}'
update='{{with .UpdateStatus}}{{json .State}}{{else}}""{{end}}'
line='{"ID":{{json .ID}},"Version":{{json .Version}},"Spec":{{with .Spec}}'$spec'{{end}},
"PreviousSpec":{{with .PreviousSpec}}'$spec'{{else}}null{{end}},"UpdateStatus":{"State":'$update'}}'
line=$(printf %s "$line" | tr -d '\n')
list_users() {
  ids=$(docker service ls -q) || return 1
  # shellcheck disable=SC2086 # one word for each id
  [ -z "$ids" ] || docker service inspect --format "$line" $ids
}
lines=$(list_users 2>/dev/null) || lines=$(list_users)
[ -z "$lines" ] || printf '%s\n' "$lines"
