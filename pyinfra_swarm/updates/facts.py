"""How a host keeps itself up to date and its clock right."""

from __future__ import annotations

import re

from pyinfra_swarm.host.kernel_facts import PATH
from pyinfra_swarm.host.packages import PACKAGE_ROWS, REBOOT
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.units import UNITS
from pyinfra_swarm.updates import plan as observed
from pyinfra_swarm.updates.needrestart import NEEDRESTART, undone_by
from pyinfra_swarm.updates.plan import (
    CONFIGURATION,
    PACKAGE_OF,
    TIME_SERVICES,
    TIMERS,
    Unit,
)

FILES_AFTER = program(__file__, "files_after.sh")
"""Shell: a function that shows the files of a folder which are read after a given one."""

_AFTER = "after "

_SCRIPT = program(
    __file__,
    "updates.sh",
    using=[PATH, UNITS, PACKAGE_ROWS, FILES_AFTER],
    packages=" ".join(["unattended-upgrades", "needrestart", *PACKAGE_OF.values()]),
    services=" ".join(TIMERS + TIME_SERVICES),
    own_file=CONFIGURATION,
    needrestart=NEEDRESTART,
)


class Updates(SubjectFact[observed.Updates]):
    """Unattended upgrades, what they leave alone, and what keeps the time.

    .. code:: python

        {
            "packages": {"unattended-upgrades": "2.12", "systemd-timesyncd": "257.9-1~deb13u1"},
            "configuration": {"APT::Periodic::Unattended-Upgrade": ["1"], …},
            "own_file": "// Written by pyinfra-swarm …",
            "needrestart": None,
            "undone_by": "",
            "units": [
                {"name": "apt-daily.timer", "loaded": true, "active": true, "enabled": true}, …
            ],
            "reboot_required": false,
            "reboot_packages": []
        }
    """

    def script(self) -> str:
        return _SCRIPT + REBOOT + "exit 0"

    def parse(self, said: Sections) -> observed.Updates:
        return parse(said)


def parse(said: Sections) -> observed.Updates:
    """Make sense of the script's output. Raises ``ValueError`` where a section is missing."""
    try:
        required, *packages = said["reboot"] or [""]
        installed = _packages(said["packages"])
        return observed.Updates(
            packages=installed,
            configuration=_configuration(said["configuration"]),
            own_file="".join(f"{line}\n" for line in said["own_file"]),
            units=_units(said["units"]),
            reboot_required=bool(required),
            reboot_packages=tuple(dict.fromkeys(packages)),
            needrestart="".join(f"{line}\n" for line in said["needrestart"])
            if "needrestart" in installed
            else None,
            undone_by=undone_by(
                {
                    name.removeprefix(_AFTER): "\n".join(lines)
                    for name, lines in said.items()
                    if name.startswith(_AFTER) and "needrestart" in installed
                }
            ),
        )
    except KeyError as section:
        raise ValueError(f"the host said nothing under {section}") from None


def _packages(lines: list[str]) -> dict[str, str]:
    words = [line.split() for line in lines]
    return {word[0]: word[2] for word in words if len(word) == 3 and word[1][1:2] == "i"}


def _configuration(lines: list[str]) -> dict[str, tuple[str, ...]]:
    """`apt-config dump`, as far as it concerns updates; `Name:: "x";` is an item of a list."""
    found: dict[str, tuple[str, ...]] = {}
    for line in lines:
        match = re.match(r'((?:APT::Periodic|Unattended-Upgrade)(?:::[^ ]*)?) "(.*)";$', line)
        if match and match[2]:
            name = match[1].removesuffix("::")
            found[name] = (*found.get(name, ()), match[2])
    return found


def _units(lines: list[str]) -> tuple[Unit, ...]:
    """`systemctl show`: one block of properties a unit, in the order asked for."""
    units = []
    for block in "\n".join(lines).split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            units.append(
                Unit(
                    name=values["Id"],
                    loaded=values.get("LoadState") == "loaded",
                    active=values.get("ActiveState") in ("active", "reloading"),
                    enabled=values.get("UnitFileState") in ("enabled", "static", "alias"),
                )
            )
    return tuple(units)
