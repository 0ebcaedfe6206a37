"""What the managers agree on for the whole swarm, changed through the engine's API.

Shell for the acting manager. An answer that may hold a join token or the unlock key is kept in the
shell's own variables, and never printed.
"""

from __future__ import annotations

UPDATE_SWARM = """\
ask() {
  answer=$(curl -sS --max-time 60 --unix-socket /run/docker.sock -w '\\n%{http_code}' \
    -H 'Content-Type: application/json' "$@" 2>/dev/null) ||
    { echo "the engine gave no answer" >&2; return 1; }
  code=${answer##*
}
  answer=${answer%
*}
  case $code in 2??) return 0;; *) echo "the engine answered $code: $answer" >&2; return 1;; esac
}
try_update() {
  ask http://localhost/swarm || return 1
  version=${answer#*'"Index":'}
  version=${version%%[!0-9]*}
  spec=${answer#*'"Spec":'}
  spec=${spec%%',"TLSInfo":'*}
  edit
  ask --data-binary "$spec" "http://localhost/swarm/update?version=$version$1"
}
edit() { :; }
replace() { spec=$(printf '%s' "$spec" | sed "$1"); }
update_swarm() {
  tries=0
  until words=$(try_update "$1" 2>&1); do
    tries=$((tries + 1))
    case $words in *"out of sequence"*) ;; *) echo "$words" >&2; return 1;; esac
    [ $tries -lt 10 ] || { echo "$words" >&2; return 1; }
    sleep 0.2
  done
}
"""
"""Shell: ``update_swarm QUERY`` writes the swarm's specification anew, changed by the function
``edit`` (which sets ``spec``, as ``replace SED-EXPRESSION`` does). The engine refuses it where the
swarm has changed since it was read (“update out of sequence”): then it is read again."""

AUTOLOCK = """\
edit() {{ replace 's/"AutoLockManagers":[a-z]*/"AutoLockManagers":{on}/'; }}
update_swarm ''
"""

PRINT_UNLOCK_KEY = """\
ask http://localhost/swarm/unlockkey
key=${answer#*'"UnlockKey":"'}
key=${key%%'"'*}
case $key in SWMKEY-*) echo "$key" ;; *) echo "the engine gave no unlock key" >&2; exit 1 ;; esac
"""
"""Shell: prints the unlock key alone. To be run with printing off, and kept in memory only."""
