#!/bin/sh
# Function: `optional_parts` prints `keepalived` or `vpn`, and what there is of it. Where there is
# nothing, and none is declared, the part that looks closer need not ask this host at all. Uses
# unconfirmed (rollback/plan); the shell's own words.
optional_parts() {
  for path in /etc/keepalived/keepalived.conf /etc/systemd/system/keepalived.service.d \
    /usr/local/lib/pyinfra-swarm/floating-address; do
    [ ! -e "$path" ] || { echo "keepalived $path"; break; }
  done
  for path in /etc/wireguard/*.conf /etc/wireguard/*.key /run/wireguard/*.sock \
    /etc/systemd/system/*.wants/wg-quick@*.service \
    /run/tailscale/tailscaled.sock /sys/class/net/tailscale0 /sys/class/net/wt0; do
    [ ! -e "$path" ] || { echo "vpn $path"; break; }
  done
  for path in /sys/class/net/*/uevent; do
    kind=''
    read -r kind < "$path"
    [ "$kind" != DEVTYPE=wireguard ] || { echo "vpn $path"; break; }
  done 2>/dev/null
  ! unconfirmed || echo "vpn unconfirmed"
}
