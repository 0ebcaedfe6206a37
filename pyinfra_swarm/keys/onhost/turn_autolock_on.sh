#!/bin/sh
# Turns autolock on and prints the unlock key. It uses engine and update.

update swarm update --autolock=true
engine swarm unlock-key -q
