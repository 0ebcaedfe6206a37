#!/bin/sh
# Installs Docker's packages and holds them; or only fetches them into apt's store, for later.
# Uses the functions of apt.sh.
#
# packages: the packages' names, one with =VERSION where that matters; names: the same without;
# only_fetch: yes or no.
# shellcheck disable=SC2086
: "${packages?}" "${names?}" "${only_fetch?}"
# The old engine may have failed so often, with what is meant for the new one, that systemd starts
# none; and after a power cut in the middle of dpkg's work apt does not even fetch.
systemctl reset-failed docker.socket docker.service 2>/dev/null || :
dpkg --configure -a
options='--no-install-recommends --allow-downgrades --allow-change-held-packages'
if [ "$only_fetch" = yes ]; then
  apt install -y --download-only $options $packages
else
  apt install -y $options $packages
  printf '%s hold\n' $names | dpkg --set-selections
fi
