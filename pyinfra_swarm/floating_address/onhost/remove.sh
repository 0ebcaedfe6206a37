#!/bin/sh
# Takes all that holds the address off the host; a configuration of somebody else's stays.
#
# unit: keepalived's; configuration, program, drop_in, loaded, availability, folder: paths; mark: the
# first line of a configuration of ours.
: "${unit?}" "${configuration?}" "${program?}" "${drop_in?}" "${loaded?}" "${folder?}" "${mark?}"
: "${availability?}"

first=
[ ! -f "$configuration" ] || read -r first < "$configuration" || :
if [ "$first" = "$mark" ]; then
  systemctl --quiet disable --now "$unit" 2>/dev/null || :
  [ ! -f "$program" ] || sh "$program" prepare # no new connection is held back any more
  rm -f "$configuration"
fi
rm -f "$drop_in" "$loaded" "$availability"
rmdir "${drop_in%/*}" 2>/dev/null || :
rm -rf "$folder"
systemctl daemon-reload
rm -f "$program"
