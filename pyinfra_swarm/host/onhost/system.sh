#!/bin/sh
# Prints what a host is: clock, release, identity, other tools, packages, disks, network.
# Uses section (run/answer), package_rows and optional_parts; the shell's own words, where they will
# do.
#
# packages: names, with blanks in between; files: paths that another tool may manage, likewise;
# limit: bytes of such a file that are read.
# shellcheck disable=SC2016,SC2034,SC2086
: "${packages?}" "${files?}" "${limit?}"
section clock
now=$(date +%s.%N); echo "$now"
section release
while read -r line; do echo "$line"; done < /etc/os-release
section self
read -r name < /proc/sys/kernel/hostname; echo "hostname $name"
[ ! -f /etc/machine-id ] || { read -r id < /etc/machine-id; echo "machine_id $id"; }
[ ! -d /run/systemd/system ] || echo "systemd yes"
for path in /var/lib/snapd/snaps/docker_*.snap; do
  [ ! -e "$path" ] || echo "snap_docker $path"
done
[ ! -s /var/lib/docker/swarm/docker-state.json ] || echo "in_swarm yes"
[ ! -x /usr/sbin/ufw ] || [ ! -f /etc/ufw/ufw.conf ] ||
  ! grep -aqs '^ENABLED *= *[Yy]' /etc/ufw/ufw.conf || echo "firewall ufw"
[ ! -d /sys/fs/cgroup/system.slice/firewalld.service ] || echo "firewall firewalld"
if [ -x /usr/sbin/netfilter-persistent ]; then
  for path in /etc/iptables/rules.v4 /etc/iptables/rules.v6; do
    [ ! -s $path ] || { echo "firewall netfilter-persistent"; break; }
  done
fi
optional_parts
for path in $files; do
  if [ -L "$path" ]; then
    echo "managed $path it is a symbolic link"
  elif [ -f "$path" ]; then
    head -c "$limit" "$path" | while read -r line; do
      case "$line" in
        *[Mm]anaged*by*[Aa]nsible*|*[Aa]nsible[\ -]managed*) by=Ansible ;;
        *[Mm]anaged*by*[Pp]uppet*) by=Puppet ;;
        *[Mm]anaged*by*[Cc]hef*|*[Gg]enerated*by*[Cc]hef*) by=Chef ;;
        *[Mm]anaged*by*[Ss]alt*) by=Salt ;;
        *) by='' ;;
      esac
      [ -z "$by" ] || { echo "managed $path it says that $by manages it"; break; }
    done
  fi
done
section packages
# dpkg's own architecture is the host's: that saves a process for `dpkg --print-architecture`.
package_rows '${Package} ${Architecture} ${db:Status-Abbrev} ${Version}' dpkg $packages
section disks
set -- / /var
for path in /var/lib/docker /var/lib/containerd; do [ ! -d "$path" ] || set -- "$@" "$path"; done
stat -f -c '%n %S %f %c %d %i' "$@"
section links
# Whether its MAC address is the device's own (0), whether the boot waits until it is online, and
# its MTU.
for path in /sys/class/net/*; do
  name=${path##*/}
  case $name in lo|veth*|br-*|docker*|'*') continue ;; esac
  assigned='' required='' index='' mtu=''
  [ ! -e "$path/device" ] || read -r assigned < "$path/addr_assign_type"
  read -r index < "$path/ifindex"
  read -r mtu < "$path/mtu"
  [ ! -f "/run/systemd/netif/links/$index" ] ||
    while IFS='=' read -r key value; do
      [ "$key" != REQUIRED_FOR_ONLINE ] || required=$value
    done < "/run/systemd/netif/links/$index"
  echo "$name ${assigned:--} ${required:--} ${mtu:-0}"
done 2>/dev/null
section cloud-init
read -r cmdline < /proc/cmdline
if [ -x /usr/bin/cloud-init ] && [ ! -e /etc/cloud/cloud-init.disabled ]; then
  case " $cmdline " in *' cloud-init=disabled '*) ;; *)
    echo enabled
    for path in /etc/cloud/cloud.cfg /etc/cloud/cloud.cfg.d/*.cfg; do
      [ ! -f "$path" ] || grep -ahE '^(preserve_hostname|ssh_deletekeys) *:' "$path"
    done ;;
  esac
fi
section expired
# sudo refuses whose password or account has expired, also without asking for a password.
today=$((${now%%.*} / 86400))
[ ! -f /etc/shadow ] || while IFS=: read -r name secret changed least most warned inactive expires rest; do
  [ -z "$expires" ] || [ "$expires" -gt "$today" ] || echo "account $name"
  case $changed:$most in
    0:*) echo "password $name" ;;
    :*|*:) ;;
    *) [ $((changed + most)) -ge "$today" ] || echo "password $name" ;;
  esac
done < /etc/shadow
section network
printf 'address show\nroute show\n' | ip -o -4 -batch - || exit
