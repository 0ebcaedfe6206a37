#!/bin/bash
# look TITLE: a section with what the kernel and the firewall have counted until now.
#
# “ip” prints keys as well: only addresses and counts leave the host.

: "${sandboxes?}"
export LC_ALL=C

look() {
  local sandbox
  section "$1"
  ip -s xfrm state | grep -E -e '^src ' -e '^[[:space:]]+[0-9]+\(bytes\), [0-9]+\(packets\)$' \
    -e '^[[:space:]]+replay-window [0-9]+ replay [0-9]+ failed [0-9]+$'
  iptables-save -c -t filter | grep -e '--pol none'
  grep '^Ip:' /proc/net/snmp
  grep XfrmInNoStates /proc/net/xfrm_stat
  for sandbox in $sandboxes; do
    echo "sandbox $sandbox"
    nsenter --net="/run/docker/netns/$sandbox" grep '^Icmp:' /proc/net/snmp
  done
} 2>/dev/null
