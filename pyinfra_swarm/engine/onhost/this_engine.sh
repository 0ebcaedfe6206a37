#!/bin/sh
# Docker's command line asks this host's own engine from here on, whatever root's own settings say (a
# context, DOCKER_HOST). A program that runs it names DOCKER_HOST at its head, like any other value.

export DOCKER_HOST=unix:///run/docker.sock
