#!/bin/sh
# Prints what the kernel has of some modules, what blocks them, whether it limits memory, and
# whether it does what Docker will ask of it, tried in a network namespace that ends with the
# question. Uses section.
#
# modules: names, with blanks in between; pattern: a regular expression for them in a file.
#
# Processes are what costs time on a small board, so: builtins, and one process per question.
# `ip -force` goes on after a failed line and says which it was ("Command failed -:1"); but where
# the kernel refuses an xfrm state, ip ends with status 2 and does not say so: that line is last.
# shellcheck disable=SC2086
: "${modules?}" "${pattern?}"
section kernel
read -r release < /proc/sys/kernel/osrelease; echo "$release"
absent=''
for m in $modules; do
  if [ -e "/sys/module/$m/initstate" ]; then echo "loaded $m"
  elif [ -d "/sys/module/$m" ]; then echo "builtin $m"
  else absent="$absent $m"; fi
done
section modprobe
if [ -n "$absent" ]; then
  if [ -d "/lib/modules/$release" ] && command -v modprobe > /dev/null; then
    modprobe --all --dry-run --show-depends $absent 2>&1
  else
    echo none
  fi
fi
section blocks
set --
for path in /etc/modprobe.d/*.conf /run/modprobe.d/*.conf /usr/local/lib/modprobe.d/*.conf \
/usr/lib/modprobe.d/*.conf; do [ ! -f "$path" ] || set -- "$@" "$path"; done
[ $# = 0 ] ||
  grep -aHnsE "^[[:space:]]*(install|blacklist)[[:space:]]+($pattern)([[:space:]]|\$)" "$@"
read -r cmdline < /proc/cmdline; echo "cmdline $cmdline"
section cgroups
# Of version 2, what there is; without it, what the kernel has, and whether it is on. Newer kernels
# leave out of the second file what only version 2 has: so in this order.
if [ -r /sys/fs/cgroup/cgroup.controllers ] &&
  read -r controllers < /sys/fs/cgroup/cgroup.controllers; then echo "v2 $controllers"
elif [ -r /proc/cgroups ]; then
  while read -r name _ _ enabled; do echo "v1 $name $enabled"; done < /proc/cgroups
fi
section matches
case "$absent " in *" xt_policy "*|*" xt_bpf "*)
  if command -v iptables-restore > /dev/null; then
    printf '%s\n' '*filter' '-A INPUT -p udp -m policy --dir in --pol none -j ACCEPT' \
'-A INPUT -m bpf --bytecode "1,6 0 0 0" -j ACCEPT' COMMIT |
    unshare -n iptables-restore -w 20 2>&1 && echo works
  fi ;;
esac
section ciphers
# Rockchip's driver may come before the processor's own instructions.
! grep -q -e '^driver .*-rk)*$' /proc/crypto ||
  grep -E '^(name|driver|priority)[[:space:]]*:' /proc/crypto
section namespace
unshare -n ip -force -batch - 2>&1 << 'END'
link add swarm-probe type vxlan id 1 dstport 4789
xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1001 mode transport aead rfc4106(gcm(aes)) 0x0102030405060708090a0b0c0d0e0f1011121314 64
END
echo "exit $?"
