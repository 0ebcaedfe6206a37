#!/bin/sh
# reachable_manager: whether a node, as the engine described it in $answer, is a reachable manager
#   that is ready.
#
# Labels, and the node's own words about its engine, are texts in the same answer and can be called
# anything; they are never objects.
#
# shellcheck disable=SC2154  # api sets $answer

reachable_manager() {
  case $answer in *'"ManagerStatus":{'*'"Reachability":"reachable"'*) ;; *) return 1;; esac
  case $answer in *'"Status":{"State":"ready"'*) ;; *) return 1;; esac
}
