#!/bin/sh
# The running keepalived reads its configuration, unless that is wrong.
#
# unit: keepalived's; configuration: its path; path: of the program, which makes the folder that
# keepalived is to watch: without, it would leave that out.
: "${unit?}" "${configuration?}" "${path?}"

"$path" prepare
keepalived --config-test --use-file "$configuration" >&2
systemctl daemon-reload
systemctl reload "$unit"
