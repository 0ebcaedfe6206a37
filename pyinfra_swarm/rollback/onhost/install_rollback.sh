#!/bin/sh
# Functions that install the rollback on a host. The timer is armed by arm.sh.

rollback_install() { # PATH CONTENT: one of the rollback's own files, where it is missing or another
  [ -e "$1" ] && [ "$(cat "$1")" = "$2" ] || {
    mkdir -p "${1%/*}"
    printf '%s\n' "$2" > "$1.new"; sync "$1.new"; mv -f "$1.new" "$1"
  }
}

rollback_enable() { # UNIT LINK: at the next boot
  [ -h "$2" ] || { mkdir -p "${2%/*}"; ln -s "../$1" "$2"; }
}

rollback_is_armed() { # FOLDER: ends the script where the time to confirm the change is over
  [ -e "$1/armed" ] || {
    echo "this took longer than ssh.rollback_after allows, so the change was rolled back" >&2
    exit 1
  }
}
