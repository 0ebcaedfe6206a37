"""What iptables holds, in both address families and both back ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.firewall.docker_bridges import name_of, parse_list
from pyinfra_swarm.firewall.host_files import valid
from pyinfra_swarm.firewall.iptables_rule import Rule
from pyinfra_swarm.firewall.iptables_rule import parse as parse_rule
from pyinfra_swarm.firewall.iptables_save import Chain, parse_save
from pyinfra_swarm.firewall.paths import (
    FILES,
    INTERFACE_LIST,
    LISTS,
    STATUS,
    TIMER,
    UNIT,
    WANTS,
    WATCH,
)
from pyinfra_swarm.firewall.policy import FAMILIES as EACH
from pyinfra_swarm.firewall.state import Host
from pyinfra_swarm.firewall.state import Tables as FilterTables
from pyinfra_swarm.firewall.web_ranges import WebRanges as Ranges
from pyinfra_swarm.host.kernel_facts import PATH
from pyinfra_swarm.rollback.plan import UNCONFIRMED
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.login import LOGIN_BY, answered_by
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.units import UNITS, parse_units
from pyinfra_swarm.ssh.sshd import CONFIG, DROP_INS

BACKENDS = ("nft", "legacy")

_TABLES = program(__file__, "tables.sh")


@dataclass(frozen=True)
class Family(Observation):
    """One address family.

    installed: whether there is an iptables for it.
    backend: the one that the plain command uses, ``nft`` or ``legacy``; empty without iptables.
    mixed: both back ends hold rules, and each is blind to the other's.
    tables: back end → table → chain; tables that the kernel has not loaded are left out.
    errors: what a back end said where the kernel does not have it.
    """

    installed: bool
    backend: str
    mixed: bool
    tables: dict[str, dict[str, dict[str, Chain]]]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Firewall(Observation):
    """iptables on a host; ``installed`` is false in both families where there is none."""

    ipv4: Family
    ipv6: Family

    def to_json(self) -> dict[str, Any]:
        """Without what is empty, so that a person can read it."""
        return {
            name: _readable(family) if family.installed else "iptables is not installed"
            for name, family in (("ipv4", self.ipv4), ("ipv6", self.ipv6))
        }


class Tables(SubjectFact[Firewall]):
    """All tables, chains and rules of iptables, in order.

    .. code:: python

        {
            "ipv4": {
                "backend": "nft",
                "filter": {
                    "INPUT (policy ACCEPT)": ["-i lo -j ACCEPT", …],
                    "DOCKER-USER": [],
                },
            },
            "ipv6": "iptables is not installed",
        }

    Rules of the back end that the plain command does not use appear as ``filter (legacy)``.
    """

    def script(self) -> str:
        return PATH + _TABLES + "exit 0"

    def parse(self, said: Sections) -> Firewall:
        return parse(said)


def parse(said: Sections) -> Firewall:
    """Make sense of the script's output. Raises ``ValueError`` where it is not understood."""
    try:
        families = {
            name: _family(said[name], {b: said[f"{name}-{b}"] for b in BACKENDS}) for name in EACH
        }
    except KeyError as section:
        raise ValueError(f"the host said nothing under {section}") from None
    return Firewall(**families)


def _family(active: list[str], saved: dict[str, list[str]]) -> Family:
    tables: dict[str, dict[str, dict[str, Chain]]] = {}
    errors: list[str] = []
    for backend, lines in saved.items():
        found, said = parse_save(lines)
        if found:
            tables[backend] = found
        errors += said
    ruled = [b for b, found in tables.items() if any(map(_in_use, found.values()))]
    word = active[0] if active else ""
    backend = "nft" if "nf_tables" in word else "legacy" if "legacy" in word else word
    return Family(
        installed=bool(word),
        backend=backend,
        mixed=len(ruled) > 1,
        tables=tables,
        errors=tuple(errors),
    )


def _in_use(chains: dict[str, Chain]) -> bool:
    return any(chain.rules or chain.policy == "DROP" for chain in chains.values())


