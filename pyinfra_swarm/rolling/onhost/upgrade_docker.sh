#!/bin/sh
# Replaces Docker by another version, and its configuration by what is read here.
#
# The engine is stopped first, so that the old one does not read what is meant for the new one, and
# so that the package starts it once, with its own configuration. install() installs the packages,
# explain() says why the engine did not start.

: "${configuration?}"

umask 022
mkdir -p "${configuration%/*}"
cat > "$configuration.new"
sync "$configuration.new"
systemctl stop docker.socket 2>/dev/null || true
systemctl stop docker.service
mv "$configuration.new" "$configuration"
install
systemctl start docker.service || explain
