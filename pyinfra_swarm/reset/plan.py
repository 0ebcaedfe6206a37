"""A reset: the swarm ends, and what this project has put on the hosts is removed.

What stays is reported, and written down in docs/removing.md: Docker itself and its data, users,
keys, and the content of files that were on a host before the first run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pyinfra_swarm.access import plan as access
from pyinfra_swarm.docker import paths as docker
from pyinfra_swarm.firewall import paths as firewall
from pyinfra_swarm.floating_address import paths as floating_address
from pyinfra_swarm.nodes.identity import likely_node
from pyinfra_swarm.nodes.membership import Membership, Observed, view
from pyinfra_swarm.nodes.no_engine import no_engine
from pyinfra_swarm.removal.steps import Leave
from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.wording import listed, verb
from pyinfra_swarm.ssh import sshd
from pyinfra_swarm.updates import plan as updates

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings

NOT_RESTARTED = f"{docker.DAEMON_JSON}.removed"
"""Exists from before Docker's settings are removed until Docker has been restarted without them."""

REPOSITORY = (docker.SOURCES, docker.KEYRING)
"""Docker's apt source and its key: they stay as long as Docker does."""

DOCKER_SETTINGS = (*(path for path in docker.FILES if path not in REPOSITORY), NOT_RESTARTED)

_MEANING = {
    **docker.FILES,
    NOT_RESTARTED: "Docker has not been restarted without these settings yet",
    **updates.FILES,
    **sshd.FILES,
    **access.FILES,
    **floating_address.FILES,
}
"""The files of all rooms, and what is said of the removal of each."""

WATCHED = (*_MEANING, firewall.SCRIPT, *rollback.FILES)
"""What is looked for. Of the firewall, which has an operation of its own, it is the script alone:
that is there as long as the firewall is."""

_IN_A_STEP_OF_ITS_OWN = (*sshd.FILES, *access.FILES, *floating_address.FILES, *REPOSITORY)
"""Files of sshd and sudo, whose removal could lock the owner out; of the floating address, with
which keepalived is stopped; and the repository, which is removed only with Docker."""

Turn = Literal["workers", "managers", "last"]
"""When a host leaves the swarm: workers first, then managers, and last every host that is left."""


@dataclass(frozen=True)
class Managed(Observation):
    """What this project has left on a host.

    files: the managed files, by path; held, installed: Docker's packages that are held, and those
    that are installed. unconfirmed: an earlier change waits for its confirmation, or to be undone.
    """

    files: tuple[str, ...]
    held: tuple[str, ...]
    installed: tuple[str, ...]
    unconfirmed: bool = False

    def removable(self, *, purge: bool) -> bool:
        """Whether there is anything for a reset to remove."""
        kept = () if purge else REPOSITORY
        return bool(self.held or (purge and self.installed) or set(self.files) - {*kept})


@dataclass(frozen=True, kw_only=True)
class RemoveFile(Change):
    """A file is removed. restart: Docker is restarted without it."""

    path: str
    restart: bool = False


@dataclass(frozen=True, kw_only=True)
class RemoveDocker(Change):
    """Docker's packages are removed. held: those that are held."""

    held: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Unhold(Change):
    """Docker's packages are not held any more."""

    held: tuple[str, ...]


# The swarm
# ---------


def consequence(inside: Sequence[str], services: Collection[str]) -> str:
    """What cannot be undone, as a sentence.

    inside: the declared hosts that are in the swarm; services: its services, by name.
    """
    lost = f"with the services {listed(sorted(services))}" if services else "without services"
    return (
        f"the swarm of {listed(inside)} ends {lost}; its secrets, configs and networks are lost, "
        "volumes stay on their hosts"
    )


