"""What a host says of itself before anything is done to it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from pyinfra_swarm.engine.versions import engine_version
from pyinfra_swarm.host import kernel
from pyinfra_swarm.host import seen as observed
from pyinfra_swarm.run.answer import LIMIT, Sections
from pyinfra_swarm.run.fact import SubjectFact, plain_files
from pyinfra_swarm.run.packages import PACKAGE_ROWS

PACKAGES = (
    "docker-ce",
    "docker.io",
    "docker-doc",
    "docker-compose",
    "podman-docker",
    "containerd",
    "runc",
)
"""Docker's own package, and those of the distribution that it conflicts with (its manual names
them)."""

OUR_FILES = ("/etc/docker/daemon.json",)
"""Files that would be overwritten, where another tool could believe that they are its own."""

# dpkg's own architecture is the host's: that saves a process for `dpkg --print-architecture`.
_ROWS = PACKAGE_ROWS.format(
    fields="${Package} ${Architecture} ${db:Status-Abbrev} ${Version}",
    names=" ".join(["dpkg", *PACKAGES]),
)

_SCRIPT = f"""\
{plain_files("/etc/os-release")}section clock
date +%s.%N
section release
while read -r line; do echo "$line"; done < /etc/os-release
section self
read -r name < /proc/sys/kernel/hostname; echo "hostname $name"
[ ! -f /etc/machine-id ] || {{ read -r id < /etc/machine-id; echo "machine_id $id"; }}
[ ! -d /run/systemd/system ] || echo "systemd yes"
for path in /var/lib/snapd/snaps/docker_*.snap; do
  [ ! -e "$path" ] || echo "snap_docker $path"
done
[ ! -s /var/lib/docker/swarm/docker-state.json ] || echo "in_swarm yes"
[ ! -x /usr/sbin/ufw ] || [ ! -f /etc/ufw/ufw.conf ] ||
  ! grep -aqs '^ENABLED *= *[Yy]' /etc/ufw/ufw.conf || echo "firewall ufw"
[ ! -d /sys/fs/cgroup/system.slice/firewalld.service ] || echo "firewall firewalld"
if [ -x /usr/sbin/netfilter-persistent ]; then
  for path in /etc/iptables/rules.v4 /etc/iptables/rules.v6; do
    [ ! -s $path ] || {{ echo "firewall netfilter-persistent"; break; }}
  done
fi
for path in {" ".join(OUR_FILES)}; do
  if [ -L $path ]; then
    echo "managed $path it is a symbolic link"
  elif [ -f $path ]; then
    head -c {LIMIT} $path | while read -r line; do
      case "$line" in
        *[Mm]anaged*by*[Aa]nsible*|*[Aa]nsible[\\ -]managed*) by=Ansible ;;
        *[Mm]anaged*by*[Pp]uppet*) by=Puppet ;;
        *[Mm]anaged*by*[Cc]hef*|*[Gg]enerated*by*[Cc]hef*) by=Chef ;;
        *[Mm]anaged*by*[Ss]alt*) by=Salt ;;
        *) by= ;;
      esac
      [ -z "$by" ] || {{ echo "managed $path it says that $by manages it"; break; }}
    done
  fi
