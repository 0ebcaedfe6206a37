#!/bin/sh
# Tries the request bodies on its standard input, one a line, and waits until the manager is back. It
# uses api and reachable_manager.
#
# The engine answers a key that does not fit with 401 and a text that is no key with 400. It answers
# the right key only when it has found a leader: a manager that waits for others does not answer
# until then. For a moment the leader may not have noticed that this manager was away, so one look
# is not enough.
#
# shellcheck disable=SC2154  # api sets $answer and $code

try_to_unlock() {
  printf '%s' "$1" | {
    code=
    api --max-time 90 --data-binary @- http://localhost/swarm/unlock >/dev/null 2>&1 || :
    echo "$code"
  }
}
status=
while read -r body; do
  status=$(try_to_unlock "$body")
  case $status in 400 | 401) ;; *) break ;; esac
done
looks=0
end=$(($(date +%s) + 120))
while :; do
  api http://localhost/info
  state=${answer#*'"LocalNodeState":"'}; state=${state%%'"'*}
  if [ "$state" = locked ]; then
    case $status in
      400 | 401) echo "neither the key in the file nor an earlier one beside it fits" >&2 ;;
      *) echo "this manager is still locked; the engine answered ${status:-nothing}" >&2 ;;
    esac
    exit 1
  fi
  id=${answer#*'"NodeID":"'}; id=${id%%'"'*}
  if [ "$state" = active ] && api --max-time 10 "http://localhost/nodes/$id" 2>/dev/null; then
    if reachable_manager; then looks=$((looks + 1)); else looks=0; fi
    [ $looks -lt 5 ] || exit 0
  fi
  [ "$(date +%s)" -lt $end ] || {
    echo "it is unlocked, but after 120 s it is no reachable manager of the swarm: its state is" \
      "$state. More of the managers have to be unlocked for a quorum" >&2
    exit 1
  }
  sleep 1
done
