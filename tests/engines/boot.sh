#!/bin/sh
# Become a host: boot.sh NAME FOLDER DOCKER PROGRAMS, as the first process of new mount, pid, uts,
# ipc and cgroup namespaces, in the host's network namespace. FOLDER/upper is what the host has
# written, DOCKER its /var/lib/docker. The host is up when this prints "up", and is gone when its
# standard input ends.
set -eu
name=$1 folder=$2 docker=$3 programs=$4
root=$folder/root
mkdir -p "$root" "$folder/work" "$folder/upper" "$docker"
hostname "$name"
mount -t overlay "$name" "$root" \
  -o "lowerdir=$programs:/,upperdir=$folder/upper,workdir=$folder/work"
cd "$root"
# What is the machine's own is not the hosts'.
for hidden in run tmp var/tmp home root srv mnt opt var/log; do
  mkdir -p "$hidden"; mount -t tmpfs -o mode=755 "$name" "$hidden"
done
chmod 1777 tmp var/tmp
mkdir -p run/sshd run/lock var/lib/docker etc/docker old
mount --bind "$docker" var/lib/docker
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 "$name" dev
for device in null zero full random urandom tty; do
  : > "dev/$device"; mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 "$name" dev/pts
mount -t tmpfs -o mode=1777 "$name" dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
if [ -f /sys/fs/cgroup/cgroup.procs ]; then
  mount -t cgroup2 "$name" sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 "$name" sys/fs/cgroup
  while IFS=: read -r _ controllers _; do
    [ -n "$controllers" ] || continue
    hierarchy=sys/fs/cgroup/${controllers#name=}
    mkdir "$hierarchy"
    mount -t cgroup -o "$controllers" "$name" "$hierarchy"
  done < /proc/self/cgroup
fi
pivot_root . old
umount -l old
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
  LC_ALL=C.UTF-8 /usr/bin/docker-init -- /bin/sh -c '
    /usr/sbin/sshd
    systemctl start docker --no-block
    systemctl boot
    echo up
    exec cat >/dev/null
  '
