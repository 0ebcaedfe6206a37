#!/bin/sh
# What a fresh board is, as the user who logs in sees it: one line each, "name words". It changes
# nothing, and needs nothing that a fresh image may lack.
#
# reached: the address that it was reached at.
: "${reached?}"
read -r name < /proc/sys/kernel/hostname; echo "hostname $name"
while read -r line; do
  case $line in ID=*|VERSION_ID=*) echo "release $line" ;; esac
done < /etc/os-release
echo "machine $(uname -m)"
[ ! -r /etc/machine-id ] || { read -r id < /etc/machine-id; echo "id $id"; }
boot=/proc/sys/kernel/random/boot_id
[ ! -r $boot ] || { read -r id < $boot; echo "boot $id"; }
if said=$(sudo -n true 2>&1); then echo "sudo yes"
else echo "sudo no $said" | tr '\n' ' '; echo; fi
ip -o -4 address show 2>/dev/null | while read -r _ _ _ address rest; do
  [ "${address%/*}" != "$reached" ] || case $rest in
    *" dynamic "*) echo "address dynamic" ;;
    *) echo "address fixed" ;;
  esac
done
