"""What differs between the declared firewall and a host's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from pyinfra_swarm.firewall.docker_bridges import plan_interfaces
from pyinfra_swarm.firewall.iptables_rule import parse
from pyinfra_swarm.firewall.mesh_vpns import NAMES, REACH, advice, mesh_vpn, trusted
from pyinfra_swarm.firewall.openings import Differences
from pyinfra_swarm.firewall.paths import FILES, LISTS, RULES, WANTS
from pyinfra_swarm.firewall.placement import FilterTable, above, positions
from pyinfra_swarm.firewall.policy import FAMILIES, VPN, Family, Vpn, covers, of_family
from pyinfra_swarm.firewall.rules import (
    FORWARD,
    INPUT,
    JUMPS,
    OUTPUT,
    WEB,
    interface_rules,
    web_rules,
)
from pyinfra_swarm.firewall.state import Host
from pyinfra_swarm.firewall.wanted import Wanted
from pyinfra_swarm.firewall.web_ranges import WebRanges
from pyinfra_swarm.rollback.plan import roll_back_first_finding
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal, Whole
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import duration

TITLES: dict[Family, str] = {"ipv4": "IPv4", "ipv6": "IPv6"}

TAKE_OVER = (
    "Declare its openings in [firewall] of cluster.toml and switch it off, or leave the host's "
    "firewall to it with firewall.enabled = false"
)
_REFUSED = {
    "ufw": ("ufw is on", f"{TAKE_OVER}: `ufw disable`"),
    "firewalld": ("firewalld is running", f"{TAKE_OVER}: `sudo systemctl disable --now firewalld`"),
}
_FLUSHERS = {
    "netfilter-persistent": (
        "it loads saved tables at boot, Docker's old rules among them",
        "The managed rules are loaded after it. Better: "
        "`sudo systemctl disable netfilter-persistent`",
    ),
    "nftables": (
        "its configuration usually begins with a flush: each reload takes away Docker's rules "
        "and the managed ones",
        "The managed rules are loaded after it at boot. Better: `sudo systemctl disable nftables`",
    ),
}


def plan(wanted: Wanted, host: Host, *, planning: bool = False) -> list[Finding]:
    """What differs, most important first.

    planning: what comes before the firewall is only planned as well; Docker brings iptables.
    """
    findings: list[Finding] = [*_refusals(wanted, host, planning=planning)]
    ports = _ports(wanted, host)
    for family in FAMILIES:
        tables = host.tables[family]
        if tables.spoken and (tables.installed or not findings):
            findings += _family(family, wanted, host, ports)
    if host.unconfirmed:
        findings.append(roll_back_first_finding())
    findings += _rules_files_with(findings, _files(wanted, host))
    if any(tables.managed for tables in host.tables.values()):
        findings += plan_interfaces(host.interfaces, host.bridges)
    findings += [one for one in other_firewalls(host.others) if not isinstance(one, Refusal)]
    return findings


def plan_ranges(web: WebRanges, max_age: int) -> list[Finding]:
    """Whether the host's list of web ranges is older than declared, in seconds.

    A list that the host has refused is reported whatever its age: it may be an attack.
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


def plan_removal(host: Host) -> list[Finding]:
    """Everything of the firewall that is on a host, to be taken off."""
    found: list[Finding] = [
        Change(f"firewall ({TITLES[family]})", "is in the tables")
        for family in FAMILIES
        if host.tables[family].managed
    ]
    found += [Change(path, "is on the host") for path in host.sums]
    found += [Change(unit, "is started at boot") for unit in host.links]
    if host.web.known:
        found.append(Change(LISTS, "is on the host"))
    return found


