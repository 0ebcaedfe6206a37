#!/bin/sh
# A fact: this host's place in a swarm and, from a manager, the swarm as it sees it.
# Uses state.sh and is_attached.sh.
#
# certificate: the node's own certificate, its authority's below it; public, unlike the key beside it.
# record, version: the labels of our records of stacks, and of our secrets and configs.
: "${certificate?}" "${record?}" "${version?}"

state=$(engine_state); section state; echo "$state"
if [ "$state" = running ]; then
  section answers
  # A new leader calls every node unknown that has not reconnected to it yet. That takes some
  # seconds. A decision made in between would take such nodes for lost.
  looks=0
  until said=$(ask 'http://localhost/info' 'http://localhost/nodes' \
    'http://localhost/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D')
    case $said in *'"Status":{"State":"unknown"'*) [ $looks = 8 ] ;; esac
  do
    looks=$((looks + 1)); sleep 1
  done
  printf '%s\n' "$said"
  # What is there of ours, whether it is declared or not: how each list begins, "[]" where there is
  # none. A manager without a quorum has listed no nodes, and would be slow to list nothing more.
  case $said in *'"Status":{"State":"'*)
    labelled() { printf 'http://localhost/%s?filters=%%7B%%22label%%22%%3A%%5B%%22%s%%22%%5D%%7D' "$@"; }
    section ours
    ask --max-time 5 "$(labelled configs "$record")" "$(labelled secrets "$version")" \
      "$(labelled configs "$version")" | cut -b 1-2
  esac
  # Whether it is attached to the ingress network: without, published ports do not answer here.
  # Asked by name, a manager without a quorum is slow, and there it does not matter.
  section ingress
  said=$(ask --max-time 5 http://localhost/networks/ingress)
  case $said in '{'*) if is_attached "$said"; then echo joined; else echo missing; fi ;; esac
  # Which services this engine knows in each other overlay network that reaches the host: it answers
  # containers that ask for their names from that. The engine finds a network by its id's beginning.
  section names
  set --
  for path in /run/docker/netns/lb_*; do
    [ ! -e "$path" ] || set -- "$@" "http://localhost/networks/${path##*/lb_}?verbose=true"
  done
  [ $# = 0 ] || ask "$@"
fi
show certificate "$certificate" || :
