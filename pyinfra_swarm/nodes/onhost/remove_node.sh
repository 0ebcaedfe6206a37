#!/bin/sh
# Functions for a manager, to remove a node's entry that somebody else may remove as well.
#
# unless_gone COMMAND: runs a command about a node; it succeeds too where there is no such node any
#   more. Sets $said.
# remove_node [--force] ID: removes a node's entry, which can be done some seconds after it is down.
# Uses within.sh.

: "${DOCKER_HOST?}"
unless_gone() {
  said=$("$@" 2>&1) && return
  case $said in *"node "*" not found"*) ;; *) return 1 ;; esac
}
remove_node() { within 90 unless_gone docker node rm "$@" || { echo "$said" >&2; return 1; }; }
