#!/bin/sh
# Writes daemon.json from standard input, once the engine has found it valid.
#
# path: the file.
: "${path?}"
umask 022
mkdir -p "${path%/*}"
trap 'rm -f "$path.new"' EXIT
cat > "$path.new"
dockerd --validate --config-file "$path.new" >&2
sync "$path.new"
mv "$path.new" "$path"
