"""What systemd is told: the firewall's units, and Docker's dependence on it."""

from __future__ import annotations

from pyinfra_swarm.firewall import paths

HEADER = "# Written by pyinfra-swarm (deploys/firewall.py); changes here are overwritten.\n"

LOAD = f"""\
{HEADER}\
# Before the network is up, so that there is no moment in which the host is open; after all others
# that load rules, since some of them flush first. Skipped where all of its files are gone, so that
# Docker may start on a host whose firewall was taken back at boot because nobody had confirmed it;
# where some are, it fails.
[Unit]
Description=Firewall of the swarm
ConditionPathExists=|{paths.SCRIPT}
ConditionPathExists=|{paths.RULES["ipv4"]}
ConditionPathExists=|{paths.RULES["ipv6"]}
DefaultDependencies=no
RequiresMountsFor=/etc /usr/local /var/lib
Wants=network-pre.target
After=local-fs.target systemd-modules-load.service pyinfra-swarm-rollback.service
After=ufw.service netfilter-persistent.service nftables.service
Before=network-pre.target docker.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh {paths.SCRIPT} load

[Install]
WantedBy=sysinit.target
"""

WATCH = f"""\
{HEADER}\
# Docker makes bridges at any time. While this does not run, the containers of a new network do not
# reach their own host; their published ports are judged all the same.
[Unit]
Description=Tell the firewall which interfaces are Docker's bridges
After={paths.UNIT}

[Service]
ExecStart=/bin/sh {paths.SCRIPT} watch
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
StateDirectory={paths.INTERFACES.removeprefix("/var/lib/")}
ReadWritePaths=/run

[Install]
WantedBy=multi-user.target
"""

DROP_IN = f"""\
{HEADER}\
# Where the rules cannot be loaded, containers stay down; SSH does not depend on it.
[Unit]
Requires={paths.UNIT}
After={paths.UNIT}
"""

REFRESH = f"""\
{HEADER}\
[Unit]
Description=Refresh the ranges that may reach the web ports
Wants=network-online.target
After=network-online.target {paths.UNIT}

[Service]
Type=oneshot
TimeoutStartSec=10min
EnvironmentFile=-/etc/environment
ExecStart=/bin/sh {paths.SCRIPT} refresh
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
StateDirectory={paths.LISTS.removeprefix("/var/lib/")}
ReadWritePaths=/run
"""

_TIMER = """\
[Unit]
Description=Refresh the ranges that may reach the web ports

[Timer]
OnCalendar=SCHEDULE
RandomizedDelaySec=1h
Persistent=yes

[Install]
WantedBy=timers.target
"""


def timer(schedule: str) -> str:
    """The timer of the refresh; `schedule` as systemd's ``OnCalendar`` takes it."""
    return HEADER + _TIMER.replace("SCHEDULE", schedule)
