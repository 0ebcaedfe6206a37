#!/bin/sh
# Takes the firewall off: its units, its files, its rules. Fails where the rules are still there.
# Uses forget_change (rollback/plan), unload (firewall/host_files).
#
# files: paths of its files and links; docker_drop_ins: the folder of Docker's drop-ins; unit, watch,
# timer, refresh: its units; folders: its lists; locks: paths of its locks.
# shellcheck disable=SC2086,SC2154
: "${files?}" "${docker_drop_ins?}" "${unit?}" "${watch?}" "${timer?}" "${refresh?}" "${folders?}"
: "${locks?}"
# A change that nobody has confirmed would be undone later: the firewall would come back.
forget_change
systemctl --quiet disable --now "$timer" "$watch" 2>/dev/null || :
# Ended, not waited for: it holds the lock while Cloudflare does not answer.
systemctl stop "$refresh" 2>/dev/null || :
systemctl --quiet disable "$unit" 2>/dev/null || :
rm -f $files
rmdir "$docker_drop_ins" 2>/dev/null || :
# Docker would be stopped with the firewall's unit as long as it requires it.
systemctl daemon-reload
systemctl stop "$unit" 2>/dev/null || :
left=0
unload || left=$?
rm -rf $folders
rm -f $locks
# The files are gone all the same: with them a reboot would load the rules again. Without them it is
# one of the ways out, and this script brings its own for another run.
[ "$left" = 0 ] || {
  echo "the firewall's files are removed, but its rules could not be taken out of the kernel:" \
    "remove a rule of yours that leads to one of its chains (SWARM-…), if there is one, and run" \
    "this again; a reboot ends them as well" >&2
  exit "$left"
}
