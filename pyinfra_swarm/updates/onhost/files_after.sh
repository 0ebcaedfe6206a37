#!/bin/sh
# files_after PATH: a section with the head of each file that Perl's sort puts after PATH, among
# those of its folder that end as it does; at most 20 files. Uses section (run/answer).
#
# Programs that read a folder of settings leave hidden files out, as the shell does.
# shellcheck disable=SC3012 # in the C locale every shell compares bytes, as Perl does
files_after() (
  export LC_ALL=C
  left=20
  for path in "${1%/*}"/*."${1##*.}"; do
    [ "$path" \> "$1" ] && [ -f "$path" ] && [ ! -h "$path" ] && [ "$left" -gt 0 ] || continue
    left=$((left - 1))
    section "after $path"
    dd if="$path" iflag=nofollow,nonblock bs=16384 count=1 status=none 2>/dev/null
  done
  exit 0
)
