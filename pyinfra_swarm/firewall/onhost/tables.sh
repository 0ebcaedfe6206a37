#!/bin/sh
# Prints what iptables holds, by family and back end.
# Uses section (run/answer).
# shellcheck disable=SC2086,SC3013

# What it says beside comes after the rules: otherwise in the middle of one, which is buffered.
save() { { said=$("$1" 2>&1 >&3); } 3>&1; [ -z "$said" ] || printf '%s\n' "$said"; }

for family in ipv4 ipv6; do
  case $family in ipv4) command=iptables ;; ipv6) command=ip6tables ;; esac
  section $family
  if [ -x /usr/sbin/$command ]; then
    if [ /usr/sbin/$command -ef /usr/sbin/$command-nft ]; then echo nft
    elif [ /usr/sbin/$command -ef /usr/sbin/$command-legacy ]; then echo legacy
    else /usr/sbin/$command --version; fi
  fi
  for backend in nft legacy; do
    section $family-$backend
    [ ! -x /usr/sbin/$command-$backend-save ] || save $command-$backend-save
  done
done
