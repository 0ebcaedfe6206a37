#!/bin/sh
# Waits until this manager answers for the swarm, then removes the entries of the managers that are
# lost. It uses unless_gone.
#
# Demoting them fails ("can't find manager in raft memberlist"); removing them works.
#
# cluster: the swarm's id. address: this manager's.
#
# shellcheck disable=SC2154  # unless_gone sets $said

: "${cluster?} ${address?}" "${DOCKER_HOST?}"
info() { timeout 20 docker info --format "$1" 2>/dev/null; }
end=$(($(date +%s) + 120))
until [ "$(info '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Cluster.ID}}')" \
  = "active true $cluster" ]; do
  [ "$(date +%s)" -lt $end ] || {
    why=$(info '{{.Swarm.LocalNodeState}} {{.Swarm.Error}}') || why="its engine does not answer"
    why=${why% } then="See \`sudo journalctl -u docker\`, then run the same command again"
    case $why in *"have a leader"*) then="If its other managers are lost for good: \
\`pyinfra inventory.py deploys/recover.py\`" ;; esac
    echo "this manager did not answer for swarm $cluster within 120 s: ${why%.}. $then" >&2
    exit 1; }
  sleep 1
done
[ "$(info '{{.Swarm.NodeAddr}}')" = "$address" ] || {
  echo "the swarm knows it at $(info '{{.Swarm.NodeAddr}}') instead of $address" >&2; exit 1; }
list='{{.ID}} {{.Spec.Role}} {{.Status.State}} {{if .ManagerStatus}}member{{end}}'
nodes=$(docker node ls -q)
# shellcheck disable=SC2086  # one argument for each node
listed=$(docker node inspect --format "$list" $nodes)
while read -r id role state member; do
  case "$role $state $member" in
    "manager ready "* | "worker "* | *" member") ;;
    *) unless_gone docker node rm --force "$id" || { echo "$said" >&2; exit 1; } ;;
  esac
done <<END
$listed
END
