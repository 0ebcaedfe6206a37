#!/bin/sh
# For a fact that asks Docker's command line: ends where the engine does not run. Uses state.sh.
#
# What cannot be asked is not “none”, and a stopped engine would be started by its socket.

state=$(engine_state)
[ "$state" != absent ] || exit 0
[ "$state" = running ] || { echo "the engine is $state" >&2; exit 1; }
