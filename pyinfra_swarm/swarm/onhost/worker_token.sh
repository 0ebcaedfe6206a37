#!/bin/sh
# On a manager: prints the token that lets a worker in, and nothing else.

: "${DOCKER_HOST?}"
token=$(docker swarm join-token --quiet worker)
case $token in SWMTKN-*) echo "$token" ;; *) exit 1 ;; esac
