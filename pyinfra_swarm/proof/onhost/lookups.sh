#!/bin/bash
# Asks the engine's DNS for names, from inside of this node's namespace of a network.
#
# Reads “SANDBOX SERVICE QUERY”, the query as datagram takes it, and prints “SANDBOX SERVICE ANSWER” for each,
# the answer in hexadecimal digits, and none where nothing came. A name that is not found is asked
# for again: its service may just have come. server: its address and port, with a / in between.
# Uses datagram.sh.

: "${server?}" "${tries?}" "${seconds?}" "${at_once?}"

lookup() {
  said=; tried=0
  while [ $tried -lt "$tries" ]; do
    [ $tried = 0 ] || sleep 1
    tried=$((tried + 1))
    exec 3<>"/dev/udp/$server" || continue
    datagram "$3" >&3
    said=$(timeout "$seconds" dd bs=4096 count=1 status=none <&3 | od -An -v -tx1 | tr -d ' \n')
    exec 3>&-
    # The answer's code, and how many records it has.
    [ "${said:7:1}" != 0 ] || [ "${said:12:4}" = 0000 ] || break
  done 2>/dev/null
  echo "$1 $2 $said"
}

begun=0
while read -r sandbox service query; do
  lookup "$sandbox" "$service" "$query" &
  begun=$((begun + 1))
  [ $((begun % at_once)) != 0 ] || wait
done
wait
