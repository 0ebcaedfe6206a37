#!/bin/sh
# Takes an interface of ours down, for good. Uses remember (vpn/endpoints).
#
# interface: its name; config, key, link: paths of its configuration, its private key, and the link
# by which it starts at boot.
: "${interface?}" "${config?}" "${key?}" "${link?}"
remember "$interface"
systemctl --quiet disable --now "wg-quick@$interface.service" 2>/dev/null || :
! ip link show dev "$interface" >/dev/null 2>&1 || ip link delete dev "$interface"
# The link as well: systemctl leaves it where the unit's own file has gone with its package.
rm -f "$config" "$key" "$link"
