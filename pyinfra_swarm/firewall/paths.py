"""Everything of the firewall on a host: the paths of its files, and the names of its units."""

from __future__ import annotations

from pyinfra_swarm.firewall.policy import Family
from pyinfra_swarm.host.units import FIREWALL

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

UNIT = FIREWALL
"""Loads the rules at boot."""

WATCH = "pyinfra-swarm-interfaces.service"
"""Keeps the list of Docker's bridges."""

REFRESH = "pyinfra-swarm-web-ranges.service"
TIMER = "pyinfra-swarm-web-ranges.timer"
"""Fetches Cloudflare's ranges; starts that."""

UNITS = "/etc/systemd/system"
UNIT_FILE = f"{UNITS}/{UNIT}"
WATCH_FILE = f"{UNITS}/{WATCH}"
REFRESH_FILE = f"{UNITS}/{REFRESH}"
TIMER_FILE = f"{UNITS}/{TIMER}"
DOCKER_DROP_IN = f"{UNITS}/docker.service.d/pyinfra-swarm-firewall.conf"

WANTS = {
    UNIT: f"{UNITS}/sysinit.target.wants/{UNIT}",
    WATCH: f"{UNITS}/multi-user.target.wants/{WATCH}",
    TIMER: f"{UNITS}/timers.target.wants/{TIMER}",
}
"""The links by which systemd starts a unit at boot."""

FILES = (
    *RULES.values(),
    SCRIPT,
    UNIT_FILE,
    WATCH_FILE,
    DOCKER_DROP_IN,
    REFRESH_FILE,
    TIMER_FILE,
)
"""Every file that the deploy may write, but for the lists, which the host keeps by itself."""
