#!/bin/sh
# list_services: prints the swarm's services as the engine describes them (JSON); it fails where it
#   does not. They may hold passwords: whoever runs it shows nothing of it.
# Uses api.sh.
# shellcheck disable=SC2154

list_services() {
  api http://localhost/services || return 1
  printf '%s\n' "$answer"
}
