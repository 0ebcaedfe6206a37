#!/bin/sh
# Prints what this host has of VPNs. A private key is read, compared, and never printed.
# Uses section (run/answer), login_by (run/login), unconfirmed (rollback/plan).
#
# folder: where WireGuard's configurations are; mark: the first line of one of ours.
# shellcheck disable=SC3013
: "${folder?}" "${mark?}"
section tools
! command -v wg-quick >/dev/null || echo tools
if [ -e /sys/module/wireguard ] || modprobe -nq wireguard 2>/dev/null; then echo kernel; fi
! command -v wireguard-go >/dev/null || echo userspace
# Of a link, what counts is who may read the file that it leads to; "- -" where it leads nowhere.
access() { stat -L -c '%a %U' "$1" 2>/dev/null || echo - -; }
section configs
# A link that leads nowhere is one of somebody else's, on a file system that is not mounted. The name
# is whatever somebody has called a file: the last of the line, if it is one line.
for file in "$folder"/*.conf; do
  [ -f "$file" ] || [ -h "$file" ] || continue
  name=${file##*/} name=${name%.conf} line='' own=no
  case $name in *[[:cntrl:]]*) continue ;; esac
  IFS= read -r line 2>/dev/null < "$file"
  if [ "$line" != "$mark" ]; then echo "foreign $name"; continue; fi
  inside=$(sed -n 's/^PrivateKey = //p' "$file")
  if [ -n "$inside" ] && [ -f "$folder/$name.key" ] &&
    [ "$inside" = "$(cat "$folder/$name.key")" ]; then own=yes; fi
  total=$(sed '/^PrivateKey = /d' "$file" | sha256sum)
  echo "ours ${total%% *} $own $(access "$file") $name"
done
section keys
for file in "$folder"/*.key; do
  [ -f "$file" ] || [ -h "$file" ] || continue
  name=${file##*/} public=$(wg pubkey 2>/dev/null < "$file") || public=
  case $name in *[[:cntrl:]]*) continue ;; esac
  echo "$(access "$file") ${public:--} ${name%.key}"
done
section starts
for link in /etc/systemd/system/*.wants/wg-quick@*.service; do
  [ -h "$link" ] || continue
  name=${link##*/wg-quick@}
  echo "${name%.service}"
done
section running
for name in $(wg show interfaces 2>/dev/null); do
  # Not “dump”: its first line is the private key.
  echo "$name key $(wg show "$name" public-key)"
  echo "$name port $(wg show "$name" listen-port)"
  wg show "$name" allowed-ips | while read -r peer from; do echo "$name peer $peer $from"; done
done
section addresses; ip -o addr show
section login; tr '\0' '\n' < /proc/$PPID/environ | sed -n 's/^SSH_CONNECTION=//p'
login_by
section tailscale
if [ -S /run/tailscale/tailscaled.sock ] && command -v tailscale >/dev/null; then
  echo runs
  timeout 5 tailscale debug prefs 2>/dev/null
fi
if unconfirmed; then section unconfirmed; fi
