#!/bin/sh
# Prints whether the host waits for a reboot, and for which packages. Uses section (run/answer).
#
# limit: bytes of the list that are read.
: "${limit?}"
section reboot
if [ -e /run/reboot-required ]; then
  echo required
  [ ! -f /run/reboot-required.pkgs ] || head -c "$limit" /run/reboot-required.pkgs
fi
