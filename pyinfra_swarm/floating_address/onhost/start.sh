#!/bin/sh
# keepalived runs, now and after every boot, unless its configuration is wrong.
#
# unit: keepalived's; configuration: its path; path: of the program, which makes the folder that
# keepalived is to watch: without, it would leave that out.
: "${unit?}" "${configuration?}" "${path?}"

"$path" prepare
keepalived --config-test --use-file "$configuration" >&2
systemctl daemon-reload
systemctl --quiet unmask "$unit"
systemctl --quiet enable "$unit"
systemctl reset-failed "$unit" 2>/dev/null || :
systemctl start "$unit"