done
section packages
{_ROWS}section disks
stat -f -c '%n %S %f %c %d %i' / /var
section network
printf 'address show\\nroute show\\n' | ip -o -4 -batch - || exit
"""


class Host(SubjectFact[observed.Host]):
    """A host before anything is done to it: system, clock, disks, network, packages and kernel.

    .. code:: python

        {
            "distribution": "ubuntu", "version": "24.04", "codename": "noble",
            "architecture": "arm64",
            "hostname": "rk1", "machine_id": "0f3c…",
            "clock_ahead": 0.0,
            "disks": [{"path": "/", "free": 21474836480, "free_inodes": 1400000, …}, …],
            "addresses": [{"device": "end0", "address": "192.168.1.11/24"}],
            "routes": [{"network": "0.0.0.0/0", "device": "end0"}, …],
            "systemd": true,
            "packages": {}, "engine": "", "snap_docker": false, "in_swarm": false,
            "firewalls": [], "managed_files": {},
            "kernel": {…}
        }

    The meaning of each value: :class:`host.seen.Host`.
    """

    _asked_at = 0.0

    def script(self) -> str:
        self._asked_at = time.time()
        return kernel.PATH + _SCRIPT + kernel.SCRIPT + "exit 0"

    def parse(self, said: Sections) -> observed.Host:
        return parse(said, asked_at=self._asked_at, answered_at=time.time())


class UplinkMtu(SubjectFact[int]):
    """The MTU of the interface with the default route; 0 on a host without one."""

    def script(self) -> str:
        return (
            kernel.PATH
            + "section network; ip -o -4 route show default\nsection mtu\n"
            + 'for path in /sys/class/net/*/mtu; do read -r mtu < $path; echo "$path $mtu"; done\n'
        )

    def parse(self, said: Sections) -> int:
        mtus = dict(_mtus(said["mtu"]))
        return next((mtus.get(route.device, 0) for route in _routes(said["network"])), 0)


def parse(said: Sections, *, asked_at: float, answered_at: float) -> observed.Host:
    """Make sense of the script's output.

    asked_at, answered_at: the controller's clock around the question, seconds since the epoch.

    Raises ``ValueError`` where a section is missing or is not what it should be.
    """
    try:
        release = dict(_assignments(said["release"]))
        own = [line.split(maxsplit=1) for line in said["self"] if line]
        network = said["network"]
        disks = tuple(_disk(line) for line in said["disks"])
        architecture, packages = _packages(said["packages"])
        clock = float(said["clock"][0])
    except (KeyError, IndexError) as section:
        raise ValueError(f"the host said nothing under {section}") from None
    values = {key: value for key, value in own if key not in ("firewall", "managed")}
    routes = tuple(_routes(network))
    return observed.Host(
        distribution=release.get("ID", ""),
        version=release.get("VERSION_ID", ""),
        codename=release.get("VERSION_CODENAME", ""),
        architecture=architecture,
        hostname=values.get("hostname", ""),
        machine_id=values.get("machine_id", ""),
        clock_ahead=_ahead(clock, asked_at, answered_at),
        disks=disks,
        addresses=tuple(_addresses(network)),
        routes=routes,
        systemd="systemd" in values,
        packages=packages,
        engine=engine_version(packages.get("docker-ce", "")),
        snap_docker="snap_docker" in values,
        in_swarm="in_swarm" in values,
        firewalls=tuple(value for key, value in own if key == "firewall"),
        managed_files=dict(_managed(value) for key, value in own if key == "managed"),
        kernel=kernel.parse(said),
    )


def _ahead(clock: float, asked_at: float, answered_at: float) -> float:
    """The least difference of the clocks that explains what was seen."""
    if clock > answered_at:
        return round(clock - answered_at, 1)
    if clock < asked_at:
        return round(clock - asked_at, 1)
    return 0.0


def _assignments(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, sign, value = line.partition("=")
        if sign:
            yield name, value.strip().strip("\"'")


def _packages(lines: list[str]) -> tuple[str, dict[str, str]]:
    """dpkg's architecture, and the installed packages with their versions."""
    architecture, installed = "", {}
    for line in lines:
        words = line.split()
        if len(words) != 4:
            continue  # known to dpkg, but not installed: no version
        name, its_architecture, status, version = words
        if name == "dpkg":
            architecture = its_architecture
        elif status[1:2] == "i":
            installed[name] = version
    return architecture, installed


def _disk(line: str) -> observed.Disk:
    path, block, free, inodes, free_inodes, file_system = line.split()
    return observed.Disk(
        path=path,
        free=int(block) * int(free),
        # btrfs and other file systems without a fixed number of inodes say 0 of 0.
        free_inodes=int(free_inodes) if int(inodes) else None,
        file_system=file_system,
    )


def _addresses(lines: list[str]) -> Iterator[observed.Address]:
    for line in lines:
        if match := re.match(r"\d+:\s+(\S+)\s+inet (\S+)", line):
            yield observed.Address(device=match[1], address=match[2])


def _routes(lines: list[str]) -> Iterator[observed.Route]:
    for line in lines:
        match = re.match(r"(default|[\d.]+(?:/\d+)?)\s.*?\bdev (\S+)", line)
        if match:
            network = "0.0.0.0/0" if match[1] == "default" else match[1]
            yield observed.Route(network=network, device=match[2])


def _mtus(lines: list[str]) -> Iterator[tuple[str, int]]:
    for line in lines:
        if match := re.match(r"/sys/class/net/([^/]+)/mtu (\d+)$", line):
            yield match[1], int(match[2])


def _managed(text: str) -> tuple[str, str]:
    path, _, sign = text.partition(" ")
    return path, sign
