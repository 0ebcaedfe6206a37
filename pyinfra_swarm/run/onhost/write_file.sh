#!/bin/sh
# write_file PATH MODE CONTENT: writes a file of root's beside its place, then renames it.
write_file() {
  # shellcheck disable=SC2174 # its parent is always there
  [ -d "${1%/*}" ] || mkdir -p -m 755 "${1%/*}"
  printf '%s\n' "$3" > "$1.new"
  chown root: "$1.new"; chmod "$2" "$1.new"; sync "$1.new"
  mv -f "$1.new" "$1"
}
