#!/bin/sh
# Writes the configuration, with the host's own private key in it, and brings it up.
# Uses remember, endpoints, connect_again (vpn/endpoints).
#
# interface: the interface's name; key, config: paths; head, body: the configuration before and
# behind the private key; restart: yes where reading the peers anew is not enough.
: "${interface?}" "${key?}" "${config?}" "${head?}" "${body?}" "${restart?}"
umask 077
remember "$interface"
# The key goes from file to file: as a word of a command, everybody on the host could see it.
{ printf '%s\nPrivateKey = ' "$head"; cat "$key"; printf '%s\n' "$body"; } > "$config.new"
sync "$config.new"
mv -f "$config.new" "$config"
systemctl --quiet enable "wg-quick@$interface.service"
if [ "$restart" = no ] && systemctl --quiet is-active "wg-quick@$interface.service"; then
  # Whole, or not at all: nothing, read as a configuration, is one without a key and without peers.
  live=$(wg-quick strip "$interface")
  printf '%s\n' "$live" | wg syncconf "$interface" /dev/stdin
else
  connected=$(endpoints "$interface")
  systemctl stop "wg-quick@$interface.service" 2>/dev/null || :
  # Brought up by hand, the unit does not know of it.
  ! ip link show dev "$interface" >/dev/null 2>&1 || ip link delete dev "$interface"
  systemctl reset-failed "wg-quick@$interface.service" 2>/dev/null || :
  systemctl start "wg-quick@$interface.service" || {
    journalctl -q -o cat -n 5 -u "wg-quick@$interface.service" >&2
    exit 1
  }
  connect_again "$connected"
fi
