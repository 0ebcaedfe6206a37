#!/bin/sh
# A fact: what this host has of the floating address, and whether it could hold it. Uses section,
# show, units and package_rows.
#
# package, unit: keepalived's; configuration, files: of ours; program: one of them; role, given_up,
# loaded: what it keeps. mark: the first line of a configuration of ours. One of somebody else's is
# not printed: it may hold a password.
# shellcheck disable=SC2016,SC2086 # a format of dpkg's own; paths, one a word
: "${package?}" "${unit?}" "${configuration?}" "${files?}" "${program?}" "${role?}" "${given_up?}"
: "${loaded?}" "${mark?}"

section package
package_rows '${Package} ${db:Status-Status} ${Version}' $package
first=
[ ! -f "$configuration" ] || read -r first < "$configuration" || :
if [ ! -f "$configuration" ] || [ "$first" = "$mark" ]; then
  show configuration "$configuration" || section configuration
else
  section configuration
  [ ! -s "$configuration" ] || echo "somebody else's"
fi
section sums
for path in $files; do
  [ ! -f "$path" ] || { [ "$path" = "$program" ] && [ ! -x "$path" ]; } || sha256sum "$path"
done
show loaded "$loaded" || section loaded
show given_up "$given_up" || section given_up
show role "$role" || section role
section unit
units -p Id -p ActiveState -p UnitFileState -p NeedDaemonReload $unit
section addresses
ip -j address show
section clock
date +%s
section problem
health=0
[ ! -f "$program" ] || sh "$program" healthy || health=$?
section health
echo $health