def left_over(host: Host) -> list[Finding]:
    """A notice where the firewall is on a host although it is not to be."""
    if not any(tables.managed for tables in host.tables.values()) and not host.sums:
        return []
    return [
        Notice(
            "firewall",
            "is on the host, although firewall.enabled = false",
            remedy="Take it off: `pyinfra inventory.py deploys/firewall_removed.py`",
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
    found += [finding for finding in other_firewalls(host.others) if isinstance(finding, Refusal)]
    if host.ssh_problem:
        found.append(
            Refusal(
                "sshd ports",
                f"sshd does not say where it listens: {host.ssh_problem}; the firewall would close "
                "a port that people log in by",
                remedy="`sudo sshd -T` on the host has to end without an error: correct the file "
                "that it names, or what it says is missing",
            )
        )
    if host.login_from and not covers(wanted.ssh_sources, host.login_from):
        found += _shut_out(wanted, host)
    return found


_AT_BOOT = {"tailscale": "tailscaled.service", "netbird": "netbird.service"}


def _shut_out(wanted: Wanted, host: Host) -> list[Finding]:
    """Why the computer of this run would not get in any more, although it does now."""
    vpn = wanted.vpn if VPN in wanted.ssh_sources else None
    if vpn is None:
        return [
            Refusal(
                "firewall.ssh_sources",
                f"this run comes from {host.login_from}, which is not among them, and would be "
                "locked out",
                found=", ".join(wanted.ssh_sources),
                remedy="Add its network to firewall.ssh_sources",
            )
        ]
    if host.login_by != vpn.interface:
        return [
            Refusal(
                "firewall.ssh_sources",
                f"this run does not come through the VPN, but from {host.login_from} by "
                f"{host.login_by or 'an unknown interface'}, and would be locked out",
                expected=f"by {vpn.interface}",
                remedy="Connect this computer to the VPN, give each host its address there as "
                "ssh_host, and run again: SSH is closed to the rest once a new login through the "
                "VPN has worked; docs/vpn.md",
            )
        ]
    unit = _AT_BOOT.get(vpn.kind, f"wg-quick@{vpn.interface}.service")
    if unit not in host.vpns_at_boot:
        return [
            Refusal(
                "firewall.ssh_sources",
                "the VPN is not started at boot, so nobody would get in after a reboot",
                expected=f"{unit} enabled",
                remedy=f"`sudo systemctl enable {quoted(unit)}` on the host, "
                "or run deploys/vpn.py first",
            )
        ]
    return []


def _chains(family: Family, wanted: Wanted, host: Host) -> Iterable[tuple[str, Sequence[str]]]:
    """Each chain's name, and its rules as they are to be."""
    for name, rules in {**wanted.chains[family], **interface_rules(host.interfaces)}.items():
        if name == WEB and wanted.refreshed:
            rules = web_rules(of_family(family, host.web.ranges.get(family, ())))
        yield name, rules


def _ports(wanted: Wanted, host: Host) -> Differences:
    """The ports that are to be opened or closed, seen over both families: each is told once."""
    ports = Differences()
    for family in FAMILIES:
        tables = host.tables[family]
        for name, rules in _chains(family, wanted, host) if tables.managed else ():
            if found := tables.chains.get(name):
                ports.add(name, rules, found)
    return ports


def _rules_files_with(rules: Sequence[Finding], files: list[Finding]) -> list[Finding]:
    """The files of rules are told with a port, where ports are all that differs in the rules."""
    wholes = [finding.within for finding in rules if isinstance(finding, Change)]
    if not wholes or wholes[0] is None or None in wholes:
        return files
    return [
        replace(finding, within=wholes[0])
        if finding.what in RULES.values() and finding.reason == _OTHER_CONTENT
        else finding
        for finding in files
    ]


_OTHER_CONTENT = "is not as declared"


def _family(family: Family, wanted: Wanted, host: Host, ports: Differences) -> list[Finding]:
    title = TITLES[family]
    tables = host.tables[family]
    if not tables.managed:
        return [
            Change(
                f"firewall ({title})",
                "it is not loaded: the host answers everybody",
                expected="what is declared, and nothing else",
            )
        ]
    findings: list[Finding] = []
    for name, rules in _chains(family, wanted, host):
        findings += _chain(name, title, rules, tables.chains.get(name), ports)
    for chain, target in JUMPS.items():
        findings += _jump(title, tables.chains, chain, target, wanted.vpn)
    if not positions(tables.chains, "FORWARD", "DOCKER-USER"):
        findings.append(
            Change(
                f"FORWARD ({title})",
                "does not lead through DOCKER-USER: published ports are not filtered",
            )
        )
    else:
        findings += [
            Notice(
                f"FORWARD ({title})",
                "a rule above DOCKER-USER lets packets pass unfiltered",
                found=rule,
                remedy="Move it below, or restart Docker, which puts its own jump first",
            )
            for rule in above(tables.chains, "FORWARD", "DOCKER-USER")
            if mesh_vpn(rule) is None
        ]
        findings += _mesh_vpns(title, "FORWARD", tables.chains, "DOCKER-USER", wanted.vpn)
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


def _chain(
    name: str, title: str, wanted: Sequence[str], found: Sequence[str] | None, ports: Differences
) -> list[Finding]:
    """What differs in a chain: what is missing, what is not declared, or the order.

    One difference for each port that is to be opened or closed, and one for all else.
    """
    what = f"{name} ({title})"
    if found is None:
        return [Change(what, "the chain is gone")]
    expected, actual = [parse(text) for text in wanted], [parse(text) for text in found]
    if expected == actual:
        return []
    if not found:
        return [Change(what, "its rules are gone", found="0", expected=f"{len(wanted)} rules")]
    differing: dict[Whole | None, tuple[list[str], list[str]]] = {}
    for text, rule in zip(wanted, expected, strict=True):
        if rule not in actual:
            whole = ports.whole(name, rule, missing=True)
            differing.setdefault(whole, ([], []))[0].append(text)
    for text, rule in zip(found, actual, strict=True):
        if rule not in expected:
            whole = ports.whole(name, rule, missing=False)
            differing.setdefault(whole, ([], []))[1].append(text)
    if not differing:
        return [Change(what, "its rules are in another order, or there twice")]
    several = len(differing) > 1
    return [
        _differing(f"{what}, {whole.what}" if whole and several else what, *rules, within=whole)
        for whole, rules in differing.items()
    ]


def _differing(what: str, missing: list[str], foreign: list[str], within: Whole | None) -> Change:
    words = []
    if missing:
        words.append(f"lacks {_rules(missing)}")
    if foreign:
        words.append(
            f"has {_rules(foreign)} that {'is' if len(foreign) == 1 else 'are'} not declared"
        )
    return Change(
        what,
        " and ".join(words),
        expected=missing[0] if missing else "",
        found=foreign[0] if foreign else "",
        within=within,
    )


def _rules(texts: Sequence[str]) -> str:
    return "a rule" if len(texts) == 1 else f"{len(texts)} rules"


def _jump(
    title: str, table: FilterTable, chain: str, target: str, vpn: Vpn | None
) -> list[Finding]:
    what = f"{chain} ({title})"
    places = positions(table, chain, target)
    purpose = {
        INPUT: "nothing addressed to the host is filtered",
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
            "a rule above the managed one lets packets pass unfiltered; the managed one goes first"
            + (f". {advice(mesh)}" if (mesh := mesh_vpn(rule)) else ""),
            expected=f"-j {target} first",
            found=rule,
        )
        for rule in above(table, chain, target)
        if not trusted(mesh_vpn(rule), vpn)
    ]


def _mesh_vpns(
    title: str, chain: str, table: FilterTable, target: str, vpn: Vpn | None
) -> list[Finding]:
    """What the chains of Tailscale and NetBird let through, where they stand above Docker's."""
    return [
        Notice(
            f"{chain} ({title})",
            f"{NAMES[mesh]} has put its rules above DOCKER-USER: {REACH[mesh]} reaches every "
            "published port, whatever is declared",
            found=rule,
            remedy=f"{advice(mesh)}; or, if that is meant, declare access.vpn = "
            f'"{mesh}" and access.vpn_reaches = "everything"',
        )
        for rule in above(table, chain, target)
        if (mesh := mesh_vpn(rule)) and not trusted(mesh, vpn)
    ]


def _files(wanted: Wanted, host: Host) -> list[Finding]:
    findings: list[Finding] = []
    if not any(path in host.sums for path in wanted.files):
        return [Change("firewall", "nothing would load it at the next boot")]
    for path, content in wanted.files.items():
        if path not in host.sums:
            findings.append(Change(path, "is gone; without it the firewall does not last"))
        elif host.sums[path] != sha256(content.encode()).hexdigest():
            findings.append(Change(path, _OTHER_CONTENT))
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
                f"there is no sound list for {' and '.join(missing)}: the web ports are closed",
            )
        )
    if not host.docker_waits:
        findings.append(Change("docker.service", "would start without the firewall"))
    return findings


def other_firewalls(names: Iterable[str]) -> list[Finding]:
    """Other firewalls on a host: those that decide as well are refused, others are reported."""
    found: list[Finding] = []
    for name in names:
        if name in _REFUSED:
            reason, remedy = _REFUSED[name]
            reason += "; two firewalls on one host override each other"
            found.append(Refusal("firewall", reason, remedy=remedy))
        elif name in _FLUSHERS:
            reason, remedy = _FLUSHERS[name]
            found.append(Notice(f"{name}.service", reason, remedy=remedy))
    return found
