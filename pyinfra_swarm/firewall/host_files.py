"""The content of every file of the firewall on a host: the rules, the script, the units.

The rules are plain input of ``iptables-restore --noflush``. The script adds ``SWARM-WEB`` from the
host's own list where a line says ``# web ranges``, what depends on Docker's bridges where one says
``# interfaces``, and the jumps, which depend on what else is in the tables at that moment.

The script is one file on the host (:data:`firewall.paths.SCRIPT`), put together from parts in
``onhost/``: ``load_rules.sh``, ``docker_bridges.sh``, ``watch_interfaces.sh``,
``refresh_web_ranges.sh``, ``unload_rules.sh`` and what these share.
"""

from __future__ import annotations

from shlex import quote

from pyinfra_swarm.firewall import units
from pyinfra_swarm.firewall.docker_bridges import FOR_THE_HOST
from pyinfra_swarm.firewall.paths import (
    DOCKER_DROP_IN,
    REFRESH_FILE,
    RULES,
    SCRIPT,
    TIMER_FILE,
    UNIT_FILE,
    WATCH_FILE,
)
from pyinfra_swarm.firewall.policy import FAMILIES, Family
from pyinfra_swarm.firewall.rules import BY_INTERFACE, Chains
from pyinfra_swarm.firewall.web_ranges import SHIPPED, URLS, covered
from pyinfra_swarm.run.onhost import program, source
from pyinfra_swarm.run.shell import with_values

MARK = "# web ranges"
INTERFACES_MARK = "# interfaces"


def rules_file(chains: Chains, *, refreshed: bool) -> str:
    """The rules of one family, as the script loads them.

    refreshed: ``SWARM-WEB`` comes from the host's own list.
    """
    lines = [*(f":{name} - [0:0]" for name in chains)]
    lines += [f"-A {name} {rule}" for name, rules in chains.items() for rule in rules]
    lines.append(INTERFACES_MARK)
    if refreshed:
        lines.append(MARK)
    return "\n".join([units.HEADER + "*filter", *lines, "COMMIT"]) + "\n"


def files(rules: dict[Family, Chains], *, refreshed: bool, schedule: str) -> dict[str, str]:
    """Path to content of every file on a host but its lists.

    refreshed: the web ranges are Cloudflare's, refreshed on the host; schedule: when, as systemd's
    ``OnCalendar`` takes it.
    """
    found = {RULES[family]: rules_file(rules[family], refreshed=refreshed) for family in FAMILIES}
    found[SCRIPT] = script()
    found[UNIT_FILE] = units.LOAD
    found[WATCH_FILE] = units.WATCH
    found[DOCKER_DROP_IN] = units.DROP_IN
    if refreshed:
        found[REFRESH_FILE] = units.REFRESH
        found[TIMER_FILE] = units.timer(schedule)
    return found


_PARTS = (
    "valid_networks.sh",
    "load_rules.sh",
    "docker_bridges.sh",
    "watch_interfaces.sh",
    "unload_rules.sh",
    "refresh_web_ranges.sh",
    "firewall_commands.sh",
)
_BRIDGES = {
    **FOR_THE_HOST,
    "rules_by_interface": "\n".join(f"{of} -A {chain} {rule}" for of, chain, rule in BY_INTERFACE),
}
_SHIPPED = {f"shipped_{family}": str(covered(SHIPPED[family])) for family in FAMILIES}


def script(urls: dict[Family, str] | None = None) -> str:
    """The script on the host: loads the rules, refreshes the web ranges, takes everything off.

    urls: where the lists are, to try it out elsewhere.
    """
    head, _, text = source(__file__, "firewall.sh").partition("\n\n")
    where = {f"url_{family}": url for family, url in (urls or URLS).items()}
    parts = [source(__file__, part).removeprefix("#!/bin/sh\n") for part in _PARTS]
    return f"{head}\n\n{with_values(text, **where, **_SHIPPED, **_BRIDGES)}\n" + "\n".join(parts)


def valid() -> str:
    """Shell: the script's function ``valid FAMILY FILE``, which judges a list of networks."""
    return program(__file__, "valid_networks.sh", **_SHIPPED)


def unload() -> str:
    """Shell that takes the chains out of both families' tables, whatever else is on the host.

    It fails where one of them is still there: with 1 where that may work later, else with 2.
    """
    return f"sh -c {quote(script())} firewall unload"
