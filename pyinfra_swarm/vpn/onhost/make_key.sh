#!/bin/sh
# Makes the host's private key, unless its interface still has one. It is printed nowhere.
#
# interface: the interface's name; key: the path of the file.
: "${interface?}" "${key?}"
umask 077
mkdir -p "${key%/*}"
if ! wg show "$interface" private-key > "$key.new" 2>/dev/null ||
  ! wg pubkey < "$key.new" >/dev/null 2>&1; then
  wg genkey > "$key.new"
fi
sync "$key.new"
mv -f "$key.new" "$key"
