#!/bin/sh
# Prints what listens on the host, and which SSH servers do. Uses section (run/answer).
#
# A process chooses its own name and arguments: they are told, and nothing is decided by what stands
# behind the port.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
# Not by read: a shell reads byte by byte, and the kernel gives such a file in one piece.
section ephemeral; cat /proc/sys/net/ipv4/ip_local_port_range
section listening
said=$(ss -Htulnp) || exit
printf '%s\n' "$said" | head -n 2000 | cut -b 1-400
section "ssh servers"
for folder in /proc/[0-9]*; do
  comm=
  { read -r comm < "$folder/comm"; } 2>/dev/null || continue
  case $comm in sshd*|dropbear*) ;; *) continue;; esac
  case $said in *"pid=${folder#/proc/},"*) ;; *) continue;; esac
  printf '%s %s\n' "${folder#/proc/}" \
    "$(tr '\0\n' '  ' 2>/dev/null < "$folder/cmdline" | head -c 300)"
done
exit 0
