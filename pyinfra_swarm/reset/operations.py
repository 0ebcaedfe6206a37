"""Everything to before us: the swarm ends, our settings go, Docker and its data stay.

Each operation looks at what is there, so a reset that was broken off is finished by the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.access.plan import SUDOERS
from pyinfra_swarm.docker.installation import PACKAGES
from pyinfra_swarm.engine.api import API, LEAVE, RESTART
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import acting_manager
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.programs import still_node
from pyinfra_swarm.reset.facts import Left
from pyinfra_swarm.reset.plan import (
    ITS_REPOSITORY,
    OF_DOCKER,
    ROLLBACK,
    UNREAD,
    consequence,
    plan_file,
    plan_leaving,
    plan_limit,
    plan_rollback,
    plan_settings,
    plan_strangers,
    stays,
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
from pyinfra_swarm.run.findings import Finding, refusals
from pyinfra_swarm.run.limit import in_limit
from pyinfra_swarm.ssh.operations import RELOAD
from pyinfra_swarm.ssh.sshd import DROP_IN
from pyinfra_swarm.updates.plan import CONFIGURATION

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@job("reset")
def planned(settings: Settings) -> Commands:
    """What a reset ends and what it leaves, and the owner's word for it: the cluster's name.

    + settings: the cluster's settings.

    ``--data purge=docker`` removes Docker's packages as well.
    """
    confirmed(lambda: _whole(settings))
    yield from ()


def _whole(settings: Settings) -> Proposal[dict[str, str]]:
    """All that ends and goes; the plan is which host is which node of the swarm."""
    purge = _purge()
    observed, everywhere = memberships(), observe_all(Left)
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
    goes = any(traces.goes(purge=purge) for traces in left.values())
    if not ends and not goes:
        return Proposal("reset", [], {})
    findings = stays(observe(Left), purge=purge)
    if acting == current_host().name:
        findings += plan_strangers(settings, observed)
    said = taken_apart(settings, [*left], ends)
    return Proposal("reset", findings, inside, settings.cluster.name, said)


@job("reset")
def workers_left(settings: Settings) -> Commands:
    """The workers leave the swarm.

    + settings: the cluster's settings.
    """
    yield from _leave(settings, "workers")


@job("reset")
def managers_left(settings: Settings) -> Commands:
    """The managers leave, one at a time; the leader stays for :func:`leader_left`.

    + settings: the cluster's settings.
    """
    yield from _leave(settings, "managers")


@job("reset")
def leader_left(settings: Settings) -> Commands:
    """Who is left leaves, and the swarm is gone.

    + settings: the cluster's settings.
    """
    yield from _leave(settings, "last")


@job("reset")
def settings_removed(settings: Settings) -> Commands:
    """Docker's and apt's settings of ours are gone; with ``--data purge=docker`` Docker, too.

    + settings: the cluster's settings.
    """
    purge = _purge()
    traces = observe(Left)
    if not report("reset", plan_settings(traces, purge=purge)):
        return
    files = [path for path in (*OF_DOCKER, CONFIGURATION) if path in traces.files]
    restart = traces.installed and not purge and set(files) & {*OF_DOCKER}
    # Else a run that ends between the two would leave Docker with what it has read.
    steps = [f"mkdir -p /etc/docker; touch {UNREAD}"] if restart else []
    steps += [f"rm -f {path}" for path in files if not restart or path != UNREAD]
    if traces.held:
        steps.append("printf '%s install\\n' " + " ".join(traces.held) + " | dpkg --set-selections")
    if purge and traces.installed:
        steps.append(_PURGE)
    elif restart:
        progress("Docker is restarted with its defaults")
        steps.append(f"systemctl daemon-reload\n{RESTART}\nrm {UNREAD}")
    if purge:
        steps.append(f"rm -f {' '.join(ITS_REPOSITORY)}; systemctl daemon-reload")
    yield script("\n".join(steps), timeout=600)


_PURGE = f"""\
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 purge -y {" ".join(PACKAGES)}
"""


@job("reset")
def ssh_released(settings: Settings) -> Commands:
    """sshd without our file; kept only if a new login works.

    + settings: the cluster's settings.
    """
    if not report("reset", plan_file(observe(Left), DROP_IN)):
        return
    progress("ssh: a new login has to work before the change is kept")
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
    """sudo without our rule; kept only if the run's user can still use it.

    + settings: the cluster's settings.
    """
    if not report("reset", plan_file(observe(Left), SUDOERS)):
        return
    progress("access: sudo has to work in a new login before the change is kept")
    yield from rolled_back_first()
    yield from with_rollback(
        "access",
        files=(SUDOERS,),
        apply=[f"rm -f {SUDOERS}"],
        seconds=settings.ssh.rollback_after,
    )


@job("reset")
def rollback_removed(settings: Settings) -> Commands:
    """The rollback itself is removed, when all else is.

    + settings: the cluster's settings.
    """
    traces = observe(Left)
    others = [path for path in traces.files if path not in (*ROLLBACK, *ITS_REPOSITORY)]
    if not report("reset", plan_rollback(traces, others)):
        return
    yield script(
        rollback.uninstall(("ssh", "access", "firewall"))
        + "\nrm -rf /usr/local/lib/pyinfra-swarm /var/lib/pyinfra-swarm /run/pyinfra-swarm\n"
        "systemctl daemon-reload"
    )


# Helpers
# -------


def _leave(settings: Settings, turn: str) -> Commands:
    me, observed = this_host(settings), memberships()
    findings: list[Finding] = plan_leaving(settings, observed, me, turn=turn)
    if report("reset", findings):
        own = observed[me.name]
        assert own is not None  # else nothing is found
        yield script(f"{API}{still_node(own.node)}api -X POST '{LEAVE}?force=1'", timeout=90)


def _purge() -> bool:
    return given("purge") is not None
