#!/bin/sh
# What runs on this host since when: boot, engine and kernel.

section boot
while read -r line; do echo "$line"; done < /proc/sys/kernel/random/boot_id
read -r up _ < /proc/uptime
echo "$up"
section engine
[ -f /run/docker.pid ] || ! show pid /run/docker.pid || exit 0
pid=
if [ -f /run/docker.pid ]; then
  read -r pid < /run/docker.pid
  case $pid in "" | *[!0-9]*) odd pid /run/docker.pid "no process's number"; exit 0 ;; esac
fi
[ -n "$pid" ] && [ -r "/proc/$pid/stat" ] &&
  while read -r line; do echo "$line"; done < "/proc/$pid/stat"
section kernel
uname -r
for path in /boot/vmlinuz-*; do
  case $path in *[!A-Za-z0-9/_.+~-]*) continue ;; esac
  [ -e "$path" ] && echo "${path#/boot/vmlinuz-}"
done
