#!/bin/sh
# lock_busy FILE: says for how many seconds the lock has been held, and by whom.
lock_busy() { echo "busy $(($(date +%s) - $(stat -c %Y "$1"))) $(cat "$1")"; }
