#!/bin/sh
# Writes down what an interface runs with whose configuration is gone. Its addresses and its peers
# are in the kernel alone, so once it is taken down, nothing could bring it up again.
#
# interface: its name; config: the path of its configuration; mark: the first line of one of ours.
: "${interface?}" "${config?}" "${mark?}"
umask 077
# Whole, or not at all. It begins with [Interface], and has the private key in it: in a variable and
# by the shell's own printf, it is no word of a command.
live=$(wg showconf "$interface")
addresses=$(ip -o addr show dev "$interface" scope global)
{
  printf '%s\n[Interface]\n' "$mark"
  while read -r _ _ _ address _; do [ -z "$address" ] || echo "Address = $address"; done <<END
$addresses
END
  printf '%s\n' "${live#*]}"
} > "$config.new"
sync "$config.new"
mv -f "$config.new" "$config"
