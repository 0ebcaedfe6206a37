#!/bin/sh
# Which of some paths are not on this host, one a line.
# paths: one a line.
: "${paths?}"

section missing
printf '%s\n' "$paths" | while IFS= read -r path; do
  [ -e "$path" ] || printf '%s\n' "$path"
done
