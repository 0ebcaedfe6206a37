#!/bin/sh
# Prints the key that Docker's repository publishes, or why it could not be fetched.
#
# url: where; longest: bytes.
: "${url?}" "${longest?}"
if out=$(curl -fsSL --max-time 30 --max-filesize "$longest" --retry 2 "$url" 2>&1)
then section key; else section error; fi
printf '%s\n' "$out"