def _readable(family: Family) -> dict[str, Any]:
    shown: dict[str, Any] = {"backend": family.backend}
    if family.mixed:
        shown["mixed"] = "both back ends hold rules, and each is blind to the other's"
    for backend, tables in family.tables.items():
        for table, chains in tables.items():
            title = table if backend == family.backend else f"{table} ({backend})"
            shown[title] = {
                name if chain.policy is None else f"{name} (policy {chain.policy})": chain.rules
                for name, chain in chains.items()
            }
    if not family.tables:
        shown["tables"] = "none: nothing has used iptables since the last boot"
    if family.errors:
        shown["errors"] = family.errors
    return shown


# What the managed firewall needs to know
# ---------------------------------------

_WEB = program(__file__, "web_ranges.sh", using=[valid()], lists=LISTS, status=STATUS)

_OTHERS = ("firewalld", "netfilter-persistent", "nftables")

_STATE = program(
    __file__,
    "state.sh",
    using=[UNITS, ENGINE_STATE, LOGIN_BY, UNCONFIRMED],
    files=" ".join(FILES),
    links=" ".join(WANTS.values()),
    shown_units=" ".join([UNIT, WATCH, TIMER, *(f"{name}.service" for name in _OTHERS)]),
    sshd_config=CONFIG,
    sshd_drop_ins=DROP_INS,
    interface_list=INTERFACE_LIST,
)


class WebRanges(SubjectFact[Ranges]):
    """The ranges that may reach the web ports, as the host refreshes them by itself.

    Returns :class:`firewall.web_ranges.WebRanges`:

    .. code:: python

        {
            "ranges": {"ipv4": ["173.245.48.0/20", …], "ipv6": ["2400:cb00::/32", …]},
            "age": 40213,
            "last_result": "ok",
            "last_try": 40213,
            "refused": false,
        }

    A list that is missing or damaged, as the host's own script judges it, is empty here: the web
    ports are closed. Ages are in seconds.
    """

    def script(self) -> str:
        return PATH + _WEB + "exit 0"

    def parse(self, said: Sections) -> Ranges:
        return _ranges(said)


class State(SubjectFact[Host]):
    """The managed firewall on a host: its rules, whether they last, and what is around them.

    Returns :class:`firewall.state.Host`; shown as a person reads it:

    .. code:: python

        {
            "ipv4": {"SWARM-INPUT": ["-p udp -m policy --dir in …", …], …},
            "ipv6": {…},
            "web ranges": {"ranges": {…}, "age": 40213, "last_result": "ok", …},
            "starts at boot": ["pyinfra-swarm-firewall.service", …],
            …
        }

    A host without the managed firewall shows no chains; one without iptables says so.
    """

    def script(self) -> str:
        return PATH + _TABLES + _STATE + _WEB + "exit 0"

    def parse(self, said: Sections) -> Host:
        return parse_state(said)


def parse_state(found: Sections) -> Host:
    """Make sense of the script's output. Raises ``ValueError`` where it is not understood."""
    tables = parse(found)
    units = parse_units(found["units"])
    others = [name for name in _OTHERS if _at_work(units.get(f"{name}.service", {}))]
    if any("yes" in line.lower() for line in found["ufw"]):
        others.insert(0, "ufw")
    login = "".join(found["login"]).removeprefix("SSH_CONNECTION=").split()
    ports = _sshd_ports(found["ports"])
    problem = " / ".join(line.strip() for line in found.get("sshd-fails", ()))
    if units.get("ssh.socket", {}).get("ActiveState") == "active":
        ports |= {int(word.rpartition(":")[2]) for word in _listened(found["listen"])}
        problem = ""  # systemd listens in place of sshd
    if len(login) == 4:
        ports.add(int(login[3]))
    return Host(
        tables={
            "ipv4": _filter_table(tables.ipv4, spoken=True),
            "ipv6": _filter_table(tables.ipv6, spoken=bool(found["spoken"])),
        },
        sums={path: total for total, path in (line.split(maxsplit=1) for line in found["sums"])},
        links=tuple(found["links"]),
        active=tuple(name for name, unit in units.items() if unit.get("ActiveState") == "active"),
        docker=units.get("docker.service", {}).get("LoadState") == "loaded",
        docker_waits=_waits(units.get("docker.service", {})),
        docker_for=_active_for(units.get("docker.service", {}), "".join(found.get("up", []))),
        bridges=_bridges("".join(found["bridges"])),
        interfaces=parse_list(found["interfaces"]),
        ssh_ports=tuple(sorted(ports)),
        ssh_problem=problem,
        login_from=login[0].partition("%")[0] if login else "",
        login_by=answered_by(found["login_by"]),
        vpns_at_boot=tuple(found["vpns"]),
        others=tuple(others),
        web=_ranges(found),
        unconfirmed="unconfirmed" in found,
        mesh_ports=_published(tables, "DOCKER-INGRESS"),
        container_ports=_published(tables, "DOCKER"),
    )


