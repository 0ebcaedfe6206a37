#!/bin/sh
# Installs packages; a freshly flashed board has no package lists, or old ones.
#
# packages: their names, with blanks in between.
# shellcheck disable=SC2086
: "${packages?}"
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt() {
  apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@"
}
apt install --no-install-recommends $packages ||
  { apt update && apt install --no-install-recommends $packages; }
