#!/bin/bash
# Takes the cluster's lock and holds it until standard input ends or falls silent.
: "${lock?}" "${last_holder?}" "${patience?}" "${silence?}"
umask 077
exec 9<>"$lock" || exit
if ! flock -w "$patience" 9; then
  lock_busy "$lock"
  exit
fi
IFS= read -r -t "$silence" holder || exit
last=
[ ! -s "$last_holder" ] || IFS= read -r last < "$last_holder"
printf '%s\n' "$holder" > "$last_holder" && printf '%s\n' "$holder" > "$lock" || exit
echo "held $last"
while read -r -t "$silence" _; do echo; done
: > "$lock"
