"""What a host says of the floating address: who holds it, since when, and who could."""

from __future__ import annotations

import json
import re
from typing import Any

from pyinfra_swarm.floating_address import paths, seen
from pyinfra_swarm.host.packages import PACKAGE_ROWS
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.units import UNITS, parse_units


class FloatingAddress(SubjectFact[seen.Holding]):
    """Whether this host holds the floating address, since when, and whether it could.

    Gives a :class:`floating_address.seen.Holding`, also where nothing of it is set up.
    """

    def script(self) -> str:
        return program(
            __file__,
            "observed.sh",
            using=[PACKAGE_ROWS, UNITS],
            package=paths.PACKAGE,
            unit=paths.UNIT,
            configuration=paths.CONFIGURATION,
            files=" ".join(paths.MANAGED),
            program=paths.PROGRAM,
            role=paths.ROLE,
            given_up=paths.GIVEN_UP,
            loaded=paths.LOADED,
            mark=seen.MARK,
        )

    def parse(self, said: Sections) -> seen.Holding:
        return parse_floating_address(said)


def parse_floating_address(said: Sections) -> seen.Holding:
    """Read what :class:`FloatingAddress` prints. Raises ``ValueError`` for what it cannot read."""
    rows = [line.split() for line in said["package"]]
    unit = parse_units(said["unit"]).get(paths.UNIT, {})
    role, since, taken = ([*" ".join(said["role"]).split(), "", "", ""])[:3]
    [clock] = said["clock"]
    configuration = "".join(f"{line}\n" for line in said["configuration"])
    return seen.Holding(
        package=next((row[2] for row in rows if row[1:2] == ["installed"]), ""),
        configuration=configuration if configuration.strip() else "",
        sums={path: digest for digest, path in (line.split() for line in said["sums"])},
        loaded="".join(said["loaded"]).strip(),
        active=unit.get("ActiveState") in ("active", "reloading"),
        enabled=unit.get("UnitFileState") == "enabled",
        reload=unit.get("NeedDaemonReload") == "yes",
        addresses=_addresses("\n".join(said["addresses"])),
        given_up="".join(said["given_up"]).strip() not in ("", "0"),
        role=role,
        since=max(int(clock) - int(since), 0) if _NUMBER.fullmatch(since) else None,
        taken=int(taken) if _NUMBER.fullmatch(taken) else 0,
        problem=" ".join(said["problem"]).strip(),
        drained=said["health"] == [DRAINED],
    )


DRAINED = "3"
"""The status with which the program says that all is well, but that the node is drained."""

_NUMBER = re.compile(r"[0-9]{1,12}")


def _addresses(text: str) -> dict[str, tuple[str, ...]]:
    """Interface to its addresses, of ``ip -j address show``."""
    links: list[dict[str, Any]] = json.loads(text)
    return {
        str(link["ifname"]): tuple(
            f"{one['local']}/{one['prefixlen']}"
            for one in link.get("addr_info", ())
            if "local" in one
        )
        for link in links
        if "ifname" in link
    }
