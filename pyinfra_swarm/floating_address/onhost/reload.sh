#!/bin/sh
# The running keepalived reads its configuration, unless that is wrong.
#
# unit: keepalived's; configuration: its path.
: "${unit?}" "${configuration?}"

keepalived --config-test --use-file "$configuration" >&2
systemctl daemon-reload
systemctl reload "$unit"
