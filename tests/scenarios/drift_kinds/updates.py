"""Drift of the part `updates`."""

from __future__ import annotations

from pyinfra_swarm.updates.plan import CONFIGURATION
from tests.scenarios.drift_kinds.kind import Kind

KINDS = (
    Kind(
        "a stopped timer",
        *("updates", "apt-daily-upgrade.timer", "daily work is not started"),
        "systemctl stop apt-daily-upgrade.timer",
    ),
    Kind(
        "our configuration of updates gone",
        *(
            "updates",
            "Unattended-Upgrade::Package-Blacklist",
            "Docker would be updated automatically",
        ),
        f"rm {CONFIGURATION}",
        also=("updates/*",),
    ),
    Kind(
        "our configuration of updates overruled",
        *("updates", "APT::Periodic::Unattended-Upgrade", "another file overrules"),
        "echo 'APT::Periodic::Unattended-Upgrade \"0\";' > /etc/apt/apt.conf.d/99-mine",
        kind="notice",
        undo="rm /etc/apt/apt.conf.d/99-mine",
    ),
    Kind(
        "nothing that keeps the clock right",
        *("updates", "time synchronisation", "nothing synchronises the clock"),
        "systemctl disable --now systemd-timesyncd",
    ),
    Kind(
        "a reboot waited for",
        *("updates", "reboot", "the host waits for one"),
        "touch /run/reboot-required",
        kind="notice",
        undo="rm /run/reboot-required",
    ),
)
