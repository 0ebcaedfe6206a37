"""Back to before us: the swarm ended, and what we have put on the hosts taken off.

What stays is told, and written down in docs/removing.md: Docker itself and its data, users, keys,
and whatever was on a host before and is not known any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.access.plan import SUDOERS
from pyinfra_swarm.docker.paths import DAEMON_JSON, KEYRING, SOURCES, UNIT_DROP_IN
from pyinfra_swarm.firewall.paths import SCRIPT as FIREWALL
from pyinfra_swarm.nodes.identity import likely_node
from pyinfra_swarm.nodes.membership import Membership, Observed, view
from pyinfra_swarm.removal.steps import Leave
from pyinfra_swarm.rollback.plan import INSTALLED, ROOT
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.wording import listed, verb
from pyinfra_swarm.ssh.sshd import DROP_IN
from pyinfra_swarm.updates.plan import CONFIGURATION

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings

ROLLBACK = (*INSTALLED, ROOT)
UNREAD = f"{DAEMON_JSON}.removed"
"""There from before Docker's settings are removed until Docker has been restarted without them."""

OF_DOCKER = (DAEMON_JSON, UNIT_DROP_IN, UNREAD)
ITS_REPOSITORY = (SOURCES, KEYRING)
WATCHED = (*OF_DOCKER, *ITS_REPOSITORY, CONFIGURATION, DROP_IN, SUDOERS, FIREWALL, *ROLLBACK)
"""What is looked for; the firewall has a job of its own for being taken off."""

_WHAT = {
    DAEMON_JSON: "Docker runs with its defaults afterwards",
    UNIT_DROP_IN: "is on the host",
    UNREAD: "Docker has not been restarted without our settings yet",
    SOURCES: "goes with the packages",
    KEYRING: "goes with the packages",
    CONFIGURATION: "updates are as the distribution has them afterwards",
    DROP_IN: "sshd does what its other files say afterwards: passwords may work again",
    SUDOERS: "sudo is as it was without it, if the run's user can still use it",
}


@dataclass(frozen=True)
class Traces(Observation):
    """What of ours is on a host. files: paths; held: packages of Docker's; installed: likewise."""

    files: tuple[str, ...]
    held: tuple[str, ...]
    installed: tuple[str, ...]

    def goes(self, *, purge: bool) -> bool:
        """Whether there is anything for a reset to take off."""
        kept = () if purge else ITS_REPOSITORY
        return bool(self.held or (purge and self.installed) or set(self.files) - {*kept})


# The swarm
# ---------


def consequence(inside: Sequence[str], services: Collection[str]) -> str:
    """What cannot be taken back, as a sentence.

    inside: the declared hosts that are in the swarm.
    """
    lost = f"with the services {listed(sorted(services))}" if services else "without services"
    return (
        f"the swarm of {listed(inside)} ends {lost}; its secrets, configs and networks are gone, "
        "volumes stay on their hosts"
    )


def taken_apart(settings: Settings, hosts: Sequence[str], ends: str) -> str:
    """What a reset does, as a sentence.

    hosts: those that it is for, by name; ends: what :func:`consequence` says of them.
    """
    what = f"cluster {settings.cluster.name} is"
    if len(hosts) < len(settings.hosts):
        what = f"{listed(hosts)} of cluster {settings.cluster.name} {verb(hosts, 'is', 'are')}"
    goes = f"what was set on {listed(hosts)} goes (firewall, SSH, updates, Docker)"
    return f"{what} taken apart: {'; '.join(filter(None, (ends, goes)))}"


def plan_limit(observed: Observed, among: Collection[str]) -> list[Finding]:
    """Why some hosts alone cannot be reset: the swarm that they are in would go on without them.

    among: the hosts that ``--limit`` leaves, by name.
    """
    inside = [name for name, member in observed.items() if member and member.in_swarm]
    left_out = [name for name in inside if name not in among]
    if not left_out or len(left_out) == len(inside):
        return []
    return [
        Refusal(
            "--limit",
            f"leaves out {listed(left_out)}: a reset ends the swarm of all of them",
            remedy="Give no --limit; or take a host out of the swarm first: `pyinfra inventory.py "
            "deploys/remove.py --data host=NAME`",
        )
    ]


