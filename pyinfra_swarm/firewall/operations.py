"""The firewall: default deny, the swarm's ports for the swarm, the web ports for Cloudflare."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.facts import StandaloneContainers
from pyinfra_swarm.engine.api import RESET_FAILED
from pyinfra_swarm.firewall.facts import State, WebRanges
from pyinfra_swarm.firewall.host_files import unload
from pyinfra_swarm.firewall.paths import (
    DOCKER_DROP_IN,
    FILES,
    INTERFACES,
    LISTS,
    LOCKS,
    REFRESH,
    SCRIPT,
    TIMER,
    UNIT,
    WANTS,
    WATCH,
    WATCH_FILE,
)
from pyinfra_swarm.firewall.plan import left_over, plan, plan_ranges, plan_removal
from pyinfra_swarm.firewall.policy import FAMILIES
from pyinfra_swarm.firewall.published import in_the_mesh, of_containers, plan_published, shown
from pyinfra_swarm.firewall.rules import MANAGEMENT_PORT
from pyinfra_swarm.firewall.state import Host
from pyinfra_swarm.firewall.unencrypted_overlays import (
    InUse,
    all_encrypted,
    attached,
    in_use,
    notices,
)
from pyinfra_swarm.firewall.wanted import (
    Wanted,
    in_no_swarm,
    is_voting,
    management_port_open,
    wanted,
)
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes import measures
from pyinfra_swarm.nodes.membership import acting_manager, view
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.rollback.operations import rolled_back_first, with_rollback
from pyinfra_swarm.rollback.plan import LATER, forget
from pyinfra_swarm.run import records
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    current_host,
    fail,
    given,
    is_executing,
    job,
    observe,
    observe_all,
    observe_on,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal, changes, refusals
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.writing import write_files

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@converges("firewall")
def applied(settings: Settings) -> Commands:
    """The host's chains are as declared, in both address families, and are loaded at every boot.

    + settings: the cluster's settings; of them ``firewall``, the hosts and the data path's port

    Only the managed chains are replaced, whole and at once, and the jumps to them are moved to the
    front; no other rules are touched. The host rolls the change back unless a new login works.

    **Example:**

    .. code:: python

        firewall.applied(load(), name="Firewall: default deny, Cloudflare to the web ports")
    """
    host = observe(State)
    records.measure("firewall", "exposure", measures.exposure(settings))
    if not settings.firewall.enabled:
        report("firewall", [*left_over(host), *_published(settings, host)])
        return
    declared, findings = _differences(settings, host)
    if not report("firewall", findings):
        return
    if host.unconfirmed:
        yield from rolled_back_first()
        host = observe(State)
        declared, findings = _differences(settings, host)
        if not report("firewall", findings):
            return
    yield from _changed(settings, declared, host)


def _differences(settings: Settings, host: Host) -> tuple[Wanted, list[Finding]]:
    used = _in_use(settings)
    declared = wanted(settings, current_host().name, host, memberships(), used)
    planned = plan(declared, host, planning=not is_executing())
    planned += notices(used or {}, settings)
    return declared, planned if refusals(planned) else [*planned, *_published(settings, host)]


def _published(settings: Settings, host: Host) -> list[Finding]:
    """What is published and not reachable: by containers here, and once for all by services."""
    me = current_host().name
    here = of_containers(me, host)
    if me == acting_manager(settings, memberships()):
        hosts = observe_all(State)
        some = any(one.mesh_ports for one in hosts.values() if one)
        # Only for their names, and one command: the ports are known from every node's rules.
        services = observe(swarm_facts.Services) if some else ()
        mesh = in_the_mesh(hosts, memberships(), services)
        everywhere = [
            one for name, said in hosts.items() if said for one in of_containers(name, said)
        ]
        told = shown(settings, [*mesh, *everywhere])
        records.measure("firewall", "published", told)
        here = [*mesh, *here]
    return plan_published(settings, here)


@converges("swarm")
def management_port_closed(settings: Settings) -> Commands:
    """The management port is closed on a host that has been demoted in this run.

    + settings: the cluster's settings

    The firewall comes before the swarm. It leaves the port open on a manager that is declared a
    worker: with the port closed, that manager would keep its vote.

    **Example:**

    .. code:: python

        firewall.management_port_closed(load(), name="Firewall: 2377/tcp closed to workers")
    """
    if not _port_left_open(settings):
        report("swarm", [])
        return
    reason = "is open to the cluster, and not needed by a worker"
    closed = Change(f"{MANAGEMENT_PORT}/tcp", reason, expected="closed once it is one")
    host = observe(State)
    declared = _as_worker(settings, host)
    report("swarm", [*_refused(declared, host), closed])
    if host.unconfirmed:
        yield from rolled_back_first()
        if not _port_left_open(settings):
            return
        host = observe(State)
        declared = _as_worker(settings, host)
    yield from _changed(settings, declared, host)


def _as_worker(settings: Settings, host: Host) -> Wanted:
    name = current_host().name
    return wanted(settings, name, host, memberships(), _in_use(settings), manager=False)


def _port_left_open(settings: Settings) -> bool:
    """Whether the port of a worker is open, or, in a plan, that of a manager to be demoted."""
    if not settings.firewall.enabled or this_host(settings).is_manager:
        return False
    if not is_executing():
        voting = is_voting(settings, current_host().name, memberships())
        return voting and management_port_open(observe(State))
    # The managers' list may lag behind, or nobody lead for a moment: the host itself knows.
    return not observe(swarm_facts.State).manager and management_port_open(observe(State))


def _refused(declared: Wanted, host: Host) -> list[Refusal]:
    return refusals(plan(declared, host, planning=not is_executing()))


def _changed(settings: Settings, declared: Wanted, host: Host) -> Commands:
    """Load what is declared, whoever asks for it: nothing that the plan of the rules refuses."""
    if refused := _refused(declared, host):
        report("firewall", [*refused])
    progress("firewall: a new login has to work before the change is kept")
    yield from with_rollback(
        "firewall",
        files=(*FILES, *WANTS.values()),
        apply=_apply(declared, host, settings.firewall.refresh),
        after_restore=AFTER_RESTORE,
        seconds=settings.ssh.rollback_after,
    )
    if UNIT not in host.active and "docker.service" not in host.active:
        progress("starting Docker, which had waited for the firewall")
        yield script(
            "! systemctl --quiet is-enabled docker.service || systemctl start docker.service",
            timeout=300,
        )
    left = plan(declared, observe(State))
    if wrong := [*refusals(left), *changes(left)]:
        yield fail("; ".join(finding.sentence() for finding in wrong))


@converges("firewall")
def web_ranges(settings: Settings) -> Commands:
    """The host's list of Cloudflare's ranges is no older than declared; its own unit refreshes it.

    + settings: the cluster's settings; of them ``firewall.max_age``

    ``--data refresh=now`` refreshes it whatever its age. A refresh that fails changes nothing and
    does not stop the run: it is reported, and the old list stays a difference.

    **Example:**

    .. code:: python

        firewall.web_ranges(load(), name="Firewall: the web ranges no older than declared")
    """
    if not settings.firewall.enabled or settings.firewall.web != "cloudflare":
        report("firewall", [])
        return
    asked = given("refresh") is not None
    web = observe(State).web
    if web.age is not None:
        fetched = round(time.time()) - web.age
        records.measure("firewall", "range list fetched", fetched, host=current_host().name)
    findings = plan_ranges(web, settings.firewall.max_age_seconds)
    if asked and not changes(findings):
        findings = [*findings, Change("web ranges", "a refresh was asked for")]
    if not report("firewall", findings):
        return
    progress("asking Cloudflare for its ranges")
    yield script(f"systemctl start {REFRESH} || :", timeout=300)
    web = observe(WebRanges)
    if web.last_result == "ok":
        return
    notice = Notice(
        "web ranges",
        "could not be refreshed; what was in force stays in force: "
        f"{web.last_result or 'the host could not even write down why'}",
        remedy=f"`sudo journalctl -u {REFRESH}` on the host says more",
    )
    report("firewall", [notice])
    if asked:
        yield fail(notice.sentence(), logged=True)


@job("firewall")
def removed(settings: Settings) -> Commands:
    """The hosts' tables and files are as if the firewall had never been there.

    + settings: the cluster's settings; of them the hosts

    **Example:**

    .. code:: python

        firewall.removed(load(), name="Firewall: taken off")
    """
    host = observe(State)
    findings = plan_removal(host)
    if not report("firewall", findings):
        return
    progress("firewall: taking it off; the host answers everybody from now on")
    yield script(_REMOVE, timeout=120)


def _in_use(settings: Settings) -> InUse | None:
    """The unencrypted overlays that something uses; ``None`` where nobody can say."""
    observed = memberships()
    acting = acting_manager(settings, observed)
    if acting is None:
        return {} if in_no_swarm(observed) else None
    swarm = view(settings, observed)
    if all_encrypted(swarm):
        return {}
    services = observe_on(acting, swarm_facts.Services)
    containers = attached(observe_all(StandaloneContainers).values())
    return None if containers is None else in_use(swarm, services, containers)


def _apply(declared: Wanted, host: Host, schedule: str) -> list[str]:
    """The commands that put what is declared on the host, one after the other."""
    commands, contents = [], dict(declared.files)
    if declared.refreshed:
        commands.append(f"systemd-analyze calendar {shlex.quote(schedule)} >/dev/null")
        lists = {
            f"{LISTS}/{family}": "\n".join(SHIPPED[family])
            for family in FAMILIES
            if not host.web.ranges.get(family)
        }
        contents |= lists
    commands.append(write_files(contents))
    if declared.refreshed and lists:
        # The age of a list that was never refreshed: since 1970.
        commands.append(f"touch -d @0 {' '.join(lists)}")
    needless = [unit for unit in WANTS if unit not in declared.units]
    if needless:
        commands.append(f"systemctl --quiet disable --now {' '.join(needless)} 2>/dev/null || :")
        commands.append(f"rm -f {' '.join(path for path in FILES if path not in declared.files)}")
    links = [WANTS[unit] for unit in declared.units]
    commands.append(f"mkdir -p {' '.join(link.rpartition('/')[0] for link in links)}")
    commands += [f"ln -sfn ../{link.rpartition('/')[2]} {link}" for link in links]
    commands.append(
        program(
            __file__,
            "activate.sh",
            using=[f"reset_docker() {{ {RESET_FAILED}; }}\n"],
            firewall=SCRIPT,
            unit=UNIT,
            watch=WATCH,
            timer=TIMER if declared.refreshed else "",
            locks=" ".join(LOCKS),
        )
    )
    return commands


AFTER_RESTORE = program(
    __file__,
    "after_restore.sh",
    using=[f"unload() {{ {unload()}; }}\n"],
    firewall=SCRIPT,
    unit=UNIT,
    watch=WATCH,
    watch_file=WATCH_FILE,
    timer=TIMER,
    later=str(LATER),
)
"""Shell: the restored files are loaded; where there are none, the rules are taken out.

It is tried again after every failure that may pass: the kernel may still hold the rules that lock
the owner out.
"""

_REMOVE = program(
    __file__,
    "remove.sh",
    using=[f"forget_change() {{ {forget('firewall')}; }}\n", f"unload() {{ {unload()}; }}\n"],
    files=" ".join([*FILES, *WANTS.values()]),
    docker_drop_ins=DOCKER_DROP_IN.rpartition("/")[0],
    unit=UNIT,
    watch=WATCH,
    timer=TIMER,
    refresh=REFRESH,
    folders=f"{LISTS} {INTERFACES}",
    locks=" ".join(LOCKS),
)
