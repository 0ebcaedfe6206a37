#!/bin/sh
# Runs the function asked, and prints all that it says, encoded: sections under a mark that nobody
# can know, its standard error, its exit status.
: "${read_at_most?}" "${words_at_most?}"
odd() { printf '\n#- %s %s\n%s is %s\n' "$SECTION_MARK" "$1" "$2" "$3"; }
begin() { printf '\n#= %s %s\n%s\n' "$SECTION_MARK" "$1" "$2"; }
show() {
  if [ -f "$2" ]; then
    begin "$1" "$2"
    head -c "$read_at_most" "$2" || odd "$1" "$2" "not readable"
  elif [ -d "$2" ]; then odd "$1" "$2" "a directory"
  elif [ -e "$2" ]; then odd "$1" "$2" "a device or a pipe"
  elif [ -h "$2" ]; then odd "$1" "$2" "a link to nothing"
  else return 1; fi
}
read -r SECTION_MARK < /proc/sys/kernel/random/uuid || exit
readonly SECTION_MARK
printf '\n#> %s\n' "$SECTION_MARK"
{
  words=$(asked 2>&1 >&3 3>&-)
  printf '\n#! %s\n%.*s\n#. %s %s\n' "$SECTION_MARK" "$words_at_most" "$words" "$SECTION_MARK" $?
} 3>&1 | base64 -w 8000
