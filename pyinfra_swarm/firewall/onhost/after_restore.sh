#!/bin/sh
# After a rollback: loads what the restored files say. Where there are none, takes the rules out.
# Uses unload (firewall/host_files).
#
# firewall: path of the firewall's script; unit, watch, timer: its units; watch_file: the file of
# that unit; later: the exit code where the kernel's rules are not those yet, to be tried again.
# shellcheck disable=SC2154
: "${firewall?}" "${unit?}" "${watch?}" "${watch_file?}" "${timer?}" "${later?}"
code=0
systemctl daemon-reload
if [ -e "$firewall" ]; then
  sh "$firewall" load || code=$?
  # Not waited for: at boot, the firewall's units come after the rollback.
  if [ -e "$watch_file" ]; then systemctl --no-block restart "$watch"
  else systemctl stop "$watch" 2>/dev/null; fi
else
  systemctl stop "$unit" "$watch" "$timer" 2>/dev/null
  unload || code=$?
fi
# The script may be an earlier version's, which ends with 1 for every failure. Only 2 (and 126, 127:
# a script that the shell cannot read) is not worth another try.
case $code in 0) ;; 2 | 126 | 127) code=1 ;; *) code=$later ;; esac
exit "$code"
