#!/bin/sh
# keepalived runs, now and after every boot, unless its configuration is wrong.
#
# unit: keepalived's; configuration: its path.
: "${unit?}" "${configuration?}"

keepalived --config-test --use-file "$configuration" >&2
systemctl daemon-reload
systemctl --quiet unmask "$unit"
systemctl --quiet enable "$unit"
systemctl reset-failed "$unit" 2>/dev/null || :
systemctl start "$unit"
