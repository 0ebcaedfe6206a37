#!/bin/sh
# Puts the state from standard input in its place in one step, and starts the engine. It uses
# engine.sh.
#
# What arrives stays in memory (/run): it may be unlocked, and flash does not forget.
#
# digest: SHA-256 of the state's archive.

: "${digest?}"
root=/var/lib/docker
must_be_fresh() {
  [ ! -s $root/swarm/docker-state.json ] || {
    echo "this host already has the state of a swarm" >&2; exit 1; }
}
must_be_fresh
umask 077
mkdir -p $root
rm -rf $root/.swarm-restore /run/pyinfra-swarm-restore.*; mkdir $root/.swarm-restore
work=$(mktemp -d /run/pyinfra-swarm-restore.XXXXXX)
trap 'rm -rf $root/.swarm-restore "$work"' EXIT
base64 -d > "$work/state"
[ "$(sha256sum < "$work/state")" = "$digest  -" ] || {
  echo "the state has not arrived whole" >&2; exit 1; }
tar -C $root/.swarm-restore -xzpf "$work/state"
rm -rf "$work"
trap 'rm -rf $root/.swarm-restore; start_engine' EXIT
stop_engine
must_be_fresh  # it may have joined a swarm until it was stopped
rm -rf $root/swarm
mv $root/.swarm-restore/swarm $root/swarm
sync
