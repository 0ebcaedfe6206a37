#!/bin/sh
# Starts the engine, or restarts it, however often it has failed before; it starts at boot, too.
#
# may_wait_for: a unit. While that has failed, the engine does not start, which is no error;
# empty: there is no such unit.
: "${may_wait_for?}"
systemctl daemon-reload
systemctl enable docker.service
systemctl reset-failed docker.socket docker.service 2>/dev/null || :
systemctl restart docker.service ||
  { [ -n "$may_wait_for" ] && systemctl --quiet is-failed "$may_wait_for"; } ||
  { journalctl -u docker.service -n 20 --no-pager >&2; exit 1; }
