#!/bin/sh
# A fact: the swarm's secrets and configs, and its services, one a line, as far as they use them;
# then the beginning of each service's id, and how many of its tasks run ("1/2").
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
used='"TaskTemplate":{"ContainerSpec":{{with .TaskTemplate.ContainerSpec}}
{"Secrets":{{json .Secrets}},"Configs":{{json .Configs}}}{{else}}{}{{end}}}'
how='"UpdateConfig":{{with .UpdateConfig}}{"FailureAction":{{json .FailureAction}},
"MaxFailureRatio":{{json .MaxFailureRatio}}}{{else}}{}{{end}}'
spec='{"Name":{{json .Name}},"Mode":{{json .Mode}},'$how','$used'}'
update='{{with .UpdateStatus}}{"State":{{json .State}},"CompletedAt":{{json .CompletedAt}}}
{{else}}{}{{end}}'
line='{"ID":{{json .ID}},"Version":{{json .Version}},"Spec":{{with .Spec}}'$spec'{{end}},
"PreviousSpec":{{with .PreviousSpec}}'$spec'{{else}}null{{end}},"UpdateStatus":'$update'}'
line=$(printf %s "$line" | tr -d '\n')
lines='' tasks=''
look() {
  tasks=$(docker service ls --format '{{.ID}} {{.Replicas}}') || return 1
  ids=$(printf '%s\n' "$tasks" | cut -d ' ' -f 1)
  # shellcheck disable=SC2086 # one word for each id
  [ -z "$ids" ] || lines=$(docker service inspect --format "$line" $ids)
}
look 2>/dev/null || look
section services; [ -z "$lines" ] || printf '%s\n' "$lines"
section tasks; [ -z "$tasks" ] || printf '%s\n' "$tasks"
