#!/bin/sh
# attached_to_ingress [CURL-ARGUMENTS]: whether this engine is attached to the ingress network.
# Without, the ports that services publish do not answer on this host. Uses api.sh and
# is_attached.sh.
# shellcheck disable=SC2154

attached_to_ingress() {
  api "$@" http://localhost/networks/ingress 2>/dev/null || return 1
  is_attached "$answer"
}
