#!/bin/sh
# After a rollback: each interface is as its restored configuration says, or gone.
# Uses remembered, connect_again (vpn/endpoints).
#
# interfaces: the names, with blanks in between; folder: where their configurations are.
# shellcheck disable=SC2086
: "${interfaces?}" "${folder?}"
connected=$(remembered $interfaces)
# All of them first: one that goes may listen where another one did before.
for interface in $interfaces; do
  systemctl stop "wg-quick@$interface.service" 2>/dev/null || :
  ! ip link show dev "$interface" >/dev/null 2>&1 || ip link delete dev "$interface"
  systemctl reset-failed "wg-quick@$interface.service" 2>/dev/null || :
done
code=0
for interface in $interfaces; do
  [ ! -e "$folder/$interface.conf" ] || systemctl start "wg-quick@$interface.service" || code=1
done
connect_again "$connected"
exit $code
