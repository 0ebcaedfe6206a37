#!/bin/sh
# On a manager: replaces the ingress network. Standard input: the new one, as the API creates it.
#
# It is asked for by name, since the name filter of the engine's list misses what only the swarm
# knows yet. A network's options are shown only a moment after its creation. A node that is there
# already is not attached to the new network (no "ingress-sbox"), whether it was replaced by hand or
# by us: until a task, an update of the node or a restart of its engine comes, its published ports
# do not answer (seen with 28.5.2). So each node is updated.
# Uses api.sh, within.sh and update_node.sh.
# shellcheck disable=SC2034,SC2154

: "${DOCKER_HOST?}"
pause=0.2
networks=http://localhost/networks
restart="Restart Docker on this host: \`sudo systemctl restart docker\`. Then run the same command \
again"
look() { api "$networks/ingress" 2>/dev/null || [ "$code" = 404 ]; }
shows() { look && case $answer in *"\"$1\""*) ;; *) return 1 ;; esac; }
gone() { look && [ "$code" = 404 ]; }
wanted=$(cat)
if ! gone; then
  id=$(docker network inspect --format '{{.ID}}' ingress)
  api -X DELETE "$networks/$id"
fi
within 60 gone || {
  echo "this engine has not removed the old ingress network within 60 s. $restart" >&2
  exit 1; }
create() { words=$(api --data-binary "$wanted" "$networks/create" 2>&1); }
within 60 create || {
  echo "the new ingress network was not created: $words" >&2
  case $words in *"swarm is not active"*)
    echo "This engine is in no overlay network. $restart" >&2 ;;
  esac
  exit 1; }
within 60 shows encrypted || { echo "the new ingress network is not encrypted" >&2; exit 1; }
nodes=$(docker node ls --quiet)
for node in $nodes; do update_node "$node"; done
