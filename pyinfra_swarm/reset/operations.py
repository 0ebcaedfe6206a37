"""Resets the cluster: the swarm ends, the managed settings go, Docker and its data stay.

Each operation looks at what is there, so the next run completes an interrupted reset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.access.plan import SUDOERS
from pyinfra_swarm.docker.installation import PACKAGES
from pyinfra_swarm.engine.api import API, LEAVE
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import acting_manager
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.programs import still_node
from pyinfra_swarm.reset.facts import Files
from pyinfra_swarm.reset.plan import (
    NOT_RESTARTED,
    REPOSITORY,
    RemoveDocker,
    RemoveFile,
    Turn,
    Unhold,
    consequence,
    plan_file,
    plan_kept,
    plan_leaving,
    plan_limit,
    plan_rollback,
    plan_settings,
    plan_undeclared,
    taken_apart,
)
from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.rollback.operations import rolled_back_first, with_rollback
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.converge import (
    Commands,
    current_host,
    given,
    job,
    observe,
    observe_all,
    observe_on,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import Finding, changes, refusals, unhandled
from pyinfra_swarm.run.limit import in_limit
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.shell import function
from pyinfra_swarm.ssh.operations import RELOAD
from pyinfra_swarm.ssh.sshd import DROP_IN

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@job("reset")
def planned(settings: Settings) -> Commands:
    """Shows what a reset ends and what it leaves, and asks the owner for the cluster's name.

    ``--data purge=docker`` removes Docker's packages as well.
    """
    confirmed(lambda: _whole(settings))
    yield from ()


def _whole(settings: Settings) -> Proposal[dict[str, str]]:
    """All that ends and is removed; the plan is which host is which node of the swarm."""
    purge = _purge()
    observed, everywhere = memberships(), observe_all(Files)
    acting = acting_manager(settings, observed)
    among = in_limit()
    findings = plan_limit(observed, among)
    if refusals(findings):
        return Proposal("reset", findings, {})
    left = {name: here for name, here in everywhere.items() if here and name in among}
    inside = {name: own.node for name in among if (own := observed.get(name)) and own.in_swarm}
    ends = ""
    if inside:
        services = observe_on(acting, swarm_facts.Services) if acting else ()
        ends = consequence([*inside], [service.name for service in services])
    removable = any(managed.removable(purge=purge) for managed in left.values())
    if not ends and not removable:
        return Proposal("reset", [], {})
    findings = plan_kept(observe(Files), purge=purge)
    if acting == current_host().name:
        findings += plan_undeclared(settings, observed)
    said = taken_apart(settings, [*left], ends)
    return Proposal("reset", findings, inside, settings.cluster.name, said)


@job("reset")
def workers_left(settings: Settings) -> Commands:
    """The workers leave the swarm."""
    yield from _leave(settings, "workers")


@job("reset")
def managers_left(settings: Settings) -> Commands:
    """The managers leave, one at a time; the leader stays for :func:`leader_left`."""
    yield from _leave(settings, "managers")


@job("reset")
def leader_left(settings: Settings) -> Commands:
    """Every manager that is left leaves, and the swarm has ended."""
    yield from _leave(settings, "last")


def _leave(settings: Settings, turn: Turn) -> Commands:
    me, observed = this_host(settings), memberships()
    findings: list[Finding] = plan_leaving(settings, observed, me, turn=turn)
    if report("reset", findings):
        own = observed[me.name]
        assert own is not None  # else nothing is found
        yield script(f"{API}{still_node(own.node)}api -X POST '{LEAVE}?force=1'", timeout=90)


@job("reset")
def settings_removed(settings: Settings) -> Commands:
    """The settings of Docker and apt are gone; with ``--data purge=docker`` Docker is, too."""
    purge = _purge()
    findings = plan_settings(observe(Files), purge=purge)
    if not report("reset", findings):
        return
    files: list[str] = []
    held: tuple[str, ...] = ()
    restart = removes_docker = False
    for step in changes(findings):
        match step:
            case RemoveFile():
                restart = restart or step.restart
                files.append(step.path)
            case RemoveDocker():
                removes_docker, held = True, step.held
            case Unhold():
                held = step.held
            case _:
                raise unhandled(step)
    if restart:
        progress("Docker is restarted with its defaults")
    kept = (*REPOSITORY, *([NOT_RESTARTED] if restart else []))  # until what follows has been done
    remove = program(
        __file__,
        "remove_settings.sh",
        files=" ".join(path for path in files if path not in kept),
        unhold=" ".join(held),
        purge=" ".join(PACKAGES) if removes_docker else "",
        repository=" ".join(REPOSITORY) if purge else "",
        restart="yes" if restart else "no",
        not_restarted=NOT_RESTARTED,
    )
    yield script(remove, timeout=600)


@job("reset")
def ssh_released(settings: Settings) -> Commands:
    """sshd is without the managed file; this is kept only if a new login works."""
    managed = observe(Files)
    if not report("reset", plan_file(managed, DROP_IN)):
        return
    progress("ssh: a new login has to work before the change is kept")
    if managed.unconfirmed:
        yield from rolled_back_first()
    yield from with_rollback(
        "ssh",
        files=(DROP_IN,),
        apply=[f"rm -f {DROP_IN}", "/usr/sbin/sshd -t", RELOAD, "sleep 0.5"],
        after_restore=RELOAD,
        seconds=settings.ssh.rollback_after,
    )


@job("reset")
def sudo_released(settings: Settings) -> Commands:
    """sudo is without the managed rule; this is kept only if the run's user can still use sudo."""
    managed = observe(Files)
    if not report("reset", plan_file(managed, SUDOERS)):
        return
    progress("access: sudo has to work in a new login before the change is kept")
    if managed.unconfirmed:
        yield from rolled_back_first()
    yield from with_rollback(
        "access",
        files=(SUDOERS,),
        apply=[f"rm -f {SUDOERS}"],
        seconds=settings.ssh.rollback_after,
    )


@job("reset")
def rollback_removed(settings: Settings) -> Commands:
    """The rollback itself is gone, when all else is."""
    if not report("reset", plan_rollback(observe(Files))):
        return
    uninstall = function("uninstall", rollback.uninstall(("ssh", "access", "firewall", "vpn")))
    yield script(program(__file__, "remove_rollback.sh", using=[uninstall]))


def _purge() -> bool:
    return given("purge") is not None
