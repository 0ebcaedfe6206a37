"""Drift of the part `updates`."""

from __future__ import annotations

from pyinfra_swarm.updates.plan import CONFIGURATION
from tests.scenarios.drift_kinds.kind import Kind

_INSTALLED = (
    "mkdir -p /etc/needrestart/conf.d; printf 'Package: needrestart\\nStatus: install ok "
    "installed\\nMaintainer: a <a@b>\\nArchitecture: all\\nVersion: 3.6\\n"
    "Description: a\\n\\n' "
    ">> /var/lib/dpkg/status"
)
"""needrestart, as far as dpkg knows: the lab's hosts do not have it."""

_REMOVED = "sed -i '/^Package: needrestart$/,/^$/d' /var/lib/dpkg/status"

_LATER = "/etc/needrestart/conf.d/zzz-mine.conf"

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
        "a needrestart that may restart the engine",
        *("updates", "needrestart", "restart the engine or containerd"),
        _INSTALLED,
        undo=_REMOVED,
    ),
    Kind(
        "a file of needrestart's that undoes ours",
        *("updates", _LATER, "assigns the whole table"),
        f"{_INSTALLED}; echo '$nrconf{{override_rc}} = {{}};' > {_LATER}",
        kind="notice",
        undo=f"rm {_LATER}; {_REMOVED}",
        also=("updates/needrestart",),
    ),
    Kind(
        "nothing that keeps the clock right",
        *("updates", "time synchronisation", "nothing synchronises the clock"),
        "systemctl disable --now systemd-timesyncd",
    ),
    Kind(
        "a reboot waited for",
        *("updates", "reboot", "the host needs one"),
        "touch /run/reboot-required",
        kind="notice",
        undo="rm /run/reboot-required",
    ),
)
