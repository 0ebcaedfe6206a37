"""Jobs that could undo what is managed: of cron, of systemd, of other configuration tools."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from pyinfra_swarm.doors.seen import Doors, Job
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted, setting

_FIREWALLS = (
    r"ip6?tables(-nft|-legacy)?(-restore|-apply)?|nft|ufw|firewall-cmd|netfilter-persistent|ipset"
)
_CONFIGURATION = r"ansible-pull|puppet|chef-client|chef-solo|cinc-client|salt-call|cf-agent"

TOOLS = rf"(^|[^[:alnum:]_.-])({_FIREWALLS}|nftables|{_CONFIGURATION})($|[^[:alnum:]_-])"
"""For grep -E: what is looked for in jobs."""

AGENTS = (
    "puppet",
    "chef-client",
    "cinc-client",
    "salt-minion",
    "cfengine3",
    "rudder-agent",
    "landscape-client",
    "amazon-ssm-agent",
)
"""Services through which another tool changes a host."""

_UNDOING = re.compile(
    r"\bip6?tables(?:-nft|-legacy)?(?:\s+\S+)*?\s+(?:-F|--flush|-X|--delete-chain|-P|--policy)\b"
    r"|\bip6?tables(?:-nft|-legacy)?-(?:restore|apply)\b(?!.*(?:-n\b|--noflush))"
    r"|\bnft\b.*\bflush\b"
    r"|\bnft\s+-f\b"
    r"|\bufw\s+(?:--force\s+)?(?:enable|reload|reset)\b"
    r"|\bnetfilter-persistent\s+(?:start|restart|reload|flush)\b"
    r"|\bsystemctl\s.*\b(?:start|restart|reload)\s.*\b(?:ufw|nftables|netfilter-persistent)\b"
    r"|\bfirewall-cmd\b.*--(?:reload|complete-reload)"
)
"""Lines that take the managed rules away, or put others in their place."""

_HARMLESS = re.compile(
    r"\bip6?tables(?:-nft|-legacy)?(?:\s+(?:-t\s+\w+|-w|--wait))*"
    r"\s+-(?:[nvx]*[LSC][nvx]*|-list\S*|-check)\b"
    r"|\bnft\s+(?:-\w+\s+)*list\b"
    r"|\bufw\s+status\b"
    r"|\bfirewall-cmd\s+--(?:list|get|state)\S*"
    r"|\bipset\s+(?:list|save|-[LS])\b"
)
"""Lines that only look."""

_STARTED = r"(?:^|(?<=[\s;|&(=!@`'\"])|(?<=/bin/)|(?<=/sbin/)|(?<=[=@:+!]-))"
"""Where a program's name stands, and not that of a file or an option."""

_CALLS = (
    r"ip6?tables(?:-nft|-legacy)?(?:-restore|-apply)(?![\w.-])|ip6?tables(?:-nft|-legacy)?\s+-"
    r"|nft\s+(?:-|add|create|delete|destroy|flush|insert|replace)"
    r"|ufw\s+(?:-|allow|default|delete|deny|disable|enable|insert|limit|reject|reload|reset|route)"
    r"|firewall-cmd\s+-"
    r"|netfilter-persistent\s+(?:flush|reload|restart|save|start|stop)"
    r"|ipset\s+(?:-|add|create|del|destroy|flush|restore|swap)"
)
"""A firewall's program with what it is to do, and not only its name in a list or a message."""

_ANY = re.compile(rf"{_STARTED}(?:{_CALLS}|(?:{_CONFIGURATION})(?![\w.-]))")
_OF_CONFIGURATION = re.compile(rf"{_STARTED}(?:{_CONFIGURATION})(?![\w.-])")


@dataclass(frozen=True)
class Wanted:
    """What is declared. accepted: paths of jobs, and names of agents; firewall: it is managed."""

    accepted: Collection[str] = ()
    firewall: bool = True


def plan(wanted: Wanted, seen: Doors) -> list[Finding]:
    """Each file with the line in it that matters most, and each agent."""
    files: dict[str, list[Job]] = {}
    for job in seen.jobs:
        if job.path not in wanted.accepted and _matters(job.line):
            files.setdefault(job.path, []).append(job)
    found = [_job(wanted, jobs) for jobs in files.values()]
    agents = [one for one in seen.agents if one.unit not in wanted.accepted]
    return [
        *found,
        *(
            Notice(
                f"{agent.unit}.service",
                "another configuration tool changes this host as well; where both manage a thing, "
                "each undoes the other",
                found=agent.state,
                remedy="Have it leave alone what is managed here (docs/ways-in.md), or take the "
                f"host out of it: `sudo systemctl disable --now {quoted(agent.unit)}`. If it is "
                f"meant, name it in access.jobs: {setting(agent.unit)}",
            )
            for agent in agents
        ),
    ]


def _matters(line: str) -> bool:
    if line.lstrip().startswith(("#", ";")):
        return False
    left = _HARMLESS.sub(" ", line)
    return bool(_ANY.search(left) or _UNDOING.search(left))


def _job(wanted: Wanted, jobs: list[Job]) -> Finding:
    undoing = [job for job in jobs if _UNDOING.search(job.line)]
    job = (undoing or jobs)[0]
    kind = "a script that a job runs" if job.script else "a job"
    accept = f"name it in access.jobs: {setting(job.path)}"
    if undoing and wanted.firewall:
        return Refusal(
            job.path,
            f"{kind} takes the managed rules of the firewall away, or puts others in their place",
            found=job.line,
            remedy=f"Remove it, and declare in [firewall] what it is for; or {accept}",
        )
    if _OF_CONFIGURATION.search(job.line):
        return Notice(
            job.path,
            f"{kind} runs another configuration tool; where both manage a thing, each undoes the "
            "other",
            found=job.line,
            remedy=f"Have it leave alone what is managed here (docs/ways-in.md), or {accept}",
        )
    return Notice(
        job.path,
        f"{kind} changes the rules of the firewall, beside what is declared",
        found=job.line,
        remedy=f"Declare in [firewall] what it is for, and remove it; or {accept}",
    )
