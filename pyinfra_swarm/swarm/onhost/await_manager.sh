#!/bin/sh
# Waits until this new manager answers for the swarm. Uses api.sh and within.sh.
#
# Others call a new manager reachable some time before it can answer itself (26.1.5).
# shellcheck disable=SC2034

answers() { said=$(api http://localhost/nodes 2>&1); }
pause=0.2
within 60 answers || { echo "$said" >&2; exit 1; }
