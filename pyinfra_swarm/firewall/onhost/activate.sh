#!/bin/sh
# Has systemd read the new files, loads the rules, and starts the units.
# Uses reset_docker (engine/api).
#
# firewall: path of the firewall's script; unit, watch, timer: its units, the timer empty where there
# is none; locks: paths of its locks.
# shellcheck disable=SC2086,SC2154
: "${firewall?}" "${unit?}" "${watch?}" "${timer?}" "${locks?}"
systemctl daemon-reload
# Docker may have been asked for while the rules could not be loaded: each time used up one of the
# starts that systemd grants a unit.
systemctl reset-failed "$unit" 2>/dev/null || :
reset_docker
# An earlier version let every user open the locks, and a user who can open a lock can hold it.
chmod -f 600 $locks || :
# Before the rules are loaded: containers are not cut off from their own host for a moment.
sh "$firewall" look
# The unit's start loads the rules, too, but only its first one.
if systemctl --quiet is-active "$unit"; then sh "$firewall" load
elif ! systemctl start "$unit"; then
  journalctl -q -o cat -n 5 -u "$unit" >&2
  exit 1
fi
systemctl restart "$watch"
[ -z "$timer" ] || systemctl start "$timer"
