#!/bin/sh
# units ARGUMENTS...: systemctl show; what it does not say is not taken for no.
units() {
  ! command -v systemctl >/dev/null || systemctl show "$@" ||
    { echo "systemctl show failed" >&2; exit 1; }
}
