#!/bin/bash
# A host's own share of the proof: its probes, network by network, with a look at the counters
# before and after each. Where tcpdump is there, it watches what leaves. Uses counters.sh.
#
# Reads the lines for probes.sh, whose text is in “probes”. What tcpdump saw is a section “capture”
# where it watched from the beginning to the end, “partial capture” elsewhere. “seconds”: that the
# probes take at most.

: "${port?}" "${sandboxes?}" "${probes?}" "${seconds?}"

jobs=$(cat)
look begin
iptables-save -t mangle | grep -e "--dport $port " | grep -e '-j MARK'
watcher="" capture="partial capture"
if command -v tcpdump >/dev/null; then
  coproc SEEN { exec awk '
    { for (i = 2; i < NF; i++) if ($i == ">") break; to = $(i + 1); sub(/:$/, "", to) }
    / ESP\(/ { esp[to]++ }
    / VXLAN, / { sub(/\.[0-9]+$/, "", to); vni = $0; sub(/.* vni /, "", vni); clear[to " " vni]++ }
    END { for (a in esp) print "esp", a, esp[a]; for (a in clear) print "clear", a, clear[a] }'; }
  exec 5>&"${SEEN[1]}" 6<&"${SEEN[0]}"
  eval "exec ${SEEN[1]}>&- ${SEEN[0]}<&-"
  sockets=$(wc -l < /proc/net/packet)
  timeout "$seconds" tcpdump -i any -Q out -p -nn -l -s 128 --immediate-mode -T vxlan \
    "esp or (udp and dst port $port)" >&5 2>/dev/null 5>&- 6<&- &
  watcher=$!
  exec 5>&-
  i=0
  until [ "$(wc -l < /proc/net/packet)" -gt "$sockets" ] || [ $i = 50 ]; do
    i=$((i + 1)); sleep 0.1
  done
  [ "$(wc -l < /proc/net/packet)" -gt "$sockets" ] && capture=capture
  sleep 0.3
fi
for sandbox in $sandboxes; do
  look "before $sandbox"
  section "probes $sandbox"
  grep "^$sandbox " <<< "$jobs" |
    nsenter --net="/run/docker/netns/$sandbox" bash -c "$probes"
  look "after $sandbox"
done
if [ -n "$watcher" ]; then
  sleep 0.3
  kill -0 "$watcher" 2>/dev/null || capture="partial capture"
  # Both of them, the group that timeout leads: Rust's does not hand the signal on.
  kill -- "-$watcher" 2>/dev/null; wait "$watcher" 2>/dev/null
  section "$capture"
  cat <&6
fi
exit 0
