#!/bin/sh
# Turns autolock on and prints the unlock key. It uses update.

update swarm update --autolock=true
timeout 60 docker swarm unlock-key -q
