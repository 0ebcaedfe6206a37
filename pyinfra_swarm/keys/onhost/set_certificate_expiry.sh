#!/bin/sh
# Has new certificates be valid for some seconds. It uses update.

: "${seconds?}"
update swarm update --cert-expiry "${seconds}s"
