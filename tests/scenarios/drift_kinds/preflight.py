"""Drift of the part `preflight`."""

from __future__ import annotations

from tests.scenarios.drift_kinds.kind import Kind

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
)
