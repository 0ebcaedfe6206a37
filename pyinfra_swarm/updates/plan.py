"""Automatic security updates, without Docker and without reboots; and a synchronised clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Finding, Notice
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.updates.needrestart import NEEDRESTART, needrestart_file

CONFIGURATION = "/etc/apt/apt.conf.d/90pyinfra-swarm"
"""The managed part of apt's configuration; it is read after the distributions' own 20… and 50…."""

FILES = {
    CONFIGURATION: "updates are as the distribution has them afterwards",
    NEEDRESTART: "needrestart may restart containerd after an update",
}
"""All that this room writes, and what a reset says of its removal."""

HELD_BACK = (
    "^docker-ce",
    "^docker-buildx-plugin$",
    "^docker-compose-plugin$",
    "^containerd[.]io$",
)
"""Packages that unattended upgrades leave alone, as regular expressions from their beginning.

An engine that is updated automatically restarts its containers, on one node before the others:
mixed engines may not understand each other over encrypted networks (moby #51798).
"""

VALUES = {
    "APT::Periodic::Enable": "1",
    "APT::Periodic::Update-Package-Lists": "1",
    "APT::Periodic::Unattended-Upgrade": "1",
    "Unattended-Upgrade::Automatic-Reboot": "false",
}
"""Single values of apt's configuration, as they must be in force."""

BLACKLIST = "Unattended-Upgrade::Package-Blacklist"

TIMERS = ("apt-daily.timer", "apt-daily-upgrade.timer")

TIME_SERVICES = (
    "systemd-timesyncd.service",
    "chrony.service",
    "ntpsec.service",
    "ntp.service",
    "openntpd.service",
)
"""What can synchronise the clock; one that runs is enough."""

PACKAGE_OF = {
    "systemd-timesyncd.service": "systemd-timesyncd",
    "chrony.service": "chrony",
    "ntpsec.service": "ntpsec",
    "ntp.service": "ntp",
    "openntpd.service": "openntpd",
}

_REASONS = {
    "APT::Periodic::Enable": "apt's daily work is turned off",
    "APT::Periodic::Update-Package-Lists": "the host does not look for updates every day",
    "APT::Periodic::Unattended-Upgrade": "security updates are not installed every day",
    "Unattended-Upgrade::Automatic-Reboot": "an automatic reboot can cost the quorum",
}


@dataclass(frozen=True)
class Unit(Observation):
    """A systemd unit: whether it exists, runs, and will be started at boot."""

    name: str
    loaded: bool
    active: bool
    enabled: bool


@dataclass(frozen=True)
class Updates(Observation):
    """How a host keeps itself up to date and its clock right.

    packages: those installed of unattended-upgrades and the time services, to their versions.
    configuration: the values in force under ``APT::Periodic`` and ``Unattended-Upgrade``, lists
        under their name without the colons at its end.
    own_file: what is in :data:`CONFIGURATION`; empty where it does not exist.
    needrestart: the same of :data:`NEEDRESTART`; ``None`` where needrestart is not installed.
    undone_by: the file of needrestart's that takes back what ours says; empty where none does.
    units: the timers and time services.
    reboot_required: the system asks for a reboot.
    reboot_packages: the packages whose update needs it.
    """

    packages: dict[str, str]
    configuration: dict[str, tuple[str, ...]]
    own_file: str
    units: tuple[Unit, ...]
    reboot_required: bool
    reboot_packages: tuple[str, ...]
    needrestart: str | None = None
    undone_by: str = ""

    def unit(self, name: str) -> Unit:
        """The unit of this name, as one that does not exist where nothing is known of it."""
        return next((u for u in self.units if u.name == name), Unit(name, False, False, False))

    def value(self, name: str) -> str:
        """A single value of the configuration in force; empty where it is not set."""
        return (self.configuration.get(name) or ("",))[-1]


@dataclass(frozen=True, kw_only=True)
class Install(Change):
    """A package is installed."""

    package: str


@dataclass(frozen=True)
class WriteConfiguration(Change):
    """The managed part of apt's configuration is written."""


@dataclass(frozen=True)
class WriteNeedrestart(Change):
    """The managed part of needrestart's configuration is written."""


@dataclass(frozen=True, kw_only=True)
class StartUnit(Change):
    """A unit is started, now and at every boot. package: to be installed before, if any."""

    unit: str
    package: str = ""


def configuration_file() -> str:
    """The content of :data:`CONFIGURATION`."""
    lines = ["// Written by pyinfra-swarm (deploys/updates.py); changes here are overwritten."]
    lines += [f'{name} "{value}";' for name, value in VALUES.items()]
    lines += [f"{BLACKLIST} {{"] + [f'    "{pattern}";' for pattern in HELD_BACK] + ["};"]
    return "\n".join(lines) + "\n"


def plan(*, unattended: bool, time_sync: bool, seen: Updates) -> list[Finding]:
    """What differs from automatic security updates and a synchronised clock.

    unattended, time_sync: whether that part is managed at all.
    """
    return [
        *(_unattended(seen) if unattended else []),
        *(_time_sync(seen) if time_sync else []),
        *_reboot(seen),
    ]


def _unattended(seen: Updates) -> list[Finding]:
    """What automatic updates lack.

    apt's configuration is judged by what is in force, wherever it is written. Where the managed
    file is as it should be and is overruled, that is reported: writing it again would not help.
    """
    findings: list[Finding] = []
    if "unattended-upgrades" not in seen.packages:
        findings.append(
            Install(
                "unattended-upgrades",
                "security updates are not installed automatically",
                package="unattended-upgrades",
            )
        )
    as_written = seen.own_file == configuration_file()
    for name, reason, expected, found in _differences(seen.configuration):
        if as_written:
            findings.append(
                Notice(
                    name,
                    f"{reason}: another file overrules {CONFIGURATION}",
                    expected=expected,
                    found=found or "not set",
                    remedy="Find it: `grep -rn "
                    f"{quoted(name.rsplit('::', 1)[-1])} /etc/apt/apt.conf.d`",
                )
            )
        else:
            findings.append(
                WriteConfiguration(name, reason, expected=expected, found=found or "not set")
            )
    findings += _needrestart(seen)
    for timer in TIMERS:
        unit = seen.unit(timer)
        if not (unit.active and unit.enabled):
            findings.append(
                StartUnit(
                    timer, "apt's daily work is not started", "active", _state(unit), unit=timer
                )
            )
    return findings


def _needrestart(seen: Updates) -> Iterator[Finding]:
    if seen.needrestart is None:
        return
    cost = "an update of a library may restart the engine or containerd, on any node at any moment"
    wanted = "leaves docker and containerd alone"
    if seen.needrestart != needrestart_file():
        yield WriteNeedrestart("needrestart", cost, expected=wanted)
    if by := seen.undone_by:
        folder, _, name = by.rpartition("/")
        earlier = f"{folder}/50-{name}"
        yield Notice(
            by,
            f"needrestart reads it after {NEEDRESTART}, and it assigns the whole table "
            f"override_rc, without entries for docker and containerd: {cost}",
            expected=wanted,
            remedy=f"Have it read before: `sudo mv {quoted(by)} {quoted(earlier)}`; or let it add "
            "its entries, as our file does",
        )


def _time_sync(seen: Updates) -> list[Finding]:
    service, reason = _time_service(seen)
    if not reason:
        return []
    package = PACKAGE_OF[service]
    return [
        StartUnit(
            "time synchronisation",
            reason,
            "active",
            _state(seen.unit(service)),
            unit=service,
            package="" if package in seen.packages else package,
        )
    ]


def _reboot(seen: Updates) -> list[Finding]:
    if not seen.reboot_required:
        return []
    packages = ", ".join(seen.reboot_packages)
    return [
        Notice(
            "reboot",
            "the host needs one, to use what was updated" + (f" ({packages})" if packages else ""),
            remedy="`pyinfra inventory.py deploys/reboot.py` reboots the hosts that need it, one "
            "at a time",
        )
    ]


def _differences(configuration: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str, str, str]]:
    """Name, reason, expected and found, for what is not in force as it should be."""
    found = []
    for name, expected in VALUES.items():
        value = (configuration.get(name) or ("",))[-1]
        if not _same(name, value, expected):
            found.append((name, _REASONS[name], expected, value))
    excluded = configuration.get(BLACKLIST, ())
    missing = [pattern for pattern in HELD_BACK if pattern not in excluded]
    if missing:
        reason = "Docker would be updated automatically, on one node before the others"
        found.append((BLACKLIST, reason, " ".join(HELD_BACK), " ".join(excluded)))
    return found


