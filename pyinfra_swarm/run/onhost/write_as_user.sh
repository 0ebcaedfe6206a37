#!/bin/sh
# Writes its standard input to a file in a user's folder, as that user. Arguments: the folder, the
# file's name, other paths in the folder that go then.
umask 077
[ -d "$1" ] || mkdir "$1"
new=$(mktemp "$1/.$2.XXXXXX")
trap 'rm -f "$new"' EXIT
cat > "$new"
chmod 600 "$new"; sync "$new"
mv -fT "$new" "$1/$2"
shift 2
[ $# = 0 ] || rm -f "$@"
