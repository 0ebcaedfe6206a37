"""What lies on a host: the rules, the script that loads and refreshes them, and its units.

The rules are plain input of ``iptables-restore --noflush``; a line ``# web ranges`` stands where
the script adds ``SWARM-WEB`` from the host's own list, and ``# interfaces`` where it adds what
depends on which interfaces are Docker's. Jumps are the script's business, too: they depend on what
else is in the tables at that moment.
"""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from pyinfra_swarm.firewall.policy import FAMILIES, Family
from pyinfra_swarm.firewall.rules import Chains
from pyinfra_swarm.firewall.web_ranges import SHIPPED, URLS, covered

SCRIPT = "/usr/local/lib/pyinfra-swarm/firewall"
RULES: dict[Family, str] = {
    "ipv4": "/etc/pyinfra-swarm/firewall.ipv4",
    "ipv6": "/etc/pyinfra-swarm/firewall.ipv6",
}
LISTS = "/var/lib/pyinfra-swarm/web-ranges"
STATUS = f"{LISTS}/status"
INTERFACES = "/var/lib/pyinfra-swarm/interfaces"
INTERFACE_LIST = f"{INTERFACES}/list"
LOCKS = ("/run/pyinfra-swarm-firewall.lock", "/run/pyinfra-swarm-interfaces.lock")

UNIT = "pyinfra-swarm-firewall.service"
WATCH = "pyinfra-swarm-interfaces.service"
REFRESH = "pyinfra-swarm-web-ranges.service"
TIMER = "pyinfra-swarm-web-ranges.timer"
_UNITS = "/etc/systemd/system"
WATCH_FILE = f"{_UNITS}/{WATCH}"
DOCKER_DROP_IN = f"{_UNITS}/docker.service.d/pyinfra-swarm-firewall.conf"

MARK = "# web ranges"
INTERFACES_MARK = "# interfaces"
_HEADER = "# Written by pyinfra-swarm (deploys/firewall.py); changes here are overwritten.\n"


def rules_file(chains: Chains, *, refreshed: bool) -> str:
    """The rules of one family, as the script loads them.

    refreshed: ``SWARM-WEB`` comes from the host's own list.
    """
    lines = [*(f":{name} - [0:0]" for name in chains)]
    lines += [f"-A {name} {rule}" for name, rules in chains.items() for rule in rules]
    lines.append(INTERFACES_MARK)
    if refreshed:
        lines.append(MARK)
    return "\n".join([_HEADER + "*filter", *lines, "COMMIT"]) + "\n"


def files(rules: dict[Family, Chains], *, refreshed: bool, schedule: str) -> dict[str, str]:
    """Path to content of everything that lies on a host but its lists.

    refreshed: the web ranges are Cloudflare's, refreshed on the host; schedule: when, as systemd's
    ``OnCalendar`` takes it.
    """
    found = {RULES[family]: rules_file(rules[family], refreshed=refreshed) for family in FAMILIES}
    found[SCRIPT] = script()
    found[f"{_UNITS}/{UNIT}"] = _LOAD_UNIT
    found[WATCH_FILE] = _WATCH_UNIT
    found[DOCKER_DROP_IN] = _DOCKER_DROP_IN
    if refreshed:
        found[f"{_UNITS}/{REFRESH}"] = _REFRESH_UNIT
        found[f"{_UNITS}/{TIMER}"] = _TIMER.replace("SCHEDULE", schedule)
    return found


WANTS = {
    UNIT: f"{_UNITS}/sysinit.target.wants/{UNIT}",
    WATCH: f"{_UNITS}/multi-user.target.wants/{WATCH}",
    TIMER: f"{_UNITS}/timers.target.wants/{TIMER}",
}
"""The links by which systemd starts a unit at boot."""

FILES = (
    *RULES.values(),
    SCRIPT,
    f"{_UNITS}/{UNIT}",
    WATCH_FILE,
    DOCKER_DROP_IN,
    f"{_UNITS}/{REFRESH}",
    f"{_UNITS}/{TIMER}",
)
"""Everything of ours on a host that the deploy may write; the lists are the refresher's."""

_LOAD_UNIT = f"""\
{_HEADER}\
# Before the network is up, so that there is no moment in which the host is open; after all others
# that load rules, since some of them flush first. Skipped where all of its files are gone, so that
# Docker may start on a host whose firewall was taken back at boot because nobody had confirmed it;
# where some are, it fails.
[Unit]
Description=Firewall of the swarm
ConditionPathExists=|{SCRIPT}
ConditionPathExists=|{RULES["ipv4"]}
ConditionPathExists=|{RULES["ipv6"]}
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
ExecStart=/bin/sh {SCRIPT} load

[Install]
WantedBy=sysinit.target
"""

_WATCH_UNIT = f"""\
{_HEADER}\
# Docker makes bridges at any time. While this does not run, the containers of a new network do not
# reach their own host; their published ports are judged all the same.
[Unit]
Description=Tell the firewall which interfaces are Docker's bridges
After={UNIT}

[Service]
ExecStart=/bin/sh {SCRIPT} watch
Restart=always
RestartSec=5
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
StateDirectory={INTERFACES.removeprefix("/var/lib/")}
ReadWritePaths=/run

[Install]
WantedBy=multi-user.target
"""

_DOCKER_DROP_IN = f"""\
{_HEADER}\
# Where the rules cannot be loaded, containers stay down; SSH does not depend on it.
[Unit]
Requires={UNIT}
After={UNIT}
"""

_REFRESH_UNIT = f"""\
{_HEADER}\
[Unit]
Description=Refresh the ranges that may reach the web ports
Wants=network-online.target
After=network-online.target {UNIT}

[Service]
Type=oneshot
TimeoutStartSec=10min
EnvironmentFile=-/etc/environment
ExecStart=/bin/sh {SCRIPT} refresh
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
StateDirectory={LISTS.removeprefix("/var/lib/")}
ReadWritePaths=/run
"""

_TIMER = f"""\
{_HEADER}\
[Unit]
Description=Refresh the ranges that may reach the web ports

[Timer]
OnCalendar=SCHEDULE
RandomizedDelaySec=1h
Persistent=yes

[Install]
WantedBy=timers.target
"""

_TEXT = (
    (Path(__file__).with_name("onhost") / "firewall.sh")
    .read_text(encoding="utf-8")
    .replace("@COVERED4@", str(covered(SHIPPED["ipv4"])))
    .replace("@COVERED6@", str(covered(SHIPPED["ipv6"])))
)


def script(urls: dict[Family, str] | None = None) -> str:
    """The script on the host: loads the rules, refreshes the web ranges, takes everything off.

    urls: where the lists are, for trying it out elsewhere.
    """
    urls = urls or URLS
    return _TEXT.replace("@URL4@", urls["ipv4"]).replace("@URL6@", urls["ipv6"])


def valid() -> str:
    """Shell: the script's function ``valid FAMILY FILE``, which judges a list of networks."""
    begin = _TEXT.index("valid() {")
    return _TEXT[begin : _TEXT.index("\n}\n", begin) + 3]


def unload() -> str:
    """Shell that takes our chains out of both families' tables, whatever else is on the host."""
    return f"sh -c {quote(script())} firewall unload || :"
