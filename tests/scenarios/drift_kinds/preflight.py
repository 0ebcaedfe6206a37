"""Drift of the part `preflight`."""

from __future__ import annotations

from tests.scenarios.drift_kinds.kind import Kind

_CLASS = "/sys/class/net/vec0"
"""The lab's interface, which has the declared address."""

_STATUS = "/var/lib/dpkg/status"

KINDS = (
    Kind(
        "a module blacklisted",
        *("preflight", "kernel module esp4", "loading it is blocked"),
        "echo 'install esp4 /bin/true' > /etc/modprobe.d/block.conf",
        kind="refusal",
        undo="rm /etc/modprobe.d/block.conf",
        group="refusals",
    ),
    Kind(
        "a full disk",
        *("preflight", "disk space on /var", "too little"),
        "fallocate -l $(($(df --output=avail -B1 / | tail -n1) - 150000000)) /full",
        kind="refusal",
        undo="rm /full",
        also=("preflight/disk space on *",),
        group="refusals",
    ),
    Kind(
        "another hostname",
        *("preflight", "hostname", "under another name"),
        "hostname other",
        kind="notice",
        undo="hostname $NODE",
        group="refusals",
    ),
    Kind(
        "hardly any inodes for images",
        *("preflight", "inodes on /var/lib/containerd", "hardly any more files"),
        "mount -t tmpfs -o size=3g,nr_inodes=9000 tmpfs /var/lib/containerd",
        kind="refusal",
        undo="umount /var/lib/containerd",
        group="together",
    ),
    Kind(
        "hardly any space for the images of new engines",
        *("preflight", "disk space on /var/lib/containerd", "too little"),
        "mount -t tmpfs -o size=64m tmpfs /var/lib/containerd",
        kind="refusal",
        undo="umount /var/lib/containerd",
        group="together",
    ),
    Kind(
        "an interface that the boot does not wait for",
        *("preflight", "interface vec0", "the boot does not wait for it"),
        f"file=$(sed -n s/^NETWORK_FILE=//p /run/systemd/netif/links/$(cat {_CLASS}/ifindex)); "
        "folder=/run/systemd/network/${file##*/}.d; mkdir -p $folder; "
        "printf '[Link]\\nRequiredForOnline=no\\n' > $folder/no.conf; networkctl reload; sleep 2",
        kind="notice",
        undo="rm -r /run/systemd/network/*.d; networkctl reload; sleep 2",
        group="together",
    ),
    Kind(
        "a MAC address that is another one after each boot",
        *("preflight", "interface vec0", "it has a random MAC address"),
        f"echo 1 > /run/random; mount --bind /run/random $(readlink -f {_CLASS})/addr_assign_type",
        kind="notice",
        undo=f"umount $(readlink -f {_CLASS})/addr_assign_type",
        group="together",
    ),
    Kind(
        "a cloud-init that would do a first boot again",
        *("preflight", "cloud-init", "makes hostname and host keys"),
        "printf '#!/bin/sh\\n' > /usr/bin/cloud-init; chmod 755 /usr/bin/cloud-init",
        kind="notice",
        undo="rm /usr/bin/cloud-init",
        group="together",
    ),
    Kind(
        "Rockchip's driver before the processor's",
        *("preflight", "encryption (ESP)", "Rockchip"),
        "printf 'name         : gcm(aes)\\ndriver       : gcm-aes-rk\\npriority     : 300\\n\\n' "
        "> /run/crypto; mount --bind /run/crypto /proc/crypto",
        kind="notice",
        undo="umount /proc/crypto",
        group="together",
    ),
    Kind(
        "an admin's password that has expired",
        *("preflight", "password of grace", "it has expired"),
        "chage -d 0 grace",
        kind="notice",
        undo="chage -d $(date +%F) -M -1 grace",
        group="together",
    ),
    Kind(
        "an admin's account that has expired",
        *("preflight", "account of grace", "it has expired"),
        "chage -E 1 grace",
        kind="notice",
        undo="chage -E -1 grace",
        group="together",
    ),
    Kind(
        "an engine that a swarm should not have",
        *("preflight", "Docker Engine", "names of services that ran on it may stay unknown"),
        f"cp -a {_STATUS} /root/status; sed -i '/^Package: docker-ce$/,/^$/"
        f"s/^Version: .*/Version: 5:29.4.0-1~debian.13~trixie/' {_STATUS}",
        kind="notice",
        undo=f"mv /root/status {_STATUS}",
        on="every",
        # Its packages are of another version than it is, and it would have another configuration.
        also=("docker/*", "preflight/images"),
        group="together",
    ),
    Kind(
        "hardly any space for containers",
        *("preflight", "disk space on /var/lib/docker", "too little"),
        # What is in it stays to be seen, and the space is that of the upper layer.
        "mkdir /run/small; mount -t tmpfs -o size=64m tmpfs /run/small; "
        "mkdir /run/small/upper /run/small/work; mount -t overlay -o lowerdir=/var/lib/docker,"
        "upperdir=/run/small/upper,workdir=/run/small/work overlay /var/lib/docker",
        kind="refusal",
        undo="umount -l /var/lib/docker; umount -l /run/small; rmdir /run/small",
        on="worker",
        group="together",
    ),
)
