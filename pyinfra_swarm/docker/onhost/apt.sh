#!/bin/sh
# Functions: `apt ARGUMENTS` waits for another apt to finish, asks nothing, and keeps changed files.
# needrestart would restart services in the middle of a run, Docker among them.
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C
apt() {
  apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}
