#!/bin/sh
# Functions: `apt ARGUMENTS` waits for another apt to finish, asks nothing, and keeps changed files.
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
apt() {
  apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
