#!/bin/sh
# On another manager, after demote.sh: waits until the node is no manager, another leads, and that
# one knows its nodes again. Uses api.sh and within.sh.
#
# A new leader calls all nodes unknown until they have reconnected to it (seen with 26.1.5).
# shellcheck disable=SC2154
: "${node?}"

left() {
  api "http://localhost/nodes/$node" 2>/dev/null || return 1
  case $answer in *'"ManagerStatus":{'*) return 1 ;; esac
}
led() {
  api http://localhost/nodes 2>/dev/null || return 1
  case $answer in *'"Leader":true'*) ;; *) return 1 ;; esac
}
passed_on() { left && led; }
within 90 passed_on || {
  echo "its role is worker now, but after 90 s it is still among the managers, or no" \
    "manager leads: look at 'docker node ls' there, and run again" >&2; exit 1; }
known() {
  api http://localhost/nodes 2>/dev/null || return 1
  case $answer in *'"Status":{"State":"unknown"'*) return 1 ;; esac
}
within 30 known || :
