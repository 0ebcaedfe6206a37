#!/bin/sh
# A fact: the address that the world sees of this host, and who answers behind its router.
#
# The second is asked with one packet that may pass one router only: the next one says that it has
# thrown the packet away, and so tells its address.
# url: of a page with a line "ip="; target: any address outside.
: "${url?}" "${target?}"

section seen
curl -4 -sS --max-time 5 --max-filesize 10000 "$url" 2>&1 || :
section hop
if command -v ping >/dev/null; then LC_ALL=C ping -n -c 1 -W 2 -t 2 "$target" 2>&1 || :; fi
