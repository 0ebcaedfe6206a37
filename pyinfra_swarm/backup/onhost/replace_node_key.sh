#!/bin/sh
# Puts the unlocked key from standard input in its place while the engine is stopped. It uses
# engine.sh.
#
# key: path of the node's private key. digest: SHA-256 of the locked key that was unlocked.

: "${key?} ${digest?}"
umask 077
trap 'rm -f "$key.unlocked"' EXIT
cat > "$key.unlocked"
trap 'rm -f "$key.unlocked"; start_engine' EXIT
stop_engine
[ "$(sha256sum < "$key")" = "$digest  -" ] || {
  echo "the engine has changed the key in the meantime; run again" >&2; exit 1; }
sync "$key.unlocked"
mv -f "$key.unlocked" "$key"
