#!/bin/sh
# write_in_home USER PROGRAM CONTENT FOLDER NAME [PATH...]: has the program write a file as its user.
write_in_home() {
  as=$1 program=$2 content=$3
  shift 3
  printf '%s\n' "$content" |
    timeout -k 5 30 setpriv --reuid "$as" --regid "$(id -g "$as")" --init-groups \
      sh -euc "$program" write "$@" || {
    echo "user $as cannot write $1/$2: both have to belong to that user" >&2
    exit 1
  }
}
