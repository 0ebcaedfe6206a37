"""What differs between the declared firewall and a host's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from pyinfra_swarm.firewall.host_files import FILES, TIMER, UNIT, WANTS, WATCH, files
from pyinfra_swarm.firewall.interfaces import Interfaces, plan_interfaces
from pyinfra_swarm.firewall.iptables_rule import parse
from pyinfra_swarm.firewall.placement import FilterTable, above, positions
from pyinfra_swarm.firewall.policy import FAMILIES, Family, Policy, covers, of_family
from pyinfra_swarm.firewall.rules import (
    FORWARD,
    INPUT,
    JUMPS,
    OURS,
    OUTPUT,
    WEB,
    Chains,
    chains,
    interface_rules,
    web_rules,
)
from pyinfra_swarm.firewall.web_ranges import WebRanges
from pyinfra_swarm.rollback.plan import rolled_back_first
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.wording import duration

TITLES: dict[Family, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}

TAKE_OVER = (
    "Declare its openings in [firewall] of cluster.toml and switch it off, or leave the host's "
    "firewall to it with firewall.enabled = false"
)
_RIVALS = {
    "ufw": ("ufw is on", f"{TAKE_OVER}: `ufw disable`"),
    "firewalld": ("firewalld is running", f"{TAKE_OVER}: `systemctl disable --now firewalld`"),
}
_FLUSHERS = {
    "netfilter-persistent": (
        "it loads saved tables at boot, Docker's old rules among them",
        "Ours are loaded after it. Better: `systemctl disable netfilter-persistent`",
    ),
    "nftables": (
        "its configuration usually begins with a flush, which takes Docker's rules and ours away "
        "whenever it is reloaded",
        "Ours are loaded after it at boot. Better: `systemctl disable nftables`",
    ),
}


@dataclass(frozen=True)
class Tables(Observation):
    """One family's filter table, in the back end that the plain command uses.

    spoken: the kernel has this family; installed: there is an iptables for it.
    chains: chain to its rules, in order; docker: Docker keeps rules in this family.
    mixed: the other back end holds rules as well.
    """

    spoken: bool = True
    installed: bool = True
    backend: str = ""
    chains: FilterTable = field(default_factory=dict)
    mixed: bool = False

    @property
    def ours(self) -> bool:
        """Any of our chains is there."""
        return any(name in self.chains for name in OURS)


@dataclass(frozen=True)
class Host(Observation):
    """What a host says of its firewall.

    tables: by family. sums: path to the SHA-256 of its content, of our files that exist.
    links: the units of ours that systemd starts at boot. active: those that run.
    docker: it is installed. docker_waits: it does not start without our unit.
    bridges: the names of Docker's bridges; ``None`` where the engine did not say.
    interfaces: what the host's own list takes for Docker's. ssh_ports: where sshd listens.
    login_from: the address that this login comes from, as the host sees it; empty where unknown.
    rivals: other firewalls that are at work: ``ufw``, ``firewalld``, ``netfilter-persistent``,
        ``nftables``.
    unconfirmed: a change of ours waits for its confirmation or its undoing.
    """

    tables: Mapping[Family, Tables]
    sums: Mapping[str, str] = field(default_factory=dict)
    links: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    docker: bool = True
    docker_waits: bool = False
    bridges: tuple[str, ...] | None = None
    interfaces: Interfaces = field(default_factory=Interfaces)
    ssh_ports: tuple[int, ...] = ()
    login_from: str = ""
    rivals: tuple[str, ...] = ()
    web: WebRanges = field(default_factory=lambda: WebRanges({}))
    unconfirmed: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a person reads it: our rules by chain, and the rest under speaking names."""
        return {
            **{family: self._shown(self.tables[family]) for family in FAMILIES},
            "web ranges": self.web.to_json(),
            "starts at boot": list(self.links),
            "active": [unit for unit in WANTS if unit in self.active],
            "docker waits for it": self.docker_waits,
            "docker's bridges": "the engine does not say" if self.bridges is None else self.bridges,
            "interfaces": self.interfaces.to_json(),
            "sshd listens on": list(self.ssh_ports),
            "this login comes from": self.login_from or "unknown",
            "other firewalls": list(self.rivals),
            "waits for a confirmation": self.unconfirmed,
        }

    @staticmethod
    def _shown(tables: Tables) -> Any:
        if not tables.spoken:
            return "this host does not speak it"
        if not tables.installed:
            return "iptables is not installed"
        if not tables.ours:
            return "none of our rules"
        return {name: list(tables.chains[name]) for name in OURS if name in tables.chains}


