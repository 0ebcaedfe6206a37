#!/bin/sh
# The engine, stopped while its files are read or changed, and started again.
#
# running: whether it runs.
# stop_engine: stops it, and its socket, by which any client would start it again.
# start_engine: starts what stop_engine has stopped. systemd refuses a unit that was started three
#   times within a minute, unless the count is reset.

running() {
  pid=; [ ! -r /run/docker.pid ] || read -r pid < /run/docker.pid
  [ -n "$pid" ] && [ -d "/proc/$pid" ]
}
socket=
stop_engine() {
  if systemctl is-active docker.socket >/dev/null 2>&1; then
    socket=yes; systemctl stop docker.socket || return 1
  fi
  systemctl stop docker || return 1
  ! running || { echo "the engine runs again although it was stopped"; return 1; }
}
start_engine() {
  systemctl reset-failed docker.socket docker.service 2>/dev/null || :
  [ -z "$socket" ] || systemctl start docker.socket || return 1
  systemctl start docker
}
