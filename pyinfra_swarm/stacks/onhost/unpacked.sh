#!/bin/sh
# unpacked: a stack's files from standard input (tar in base64) in a folder of root's, which goes
# when the script ends; the working folder is then the one of the files.
#
# In /run, which is memory: what stands in them may be meant for nobody else.

unpacked() {
  umask 077
  folder=$(mktemp -d /run/pyinfra-swarm-stack.XXXXXX)
  trap 'rm -rf "$folder"' EXIT
  trap 'exit 1' HUP INT TERM
  base64 -d | tar -x -C "$folder"
  cd "$folder/files" || exit
}