def plan_strangers(settings: Settings, observed: Observed) -> list[Finding]:
    """Who will be left in a swarm that is gone: hosts that cannot be asked to leave."""
    cluster = view(settings, observed)
    if cluster is None:
        return []
    names = [host.name for host in settings.hosts]
    said = (likely_node(settings, observed, cluster, name) for name in names)
    known = {node.id for node in said if node}
    return [
        Notice(
            f"node {node.hostname or node.id}",
            "is in the swarm, and cannot be asked to leave it",
            found=f"{node.role}, {node.state}, {node.address}",
            remedy="On it: `docker swarm leave --force`",
        )
        for node in cluster.nodes or ()
        if node.id not in known
    ]


def plan_leaving(settings: Settings, observed: Observed, host: Host, *, turn: str) -> list[Finding]:
    """This host leaves when its turn has come: ``workers``, ``managers``, and ``last`` who is left.

    The quorum does not matter any more; the leader is the last, so that the list of nodes can be
    asked for as long as possible.
    """
    own = observed.get(host.name)
    if own is not None and own.engine not in ("running", "absent"):
        return [
            Refusal(
                "the swarm",
                f"Docker is {own.engine} on this host, so it cannot leave",
                remedy="Start it (`systemctl start docker`), and run again",
            )
        ]
    if own is None or not own.in_swarm or turn != _turn(settings, observed, host.name, own):
        return []
    return [
        Leave(
            "the swarm",
            "this host leaves it",
            expected="in none",
            found=f"a {'manager' if own.manager else 'worker'}",
        )
    ]


def _turn(settings: Settings, observed: Observed, name: str, own: Membership) -> str:
    if not own.manager:
        return "workers"
    cluster = view(settings, observed)
    node = likely_node(settings, observed, cluster, name) if cluster else None
    return "managers" if node is not None and not node.leader else "last"


# What is on a host
# -----------------


def plan_settings(traces: Traces, *, purge: bool) -> list[Finding]:
    """Docker's and apt's settings of ours, and with purge Docker itself."""
    wanted = [*OF_DOCKER, CONFIGURATION, *(ITS_REPOSITORY if purge else ())]
    findings: list[Finding] = [
        Change(path, _WHAT[path], expected="gone") for path in wanted if path in traces.files
    ]
    if purge and traces.installed:
        findings.append(
            Change(
                "Docker",
                "is removed as asked for; its data in /var/lib/docker stay",
                expected="gone",
                found=", ".join(traces.installed),
            )
        )
    elif traces.held:
        findings.append(
            Change(
                "Docker's packages",
                "are not held any more, so apt upgrades them",
                expected="free",
                found=f"{', '.join(traces.held)} held",
            )
        )
    return findings


def stays(traces: Traces, *, purge: bool) -> list[Finding]:
    """What the reset leaves on the host, told once."""
    if purge or not traces.installed:
        return []
    return [
        Notice(
            "Docker",
            "stays, with its apt source and key, so that it gets its updates",
            remedy="To remove it as well: --data purge=docker (its data in /var/lib/docker stay)",
        )
    ]


def plan_file(traces: Traces, path: str) -> list[Finding]:
    """One file that could lock the owner out by being gone, or by staying."""
    return [Change(path, _WHAT[path], expected="gone")] if path in traces.files else []


def plan_rollback(traces: Traces, others: Sequence[str]) -> list[Finding]:
    """The rollback goes last, when nothing is left for it to put back.

    others: what of ours is still there.
    """
    there = [path for path in ROLLBACK if path in traces.files]
    if not there or others:
        return []
    return [Change("rollback", "nothing is left for it to put back", expected="gone")]
