"""Security updates by themselves, without Docker and without reboots; and the time kept right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Finding, Notice
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.printable import quoted

CONFIGURATION = "/etc/apt/apt.conf.d/90pyinfra-swarm"
"""Our part of apt's configuration; it is read after the distributions' own 20… and 50…."""

HELD_BACK = (
    "^docker-ce",
    "^docker-buildx-plugin$",
    "^docker-compose-plugin$",
    "^containerd[.]io$",
)
"""Packages that unattended upgrades leave alone, as regular expressions from their beginning.

An engine that is updated by itself restarts its containers, and on one node before the others:
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
"""What can keep the time; any of them that runs is right."""

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
    "Unattended-Upgrade::Automatic-Reboot": "a node that reboots by itself can cost the quorum",
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

    def unit(self, name: str) -> Unit:
        """The unit of this name, as one that does not exist where nothing is known of it."""
        return next((u for u in self.units if u.name == name), Unit(name, False, False, False))

    def value(self, name: str) -> str:
        """A single value of the configuration in force; empty where it is not set."""
        return (self.configuration.get(name) or ("",))[-1]


@dataclass(frozen=True)
class Plan:
    """What was found, and what mends it: packages to install, a file to write, units to start."""

    findings: list[Finding]
    install: tuple[str, ...] = ()
    write: bool = False
    enable: tuple[str, ...] = ()


def configuration_file() -> str:
    """The content of :data:`CONFIGURATION`."""
    lines = ["// Written by pyinfra-swarm (deploys/updates.py); changes here are overwritten."]
    lines += [f'{name} "{value}";' for name, value in VALUES.items()]
    lines += [f"{BLACKLIST} {{"] + [f'    "{pattern}";' for pattern in HELD_BACK] + ["};"]
    return "\n".join(lines) + "\n"


def plan(*, unattended: bool, time_sync: bool, actual: Updates) -> Plan:
    """What differs from unattended security updates and a synchronised clock.

    unattended, time_sync: whether that part is managed at all.

    apt's configuration is judged by what is in force, wherever it is written. Where our file is as
    it should be and is overruled, that is reported: writing it again would not help.
    """
    findings: list[Finding] = []
    install: list[str] = []
    enable: list[str] = []
    write = False
    if unattended:
        if "unattended-upgrades" not in actual.packages:
            install.append("unattended-upgrades")
            findings.append(
                Change("unattended-upgrades", "security updates are not installed by themselves")
            )
        differences = _differences(actual.configuration)
        if differences and actual.own_file != configuration_file():
            write = True
            findings += [
                Change(name, reason, expected=expected, found=found or "not set")
                for name, reason, expected, found in differences
            ]
        else:
            findings += [
                Notice(
                    name,
                    f"{reason}: something overrules {CONFIGURATION}",
                    expected=expected,
                    found=found or "not set",
                    remedy="Find it: `grep -rn "
                    f"{quoted(name.rsplit('::', 1)[-1])} /etc/apt/apt.conf.d`",
                )
                for name, reason, expected, found in differences
            ]
        for timer in TIMERS:
            unit = actual.unit(timer)
            if not (unit.active and unit.enabled):
                enable.append(timer)
                findings.append(
                    Change(timer, "apt's daily work is not started", "active", _state(unit))
                )
    if time_sync:
        service, reason = _time_service(actual)
        if reason:
            unit = actual.unit(service)
            if PACKAGE_OF[service] not in actual.packages:
                install.append(PACKAGE_OF[service])
            enable.append(service)
            findings.append(Change("time synchronisation", reason, "active", _state(unit)))
    if actual.reboot_required:
        packages = ", ".join(actual.reboot_packages)
        findings.append(
            Notice(
                "reboot",
                "the host waits for one, to use what was updated"
                + (f" ({packages})" if packages else ""),
                remedy="`pyinfra inventory.py deploys/reboot.py` reboots the hosts that wait for "
                "it, one at a time",
            )
        )
    return Plan(findings, tuple(install), write, tuple(enable))


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
        reason = "Docker would be updated by itself, on one node before the others"
        found.append((BLACKLIST, reason, " ".join(HELD_BACK), " ".join(excluded)))
    return found


def _same(name: str, value: str, expected: str) -> bool:
    """Whether a value means what is expected: unset ones have defaults, booleans many spellings."""
    if not value:  # the defaults: daily work on, but nothing to do; no reboot
        return name in ("APT::Periodic::Enable", "Unattended-Upgrade::Automatic-Reboot")
    if name == "Unattended-Upgrade::Automatic-Reboot":
        return value.lower() in ("false", "0", "no", "off", "without", "disable")
    return value in (expected, "always")


def _time_service(actual: Updates) -> tuple[str, str]:
    """The service that is to keep the time, and what is wrong with it: nothing where it does."""
    units = [actual.unit(name) for name in TIME_SERVICES]
    running = [unit for unit in units if unit.active]
    if any(unit.enabled for unit in running):
        return running[0].name, ""
    if running:
        return running[0].name, "it runs, but would not after a reboot"
    installed = [unit for unit in units if PACKAGE_OF[unit.name] in actual.packages]
    preferred = [unit for unit in installed if unit.enabled] or installed
    if preferred:
        return preferred[0].name, "nothing keeps the clock right; certificates depend on it"
    return TIME_SERVICES[0], "nothing keeps the clock right; certificates depend on it"


def _state(unit: Unit) -> str:
    if not unit.loaded:
        return "not there"
    words = ["active" if unit.active else "inactive"]
    if not unit.enabled:
        words.append("not enabled")
    return ", ".join(words)
