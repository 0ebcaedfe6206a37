#!/bin/sh
# Removes the settings of Docker and apt, and then has Docker run without them, or removes it, too.
#
# files: paths to remove; unhold: packages that are held no longer; purge: packages to remove;
# repository: paths that go after them; restart: yes where Docker runs on, with its defaults;
# not_restarted: the file that says that Docker has not been restarted yet. Without it, a run that
# ends in between would leave Docker running with settings that are gone.
# shellcheck disable=SC2086 # paths and names, one a word
: "${files?}" "${unhold?}" "${purge?}" "${repository?}" "${restart?}" "${not_restarted?}"

if [ "$restart" = yes ]; then
  mkdir -p "${not_restarted%/*}"
  touch "$not_restarted"
fi
rm -f $files
[ -z "$unhold" ] || printf '%s install\n' $unhold | dpkg --set-selections
if [ -n "$purge" ]; then
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
  apt-get -o DPkg::Lock::Timeout=300 purge -y $purge
fi
if [ "$restart" = yes ]; then
  systemctl daemon-reload
  systemctl reset-failed docker.socket docker.service 2>/dev/null || :
  systemctl restart docker.service
  rm "$not_restarted"
fi
if [ -n "$repository" ]; then
  rm -f $repository
  systemctl daemon-reload
fi
