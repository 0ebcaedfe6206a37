#!/bin/sh
# A fact: the fingerprint of the swarm's unlock key; nothing where the swarm has none.
# Uses state.sh.
#
# What cannot be asked is not “none”. An answer that may hold the key is never printed, nor a part of
# it, as where curl's time is over in its middle.
#
# fingerprinted: what stands before the key in what is hashed.

: "${fingerprinted?}"
state=$(engine_state)
[ "$state" = running ] || { echo "the engine is $state" >&2; exit 1; }
whole=yes
answer=$(ask http://localhost/swarm/unlockkey) || whole=
case $whole$answer in
  'yes{'*'"UnlockKey":""'*) ;;
  'yes{'*'"UnlockKey":"SWMKEY-'*'"'*)
    key=${answer#*'"UnlockKey":"'}
    printf '%s%s' "$fingerprinted" "${key%%'"'*}" | sha256sum ;;
  *Unlock*|*SWMKEY*) echo "the engine's answer with the unlock key is not whole" >&2; exit 1 ;;
  *) printf '%s\n' "${answer:-the engine gave no answer}" >&2; exit 1 ;;
esac