def _same(name: str, value: str, expected: str) -> bool:
    """Whether a value means what is expected: unset ones have defaults, booleans many spellings."""
    if not value:  # the defaults: daily work on, but nothing to do; no reboot
        return name in ("APT::Periodic::Enable", "Unattended-Upgrade::Automatic-Reboot")
    if name == "Unattended-Upgrade::Automatic-Reboot":
        return value.lower() in ("false", "0", "no", "off", "without", "disable")
    return value in (expected, "always")


def _time_service(seen: Updates) -> tuple[str, str]:
    """The service that has to synchronise the clock, and what is wrong with it, if anything."""
    units = [seen.unit(name) for name in TIME_SERVICES]
    running = [unit for unit in units if unit.active]
    if any(unit.enabled for unit in running):
        return running[0].name, ""
    if running:
        return running[0].name, "it runs, but does not start at boot"
    installed = [unit for unit in units if PACKAGE_OF[unit.name] in seen.packages]
    preferred = [unit for unit in installed if unit.enabled] or installed
    if preferred:
        return preferred[0].name, "nothing synchronises the clock, on which certificates depend"
    return TIME_SERVICES[0], "nothing synchronises the clock, on which certificates depend"


def _state(unit: Unit) -> str:
    if not unit.loaded:
        return "not there"
    words = ["active" if unit.active else "inactive"]
    if not unit.enabled:
        words.append("not enabled")
    return ", ".join(words)
