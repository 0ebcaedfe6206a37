#!/bin/sh
# Prints what the firewall has on this host beside its rules, and what is around it.
# Uses section, show (run/answer), units (run/units), engine_state, ask (engine/api), unconfirmed
# (rollback/plan), login_by (run/login).
#
# files, links: paths of its files, and of the links by which its units start at boot.
# shown_units: its units and those of other firewalls; sshd_config, sshd_drop_ins: sshd's file and
# folder; interface_list: the host's list of Docker's bridges.
# shellcheck disable=SC2086,SC2154,SC2231,SC3013
: "${files?}" "${links?}" "${shown_units?}" "${sshd_config?}" "${sshd_drop_ins?}"
: "${interface_list?}"
section spoken; [ ! -e /proc/net/if_inet6 ] || echo ipv6
set --
for path in $files; do
  if [ -f $path ]; then set -- "$@" $path; else show "ours $path" $path; fi
done
section sums; [ $# = 0 ] || sha256sum "$@"
section links
for link in $links; do [ ! -h $link ] || echo "${link##*/}"; done
section units
units -p Id,LoadState,ActiveState,UnitFileState,Requires,ActiveEnterTimestampMonotonic \
  $shown_units docker.service ssh.socket
section up; read -r up _ < /proc/uptime; echo "$up"
section listen; units -p Listen --value ssh.socket
for path in $sshd_config $sshd_drop_ins/*.conf; do  # sshd itself would wait for a pipe
  [ -f "$path" ] || [ ! -e "$path" ] || [ "$path" -ef /dev/null ] ||
    { show config "$path"; exit 0; }
done
section ports
if command -v sshd >/dev/null; then
  if said=$(sshd -T 2>&1); then printf '%s\n' "$said" | grep -aE '^(port|listenaddress) '
  else section sshd-fails; printf '%s\n' "${said:-it does not say why}"; fi
fi
section ufw; [ ! -f /etc/ufw/ufw.conf ] || grep -as '^ENABLED=' /etc/ufw/ufw.conf
section login; tr '\0' '\n' < /proc/$PPID/environ | grep ^SSH_CONNECTION=
login_by
section vpns
for link in /etc/systemd/system/*.wants/wg-quick@*.service \
  /etc/systemd/system/*.wants/tailscaled.service /etc/systemd/system/*.wants/netbird.service; do
  [ ! -h "$link" ] || echo "${link##*/}"
done
section bridges
[ "$(engine_state)" != running ] ||
  ask 'http://localhost/networks?filters=%7B%22driver%22%3A%5B%22bridge%22%5D%7D'
show interfaces $interface_list || section interfaces
if unconfirmed; then section unconfirmed; fi
