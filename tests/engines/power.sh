#!/bin/sh
# Give a host control groups and namespaces of its own, then become it:
# power.sh GROUP NAME FOLDER DOCKER PROGRAMS. The groups lie below those of who calls this.
set -eu
group=$1; shift
while IFS=: read -r _ controllers path; do
  case $controllers in
    "") hierarchy=/sys/fs/cgroup; [ -f $hierarchy/cgroup.procs ] || hierarchy=$hierarchy/unified;;
    *) hierarchy=/sys/fs/cgroup/${controllers#name=};;
  esac
  [ -f "$hierarchy/cgroup.procs" ] || continue
  own=$hierarchy${path%/}/$group
  mkdir "$own"
  if [ "$controllers" = cpuset ] || [ "$controllers" = cpu,cpuset ]; then
    for value in cpuset.cpus cpuset.mems; do cat "$own/../$value" > "$own/$value"; done
  fi
  echo $$ > "$own/cgroup.procs"
done < /proc/self/cgroup
exec unshare --mount --uts --ipc --pid --cgroup --fork --kill-child -- \
  sh "${0%/*}/boot.sh" "$@"