@dataclass(frozen=True)
class Wanted:
    """What is declared, as it lies on a host: chains by family, and path to content of our files.

    refreshed: the web ranges are Cloudflare's, kept by the host.
    ssh_sources: the networks that SSH is open to; empty for everywhere.
    """

    chains: Mapping[Family, Chains]
    files: Mapping[str, str]
    refreshed: bool
    ssh_sources: tuple[str, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """Units of ours that start at boot, and run."""
        return (UNIT, WATCH, TIMER) if self.refreshed else (UNIT, WATCH)


def declared(policy: Policy, schedule: str) -> Wanted:
    """A policy as it lies on a host; schedule: when the host asks Cloudflare for its ranges."""
    rules = {family: chains(policy, family) for family in FAMILIES}
    refreshed = policy.web == "cloudflare"
    return Wanted(
        chains=rules,
        files=files(rules, refreshed=refreshed, schedule=schedule),
        refreshed=refreshed,
        ssh_sources=policy.ssh_sources,
    )


def plan(wanted: Wanted, host: Host, *, planning: bool = False) -> list[Finding]:
    """What differs, most important first.

    planning: what comes before the firewall is only planned as well; Docker brings iptables.
    """
    findings: list[Finding] = [*_refusals(wanted, host, planning=planning)]
    if findings:
        return findings
    for family in FAMILIES:
        if host.tables[family].spoken:
            findings += _family(family, wanted, host)
    if host.unconfirmed:
        findings.append(rolled_back_first("firewall"))
    findings += _files(wanted, host)
    if any(tables.ours for tables in host.tables.values()):
        findings += plan_interfaces(host.interfaces, host.bridges)
    findings += neighbours(host.rivals)
    return findings


def plan_ranges(web: WebRanges, max_age: int) -> list[Finding]:
    """Whether the host's list of web ranges is older than declared, in seconds.

    A list that the host has refused is told at once: it may be an attack, and is no matter of age.
    """
    age = web.age
    if age is not None and age <= max_age:
        return [_refused(web)] if web.refused else []
    since = (
        "have never been refreshed" if age is None else f"were last confirmed {duration(age)} ago"
    )
    failed = web.last_result not in ("", "ok")
    return [
        Change(
            "web ranges",
            f"{since}" + (f"; the last refresh failed: {web.last_result}" if failed else ""),
            expected=f"no older than {duration(max_age)}",
        )
    ]


def _refused(web: WebRanges) -> Notice:
    return Notice(
        "web ranges",
        f"the host got a list that it does not use: {web.last_result}; what was in "
        "force stays in force",
        remedy="Look at https://www.cloudflare.com/ips. If the list there is right, somebody "
        "between the host and Cloudflare changes what the host gets",
    )


def _refusals(wanted: Wanted, host: Host, *, planning: bool) -> list[Finding]:
    found: list[Finding] = []
    missing = [f for f in FAMILIES if host.tables[f].spoken and not host.tables[f].installed]
    if missing and not (planning and not host.docker):
        found.append(
            Refusal(
                "iptables",
                f"is not installed for {' and '.join(TITLES[family] for family in missing)}",
                remedy="Docker's packages bring it: run deploys/docker.py first",
            )
        )
    found += [finding for finding in neighbours(host.rivals) if isinstance(finding, Refusal)]
    if host.login_from and not covers(wanted.ssh_sources, host.login_from):
        found.append(
            Refusal(
                "firewall.ssh_sources",
                f"this run comes from {host.login_from}, which is not among them, and would be "
                "shut out",
                found=", ".join(wanted.ssh_sources),
                remedy="Add its network to firewall.ssh_sources",
            )
        )
    return found


def _family(family: Family, wanted: Wanted, host: Host) -> list[Finding]:
    title = TITLES[family]
    tables = host.tables[family]
    if not tables.ours:
        return [
            Change(
                f"firewall ({title})",
                "none of its rules is there: the host answers everybody",
                expected="what is declared, and nothing else",
            )
        ]
    findings: list[Finding] = []
    for name, rules in {**wanted.chains[family], **interface_rules(host.interfaces)}.items():
        if name == WEB and wanted.refreshed:
            rules = web_rules(of_family(family, host.web.ranges.get(family, ())))
        findings += _chain(f"{name} ({title})", rules, tables.chains.get(name))
    for chain, target in JUMPS.items():
        findings += _jump(title, tables.chains, chain, target)
    if not positions(tables.chains, "FORWARD", "DOCKER-USER"):
        findings.append(
            Change(
                f"FORWARD ({title})",
                "does not lead through DOCKER-USER: published ports are not judged",
            )
        )
    else:
        findings += [
            Notice(
                f"FORWARD ({title})",
                "a rule above DOCKER-USER lets packets pass that are never judged",
                found=rule,
                remedy="Move it below, or restart Docker, which puts its own jump first",
            )
            for rule in above(tables.chains, "FORWARD", "DOCKER-USER")
        ]
    if tables.mixed:
        findings.append(
            Notice(
                f"iptables ({title})",
                "both of its back ends, legacy and nft, hold rules, and each is blind to the "
                "other's; a packet has to pass both",
                expected=tables.backend,
                remedy="Find out who uses the other one; a reboot clears its rules",
            )
        )
    return findings


def _chain(what: str, wanted: Sequence[str], found: Sequence[str] | None) -> list[Finding]:
    """At most one difference for a chain: what is missing, what is not declared, or the order."""
    if found is None:
        return [Change(what, "the chain is gone")]
    expected, actual = [parse(text) for text in wanted], [parse(text) for text in found]
    if expected == actual:
        return []
    missing = [text for text, rule in zip(wanted, expected, strict=True) if rule not in actual]
    foreign = [text for text, rule in zip(found, actual, strict=True) if rule not in expected]
    if not found:
        return [Change(what, "its rules are gone", expected=f"{len(wanted)} rules")]
    if not missing and not foreign:
        return [Change(what, "its rules are in another order, or there twice")]
    words = []
    if missing:
        words.append(f"lacks {_rules(missing)}")
    if foreign:
        words.append(
            f"has {_rules(foreign)} that {'is' if len(foreign) == 1 else 'are'} not declared"
        )
    return [
        Change(
            what,
            " and ".join(words),
            expected=missing[0] if missing else "",
            found=foreign[0] if foreign else "",
        )
    ]


def _rules(texts: Sequence[str]) -> str:
    return "a rule" if len(texts) == 1 else f"{len(texts)} rules"


def _jump(title: str, table: FilterTable, chain: str, target: str) -> list[Finding]:
    what = f"{chain} ({title})"
    places = positions(table, chain, target)
    purpose = {
        INPUT: "nothing that is addressed to the host is judged",
        FORWARD: "published ports are open to everybody",
        OUTPUT: "clear-text VXLAN could leave the host",
    }[target]
    if not places:
        return [Change(what, f"does not lead to {target}: {purpose}", expected=f"-j {target}")]
    if len(places) > 1:
        return [Change(what, f"leads to {target} more than once")]
    return [
        Change(
            what,
            "a rule above ours lets packets pass that are never judged; ours goes first",
            expected=f"-j {target} first",
            found=rule,
        )
        for rule in above(table, chain, target)
    ]


def _files(wanted: Wanted, host: Host) -> list[Finding]:
    findings: list[Finding] = []
    if not any(path in host.sums for path in wanted.files):
        return [Change("firewall", "nothing would load it at the next boot")]
    for path, content in wanted.files.items():
        if path not in host.sums:
            findings.append(Change(path, "is gone; without it the firewall does not last"))
        elif host.sums[path] != sha256(content.encode()).hexdigest():
            findings.append(Change(path, "is not as declared"))
    for path in FILES:
        if path in host.sums and path not in wanted.files:
            findings.append(Change(path, "is no longer needed"))
    for unit in WANTS:
        if unit in wanted.units:
            if unit not in host.links:
                findings.append(Change(unit, "is not started at boot"))
            elif unit not in host.active:
                findings.append(Change(unit, "is not active"))
        elif unit in host.links:
            findings.append(Change(unit, "is no longer needed"))
    missing = [TITLES[family] for family in FAMILIES if not host.web.ranges.get(family)]
    if wanted.refreshed and missing:
        findings.append(
            Change(
                "web ranges",
                f"there is no list for {' and '.join(missing)} that is sound: the door is closed",
            )
        )
    if not host.docker_waits:
        findings.append(Change("docker.service", "would start without the firewall"))
    return findings


def neighbours(names: Iterable[str]) -> list[Finding]:
    """What is said of other firewalls on a host: two that decide are refused, others named."""
    found: list[Finding] = []
    for name in names:
        if name in _RIVALS:
            reason, remedy = _RIVALS[name]
            found.append(
                Refusal("firewall", f"{reason}; two masters of one door open it", remedy=remedy)
            )
        elif name in _FLUSHERS:
            reason, remedy = _FLUSHERS[name]
            found.append(Notice(f"{name}.service", reason, remedy=remedy))
    return found
