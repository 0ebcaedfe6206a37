#!/bin/sh
# For facts: whether the engine runs, and what it answers.
#
# engine_state: prints "absent", "stopped", "running" or "unreachable: why". It does not connect
#   to the socket, which would start a stopped engine.
# ask URL…: prints what the engine answers, or why it does not; one process for any number of URLs.
#   The engine itself gives up on a swarm without a leader after 20 seconds and then says so; curl
#   waits for these words.

engine_state() {
  if [ ! -S /run/docker.sock ] && [ ! -x /usr/bin/dockerd ]; then echo absent; return; fi
  if [ -f /run/docker.pid ]; then pid=; read -r pid < /run/docker.pid
  elif [ -e /run/docker.pid ] || [ -h /run/docker.pid ]; then pid=none
  else echo stopped; return; fi
  case $pid in ""|*[!0-9]*) echo "unreachable: /run/docker.pid holds no number"; return;; esac
  if [ ! -d "/proc/$pid" ]; then echo stopped; return; fi
  if ! command -v curl >/dev/null; then echo "unreachable: curl is not installed"; return; fi
  echo running
}
ask() { curl -sS --max-time 25 --unix-socket /run/docker.sock "$@" 2>&1; }
