#!/bin/sh
# Who is connected stays so, though an interface goes down for a moment.
#
# A client notices only when it gets no answer for 15 seconds, and one that waits for the host's
# answer not at all. The host would know nobody's place any more. So it remembers them, and begins
# the handshake itself.
#
# places: the beginning of the paths where places are kept, until the next boot.
: "${places?}"

remember() { # INTERFACE: for the case that what comes now is undone
  (umask 077; endpoints "$1" > "$places$1")
}

remembered() { # INTERFACE...: what was connected before, and is now
  for name do
    [ ! -f "$places$name" ] || cat "$places$name"
    endpoints "$name"
  done
}

endpoints() { # INTERFACE...: prints the place of each connected peer
  for name do
    while read -r peer at; do
      case $at in '' | '(none)') ;; *) echo "$name $peer $at" ;; esac
    done <<EOF
$(wg show "$name" endpoints 2>/dev/null)
EOF
  done
}

connect_again() { # what endpoints printed; for peers that are still known
  while read -r name peer at; do
    case $at$(wg show "$name" peers 2>/dev/null) in
    ?*"$peer"*) # Asked to keep it alive, it begins at once.
      wg set "$name" peer "$peer" endpoint "$at" persistent-keepalive 1 &&
        wg set "$name" peer "$peer" persistent-keepalive off || : ;;
    esac
  done <<EOF
$1
EOF
}
