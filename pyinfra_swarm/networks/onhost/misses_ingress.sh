#!/bin/sh
# Prints this node's id where its engine is not attached to the ingress network within 5 seconds.
# Uses attached.sh and within.sh.
#
# An engine that learns of the network creates it before it has noted its own address there, and
# where it is too quick it gives up for good (“failed to find a load balancer IP to use for network”
# in its log; seen with 26.1.5, once in twenty times on a busy machine).
# shellcheck disable=SC2034

: "${DOCKER_HOST?}"
pause=0.2
within 5 attached_to_ingress || docker info --format '{{.Swarm.NodeID}}'
