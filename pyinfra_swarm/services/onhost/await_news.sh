#!/bin/sh
# On a manager: prints a service, by id, and its tasks, as soon as they differ from what is known, or
# when the time is up; nothing but the section "gone" where there is no such service. Uses api.sh.
#
# known: what it called its last answer. It tries on where the managers have no leader for a moment.
# shellcheck disable=SC2154
: "${service?}" "${known?}" "${seconds?}"

tasks="http://localhost/tasks?filters=%7B%22service%22%3A%7B%22$service%22%3Atrue%7D%7D"
look() {
  api "http://localhost/services/$service" || { [ "$code" = 404 ] || return 1; said=gone; return 0; }
  one=$answer
  api "$tasks" || return 1
  said=$one all=$answer
}
news() {
  look 2>/dev/null || return 1
  mark=$(printf '%s' "$said$all" | cksum)
  [ "$mark" != "$known" ]
}
said='' all='' mark=''
end=$(($(date +%s) + seconds))
until news || [ "$(date +%s)" -ge "$end" ]; do sleep 0.5; done
[ -n "$said" ] || look
[ "$said" != gone ] || { section gone; exit 0; }
section known; echo "$mark"
section service; printf '%s\n' "$said"
section tasks; printf '%s\n' "$all"