def taken_apart(settings: Settings, hosts: Sequence[str], ends: str) -> str:
    """What a reset does, as a sentence.

    hosts: those that it is for, by name; ends: what :func:`consequence` says of them.
    """
    what = f"cluster {settings.cluster.name} is"
    if len(hosts) < len(settings.hosts):
        what = f"{listed(hosts)} of cluster {settings.cluster.name} {verb(hosts, 'is', 'are')}"
    removed = f"the settings on {listed(hosts)} are removed (firewall, SSH, updates, Docker)"
    return f"{what} taken apart: {'; '.join(filter(None, (ends, removed)))}"


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
            remedy="Give no --limit; or remove a host from the swarm first: `pyinfra inventory.py "
            "deploys/remove.py --data host=NAME`",
        )
    ]


def plan_undeclared(settings: Settings, observed: Observed) -> list[Finding]:
    """Nodes that cannot be asked to leave, and will be left in a swarm that has ended."""
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
            remedy="Run `docker swarm leave --force` on it",
        )
        for node in cluster.nodes or ()
        if node.id not in known
    ]


def plan_leaving(
    settings: Settings, observed: Observed, host: Host, *, turn: Turn
) -> list[Finding]:
    """This host leaves the swarm when its turn has come.

    The quorum does not matter any more. The leader leaves last, so that a manager can list the
    nodes as long as possible.
    """
    own = observed.get(host.name)
    if own is not None and (away := no_engine(own)):
        return [
            Refusal(
                "the swarm",
                f"{away.reason}, so the host cannot leave the swarm",
                remedy=f"{away.remedy}, and run again",
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


def _turn(settings: Settings, observed: Observed, name: str, own: Membership) -> Turn:
    if not own.manager:
        return "workers"
    cluster = view(settings, observed)
    node = likely_node(settings, observed, cluster, name) if cluster else None
    return "managers" if node is not None and not node.leader else "last"


# What is on a host
# -----------------


def plan_settings(managed: Managed, *, purge: bool) -> list[Finding]:
    """The settings of Docker and apt are removed, and with purge Docker itself."""
    always = [path for path in _MEANING if path not in _IN_A_STEP_OF_ITS_OWN]
    wanted = [*always, *(REPOSITORY if purge else ())]
    runs_on = bool(managed.installed) and not purge
    findings: list[Finding] = [
        _remove(path, restart=runs_on and path in DOCKER_SETTINGS)
        for path in wanted
        if path in managed.files
    ]
    if purge and managed.installed:
        findings.append(
            RemoveDocker(
                "Docker",
                "is removed as asked for; its data in /var/lib/docker stay",
                expected="gone",
                found=", ".join(managed.installed),
                held=managed.held,
            )
        )
    elif managed.held:
        findings.append(
            Unhold(
                "Docker's packages",
                "are not held any more, so apt upgrades them",
                expected="free",
                found=f"{', '.join(managed.held)} held",
                held=managed.held,
            )
        )
    return findings


def plan_kept(managed: Managed, *, purge: bool) -> list[Finding]:
    """A notice of what the reset leaves on the host."""
    if purge or not managed.installed:
        return []
    return [
        Notice(
            "Docker",
            "stays, with its apt source and key, so that it gets its updates",
            remedy="To remove it as well: --data purge=docker (its data in /var/lib/docker stay)",
        )
    ]


def plan_file(managed: Managed, path: str) -> list[Finding]:
    """A file whose removal, or whose staying, could lock the owner out."""
    return [_remove(path)] if path in managed.files else []


def plan_rollback(managed: Managed) -> list[Finding]:
    """The rollback is removed last, when there is nothing left that it could restore."""
    there = {*managed.files} & {*rollback.FILES}
    others = {*managed.files} - {*rollback.FILES, *REPOSITORY}
    if not there or others:
        return []
    return [Change("rollback", "there is nothing left for it to restore", expected="gone")]


def _remove(path: str, *, restart: bool = False) -> RemoveFile:
    return RemoveFile(path, _MEANING[path], expected="gone", path=path, restart=restart)
