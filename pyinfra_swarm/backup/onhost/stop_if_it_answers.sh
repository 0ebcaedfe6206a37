#!/bin/sh
# Stops here if this manager answers for the swarm, as it does with a quorum only. It uses api and
# within.
#
# It runs in the same script as what it forbids: a switch may have come back a moment ago. An engine
# that has just been started finds the others within seconds.

answers() { api --max-time 20 http://localhost/nodes 2>/dev/null; }
! within 10 answers || {
  echo "this manager answers for the swarm, so there is a quorum again. Nothing was forced. Look" \
    "whether anything is missing: docker node ls" >&2
  exit 1
}
