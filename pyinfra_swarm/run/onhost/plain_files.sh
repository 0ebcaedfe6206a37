#!/bin/sh
# plain_files PATH...: ends the script where one of them is no plain file of at most 1 MiB, and says
# which. A pipe would be waited for, a directory read as an empty file; and the shell reads byte by
# byte.
plain_files() {
  for path; do
    [ -f "$path" ] || { show "$path" "$path" || odd "$path" "$path" "not there"; exit 0; }
  done
  for size in $(stat -L -c %s "$@"); do
    [ "$size" -le 1048576 ] || { odd "$1" "$1" "larger than 1 MiB"; exit 0; }
    shift
  done
}
