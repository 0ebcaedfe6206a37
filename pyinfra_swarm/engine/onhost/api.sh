#!/bin/sh
# The engine's API. A request costs a small board less than a start of Docker's command line.
#
# api CURL-ARGUMENTS: sends a request; sets $answer and, where there was one, $code. It fails where
#   the engine gives no answer or another code than 2xx, and says why on standard error. It never
#   prints an answer that could hold a secret.
#
# It comes with this_engine.sh: a check that Docker's command line makes is about the engine that is
# then sent a request.

api() {
  code=
  answer=$(curl -sS --max-time 60 --unix-socket /run/docker.sock -w '\n%{http_code}' \
    -H 'Content-Type: application/json' "$@") || return 1
  code=${answer##*
}
  answer=${answer%
*}
  case $code in 2??) return 0;; *) echo "the engine answered $code: $answer" >&2; return 1;; esac
}
