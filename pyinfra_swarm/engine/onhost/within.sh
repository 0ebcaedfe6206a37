#!/bin/sh
# within SECONDS COMMAND: repeats a command until it succeeds; fails when the time is up.
#
# It goes by the clock: an engine that is slow to answer may take longer for one answer than for all
# the pauses. $pause: seconds in between.

within() {
  end=$(($(date +%s) + $1)); shift
  until "$@"; do [ "$(date +%s)" -lt $end ] || return 1; sleep "${pause:-1}"; done
}
