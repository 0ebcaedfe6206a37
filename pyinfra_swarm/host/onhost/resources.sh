#!/bin/sh
# A fact: how full a host is. Memory in KiB, since when it is up, its file systems, how hot it is.
# Uses section (run/answer); the shell's own words, where they will do.
section memory
while read -r name kib _; do
  case $name in MemTotal:|MemAvailable:) echo "$name $kib" ;; esac
done < /proc/meminfo
section up
read -r up _ < /proc/uptime; echo "$up"
section disks
set -- /
[ ! -d /var/lib/docker ] || set -- / /var/lib/docker
stat -f -c '%n %S %b %f %a' "$@"
section heat
for path in /sys/class/thermal/thermal_zone*/temp; do
  [ ! -r "$path" ] || { read -r degrees < "$path" && echo "$degrees"; }
done 2>/dev/null