def _published(tables: Firewall, chain: str) -> frozenset[tuple[int, str]]:
    """The ports that a chain of Docker's hands on to containers, in either family."""
    found: set[tuple[int, str]] = set()
    for family in (tables.ipv4, tables.ipv6):
        nat = family.tables.get(family.backend, {}).get("nat", {})
        for text in nat[chain].rules if chain in nat else ():
            rule = parse_rule(text)
            port, protocol = rule.condition("--dport") or "", rule.condition("-p") or ""
            known = port.isdigit() and protocol in ("tcp", "udp", "sctp")
            if rule.target == "DNAT" and known and not _is_loopback(rule):
                found.add((int(port), protocol))  # Docker writes a rule for each port of a range
    return frozenset(found)


def _is_loopback(rule: Rule) -> bool:
    """Whether a rule is only for the host itself (``-p 127.0.0.1:8080:80``)."""
    return (rule.condition("-d") or "").startswith(("127.", "::1"))


def _filter_table(family: Family, *, spoken: bool) -> FilterTables:
    chains = family.tables.get(family.backend, {}).get("filter", {})
    return FilterTables(
        spoken=spoken,
        installed=family.installed,
        backend=family.backend,
        chains={name: chain.rules for name, chain in chains.items()},
        mixed=family.mixed,
    )


def _at_work(unit: Mapping[str, str]) -> bool:
    return unit.get("ActiveState") == "active" or unit.get("UnitFileState") == "enabled"


def _active_for(unit: Mapping[str, str], up: str) -> float | None:
    """Seconds that a unit has been active; ``None`` where it is not. up: since the boot."""
    entered = unit.get("ActiveEnterTimestampMonotonic", "")
    if unit.get("ActiveState") != "active" or not entered.isdigit() or not up:
        return None
    return max(float(up) - int(entered) / 1e6, 0.0)


def _waits(docker: Mapping[str, str]) -> bool:
    """A Docker that is not there cannot start without us."""
    return docker.get("LoadState") != "loaded" or UNIT in docker.get("Requires", "").split()


def _sshd_ports(lines: list[str]) -> set[int]:
    """Where sshd listens by ``sshd -T``: ``listenaddress [::]:22``, ``port 22``.

    A port counts only for addresses that are given without one, which are then printed with it.
    """
    words = [line.split() for line in lines]
    listened = {int(one[1].rpartition(":")[2]) for one in words if one[0] == "listenaddress"}
    return listened or {int(one[1]) for one in words}


def _listened(lines: list[str]) -> list[str]:
    """Addresses out of ``[::]:22 (Stream)``."""
    return [word for line in lines for word in line.split() if word.rpartition(":")[2].isdigit()]


def _bridges(answer: str) -> tuple[str, ...] | None:
    """What Docker calls the interfaces of its bridge networks; ``None`` where it did not say."""
    try:
        networks = json.loads(answer)
    except ValueError:
        return None
    if not isinstance(networks, list):
        return None
    given = "com.docker.network.bridge.name"
    return tuple(
        sorted(name_of(one["Id"], (one.get("Options") or {}).get(given, "")) for one in networks)
    )


def _ranges(found: Mapping[str, list[str]]) -> Ranges:
    now = int("".join(found["now"]))
    confirmed = [int("".join(found[f"confirmed {family}"]) or 0) for family in EACH]
    tried, *results = found["status"] or [""]
    failed = [line for line in results if line.partition(": ")[2] != "ok"]
    return Ranges(
        ranges={family: _networks(found[f"list {family}"]) for family in EACH},
        age=now - min(confirmed) if min(confirmed) else None,
        last_result="; ".join(failed) or ("ok" if results else ""),
        last_try=now - int(tried) if tried.isdigit() else None,
        refused=any(line.partition(": ")[2].startswith("refused: ") for line in failed),
    )


def _networks(lines: list[str]) -> tuple[str, ...]:
    """A sound list as it counts in the rules."""
    return tuple(str(ip_network(line.strip(), strict=False)) for line in lines if line.strip())
