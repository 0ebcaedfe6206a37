#!/bin/bash
# Sends VXLAN frames in clear text, from inside of the ingress network's namespace.
#
# Reads “LABEL ADDRESS FRAME”, the frame as datagram takes it, and prints “forged LABEL” for each that
# has left. Uses datagram.sh.

: "${port?}" "${frames?}"
export LC_ALL=C

section forged
while read -r label address frame; do
  exec 3<>"/dev/udp/$address/$port" || continue
  for ((i = 0; i < frames; i++)); do
    datagram "$frame" 2>/dev/null >&3 && echo "forged $label"
  done
done
exit 0
