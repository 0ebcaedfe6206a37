#!/bin/bash
# Sends datagrams to other nodes over a network, from inside of this node's namespace of it.
#
# Reads “SANDBOX LABEL ADDRESS SIZE”, a line for each peer, and prints a line for each probe:
# “probe LABEL SIZE SENT PATH answered|silent|unsent”. PATH is the path's MTU; it is there where the
# kernel had to learn that less than the interface's fits.

: "${small?}" "${small_tries?}" "${full_tries?}"

probe() {
  sent=0; tried=0
  exec 3<>"/dev/udp/$2/9" || { echo "probe $1 $3 0 0 unsent"; return 1; }
  while [ $tried -lt "$4" ]; do
    tried=$((tried + 1))
    words=$(dd if=/dev/zero bs="$3" count=1 status=none 2>&1 >&3) && {
      sent=$((sent + 1))
      words=$(read -r -t 1 -N 1 -u 3 2>&1)
    }
    case $words in
    *refused*)
      path=$(ip -4 route get "$2" | grep -o 'mtu [0-9]*')
      echo "probe $1 $3 $sent ${path#mtu } answered"
      return 0 ;;
    ?*) sleep 1 ;;
    esac
  done
  echo "probe $1 $3 $sent 0 silent"
  return 1
}

while read -r _ label address full; do
  { probe "$label" "$address" "$small" "$small_tries" &&
      probe "$label" "$address" "$full" "$full_tries"; } &
done
wait
