"""Drift of the part `preflight`."""

from __future__ import annotations

from tests.scenarios.drift_kinds.kind import Kind

_CLASS = "/sys/class/net/vec0"
"""The lab's interface, which has the declared address."""

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
        group="refusals",
    ),
    Kind(
        "an interface that the boot does not wait for",
        *("preflight", "interface vec0", "the boot does not wait for it"),
        f"file=$(sed -n s/^NETWORK_FILE=//p /run/systemd/netif/links/$(cat {_CLASS}/ifindex)); "
        "folder=/run/systemd/network/${file##*/}.d; mkdir -p $folder; "
        "printf '[Link]\\nRequiredForOnline=no\\n' > $folder/no.conf; networkctl reload; sleep 2",
        kind="notice",
        undo="rm -r /run/systemd/network/*.d; networkctl reload; sleep 2",
        group="refusals",
    ),
    Kind(
        "a MAC address that is another one after each boot",
        *("preflight", "interface vec0", "it has a random MAC address"),
        f"echo 1 > /run/random; mount --bind /run/random $(readlink -f {_CLASS})/addr_assign_type",
        kind="notice",
        undo=f"umount $(readlink -f {_CLASS})/addr_assign_type",
        group="refusals",
    ),
    Kind(
        "a cloud-init that would do a first boot again",
        *("preflight", "cloud-init", "makes hostname and host keys"),
        "printf '#!/bin/sh\\n' > /usr/bin/cloud-init; chmod 755 /usr/bin/cloud-init",
        kind="notice",
        undo="rm /usr/bin/cloud-init",
        group="refusals",
    ),
    Kind(
        "Rockchip's driver before the processor's",
        *("preflight", "encryption (ESP)", "Rockchip"),
        "printf 'name         : gcm(aes)\\ndriver       : gcm-aes-rk\\npriority     : 300\\n\\n' "
        "> /run/crypto; mount --bind /run/crypto /proc/crypto",
        kind="notice",
        undo="umount /proc/crypto",
        group="refusals",
    ),
)
