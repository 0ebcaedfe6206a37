#!/bin/sh
# Takes an interface down, for good. Uses remember (vpn/endpoints).
#
# interface: its name; config: the path of its configuration.
: "${interface?}" "${config?}"
remember "$interface"
systemctl --quiet disable --now "wg-quick@$interface.service" 2>/dev/null || :
! ip link show dev "$interface" >/dev/null 2>&1 || ip link delete dev "$interface"
rm -f "$config"
