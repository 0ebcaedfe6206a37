#!/bin/sh
# Prints lines of jobs that run a firewall's program or another configuration tool, and the tools'
# agents. Uses section (run/answer).
#
# ours: paths of the managed files; tools: an extended regular expression; agents: names of units;
# limit: bytes of a script that are read.
#
# Jobs that root has made: of cron, of systemd beside the packages' units, of the network's scripts.
# A script that one of them names is looked into as well, one level deep.
# shellcheck disable=SC2013,SC2086
: "${ours?}" "${tools?}" "${agents?}" "${limit?}"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
set --
for file in /etc/crontab /etc/anacrontab /etc/rc.local /var/spool/cron/crontabs/root \
/etc/network/interfaces /etc/network/interfaces.d/* /etc/networkd-dispatcher/*/* \
/etc/NetworkManager/dispatcher.d/* /etc/systemd/system/*.service /etc/systemd/system/*.d/*.conf \
/usr/local/lib/systemd/system/*.service /run/systemd/system/*.service \
/etc/cron.d/* /etc/cron.hourly/* /etc/cron.daily/* /etc/cron.weekly/* /etc/cron.monthly/* \
/etc/network/if-*.d/*; do
  case $file in /etc/cron.*|/etc/network/if-*)  # other names are not run
    case ${file##*/} in *[!A-Za-z0-9_-]*) continue;; esac;;
  esac
  case " $ours " in *" $file "*) continue;; esac
  [ ! -f "$file" ] || set -- "$@" "$file"
done
section jobs
[ $# = 0 ] || grep -aHnE -m 20 -- "$tools" "$@" /dev/null | head -n 200 | cut -b 1-400
section scripts
[ $# = 0 ] || grep -ahE '^[[:space:]]*[^#[:space:]]' "$@" |
  grep -aoE '/(usr/local|opt|root|srv|home|etc)/[[:alnum:]_./@+-]+' | sort -u | head -n 100 |
while IFS= read -r path; do
  case " $ours $* " in *" $path "*) continue;; esac
  [ -f "$path" ] && [ -x "$path" ] && [ ! -h "$path" ] || continue
  dd if="$path" iflag=nofollow,nonblock bs="$limit" count=1 status=none 2>/dev/null |
    grep -anE -m 5 -- "$tools" | cut -b 1-400 |
    while IFS= read -r line; do printf '%s:%s\n' "$path" "$line"; done
done
section agents
for unit in $agents; do
  if [ -d "/sys/fs/cgroup/system.slice/$unit.service" ]; then echo "$unit running"
  elif [ -e "/etc/systemd/system/multi-user.target.wants/$unit.service" ]; then echo "$unit enabled"
  fi
done
exit 0
