#!/bin/sh
# Waits until this demoted engine knows that it is a worker. Uses within.sh.
#
# Some seconds pass until it does (seen with 26.1.5: up to 8).

: "${DOCKER_HOST?}"
state() { docker info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}}' 2>&1; }
is_worker() { case $(state) in "active false" | "error false") ;; *) return 1 ;; esac; }
within 90 is_worker || {
  echo "demoted, but after 90 s its engine still acts as a manager. Run again; if it stays so:" \
    "systemctl restart docker" >&2; exit 1; }
