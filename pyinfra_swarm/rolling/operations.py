"""A node's turn in a rolling job: drained, empty, changed, back, proven, and restored.

Every host calls every stage of a job (:mod:`rolling.stages`); whose turn it is, and whether it may
begin, is decided by :mod:`rolling.plan` from what the hosts say at that moment. A node's turn is
its own operation, in its own name. The first turn that fails ends the job: all later turns refuse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.engine.operations import on
from pyinfra_swarm.floating_address.handing_on_operations import given_up, taken_back
from pyinfra_swarm.keys.restart_operations import after_restart, unlockable
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Node, Observed, controlling, view
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.nodes.programs import updated
from pyinfra_swarm.proof import operations as proof
from pyinfra_swarm.rolling import facts
from pyinfra_swarm.rolling.availability import drained, finished, is_restored, restored
from pyinfra_swarm.rolling.health import healthy_peers, provable
from pyinfra_swarm.rolling.jobs import Options, Roll, Running, options
from pyinfra_swarm.rolling.nodes import entry, in_stage
from pyinfra_swarm.rolling.plan import (
    RemoveLabel,
    RestoreNode,
    WorkOnNode,
    plan,
    still_due,
    stopped,
)
from pyinfra_swarm.rolling.services import Replicas, as_if_complete
from pyinfra_swarm.rolling.turns import labelled, labels_to_set, order_of_turns
from pyinfra_swarm.rolling.wait_for_node import Expected, engine_runs, node_back
from pyinfra_swarm.rolling.wait_for_services import services_complete
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.connection import connection_broke
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.converge import (
    Commands,
    Refused,
    Unobserved,
    current_host,
    fail,
    given,
    is_executing,
    observe_all,
    observe_on,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import Change, Finding, Refusal, changes, refusals, unhandled
from pyinfra_swarm.run.limit import in_limit
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.printable import quoted_name
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host as DeclaredHost
    from pyinfra_swarm.settings import Settings


def _not_asked(chosen: Options) -> Commands:
    yield from ()


@dataclass(frozen=True)
class Job:
    """A rolling job.

    name: as findings and deploys name it.
    roll: what is to be done, from what is observed now, and when the job began (seconds since
    1970).
    change: what is done to the drained node.
    version: the engine that has to run on it afterwards, "" for any.
    not_prepared: what this run has failed to prepare on some host, so that no node is touched.
    outcome: asks, once the node is restored, whether the change has brought what it was for.
    """

    name: str
    roll: Callable[[Settings, Observed, Options, float], Roll]
    change: Callable[[Settings, Options], Commands]
    version: Callable[[Settings], str] = lambda settings: ""
    not_prepared: Callable[[Roll, Collection[str]], list[Refusal]] = lambda roll, among: []
    outcome: Callable[[Options], Commands] = _not_asked


@dataclass(frozen=True)
class Situation:
    """A job as one host sees it now.

    among: the hosts that this run may work on, by name.
    """

    me: DeclaredHost
    observed: Observed
    chosen: Options
    among: tuple[str, ...]
    roll: Roll
    findings: list[Finding]

    def node(self, settings: Settings) -> Node | None:
        """The host's node, as the managers list it."""
        cluster = view(settings, self.observed)
        return entry(settings, self.observed, cluster, self.me.name) if cluster else None


@dataclass
class _Progress:
    """How far this run's jobs have come.

    since: when the run first looked, which is before it changes anything; seconds since 1970.
    begun: when a job began, by its name: with this run, or with the earlier one that this run
    continues. The label that says so is gone before this run ends.
    orders: the order of turns by job, as it was when the run began: a finding that is reported
    twice would differ by its place.
    changed: the hosts that this run has changed, by the job's name: whatever they look like since,
    they have had their turn.
    stopped_at: the host at which the job has stopped, or whose turn has not ended yet.
    restored: the host whose availability this run has restored last.
    """

    since: float = field(default_factory=time.time)
    begun: dict[str, float] = field(default_factory=dict)
    orders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    changed: dict[str, set[str]] = field(default_factory=dict)
    stopped_at: str = ""
    restored: str = ""


def look(settings: Settings, job: Job, *, planning: bool = False) -> Situation:
    """What a job has to do on this host, or why it must not.

    planning: nodes are still to have their turns, among them those that were left unfinished.
    """
    me, observed, chosen = this_host(settings), memberships(), options(given)
    run = this_run(_Progress)
    limit = in_limit()
    among = tuple(host.name for host in settings.hosts if host.name in limit)
    roll = job.roll(settings, observed, chosen, run.begun.get(job.name, run.since))
    had_its_turn = run.changed.get(job.name, set())
    roll = replace(
        roll, work={name: work for name, work in roll.work.items() if name not in had_its_turn}
    )
    if roll.continued:
        run.begun[job.name] = roll.begun
    order = order_of_turns(settings, observed, roll, among)
    order = run.orders.setdefault(job.name, order) if order else ()
    planning = planning or not is_executing()
    findings = plan(settings, observed, roll, me, order, among, planning=planning)
    return Situation(me, observed, chosen, among, roll, findings)


def turn(settings: Settings, job: Job, stage: str) -> Commands:
    """This host's turn, if it comes in this stage.

    stage: one of :data:`rolling.nodes.STAGES`.
    """
    run = this_run(_Progress)
    now = look(settings, job)
    node = now.node(settings)
    answered = view(settings, now.observed) is not None
    if not in_stage(stage, node, answered=answered, executing=is_executing()):
        current_host().noop(f"{job.name}: not in this stage")
        return
    try:
        findings = now.findings
        if changes(findings) and (locked_out := unlockable(settings)):
            findings = [locked_out]
        if is_executing() and changes(findings):
            findings = [*job.not_prepared(now.roll, now.among)] or findings
        if is_executing() and run.stopped_at and (changes(findings) or refusals(findings)):
            findings = [stopped(job.name, run.stopped_at)]
        if not report(job.name, findings):
            return
        assert node is not None  # else there is nothing to change
        [change] = changes(findings)
        if is_executing():
            run.stopped_at = run.stopped_at or now.me.name  # until its turn has ended
        yield from _carry_out(settings, job, now, node, change)
    except (Refused, Unobserved):
        run.stopped_at = run.stopped_at or now.me.name
        raise
    except GeneratorExit:  # pyinfra goes no further after a command that has failed
        if is_executing():
            broke = connection_broke(current_host())
            what = (
                "the connection broke; the host may be without power or network"
                if broke
                else "a command failed, its output is above"
            )
            left = (
                "takes tasks again. Fix that"
                if run.restored == now.me.name
                else "stays drained until that is fixed"
            )
            reporting.failed(
                current_host(),
                f"{job.name}: {what}. This node {left}; then run the same command again: "
                "it resumes here",
                logged=True,
            )
        raise
    run.stopped_at = ""


def _carry_out(
    settings: Settings, job: Job, now: Situation, node: Node, change: Change
) -> Commands:
    acting = _other_manager(settings, now.observed, now.me.name)
    if acting is None:
        yield fail("no manager answers for the swarm")
        return
    match change:
        case RemoveLabel():
            remove = updated(node.id, ["--label-rm", change.label])
            yield on(acting, remove, "removing the label")
        case RestoreNode():
            services = observe_on(acting, facts.Replicas)
            if is_restored(node):  # what they had before is known to the earlier run alone
                services = as_if_complete(services)
            yield from _restore(settings, job, now, node, acting, services)
        case WorkOnNode():
            services = observe_on(acting, facts.Replicas)
            yield from _work(settings, job, now, node, acting, services)
            yield from _restore(settings, job, now, node, acting, services)
            yield from job.outcome(now.chosen)
        case _:
            raise unhandled(change)


def _work(
    settings: Settings,
    job: Job,
    now: Situation,
    node: Node,
    acting: str,
    services: Sequence[Replicas],
) -> Commands:
    """Drain the node, and change it when it is empty and the services are complete elsewhere."""
    roll, wait = now.roll, now.chosen.wait
    if roll.continued and roll.begun < int(this_run(_Progress).since):  # not by this run itself
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(roll.begun))
        progress(f"continues the {roll.job} that began {begun}")
    yield from given_up(settings)
    progress("draining it")
    drain = updated(node.id, drained(node, labels_to_set(roll, now.among)))
    yield on(acting, drain, "draining it")
    progress("waiting until its tasks have gone, and run elsewhere")
    empty = program(__file__, "wait_until_empty.sh", using=[API], seconds=str(wait))
    yield script(empty, timeout=wait + 60)
    yield services_complete(acting, services, wait, _LOOK_AT_SERVICES, restored=False)
    if _still_due(settings, job):
        yield from job.change(settings, now.chosen)
    else:
        progress("was done meanwhile: what an earlier run had begun has ended")
    this_run(_Progress).changed.setdefault(job.name, set()).add(now.me.name)


def _still_due(settings: Settings, job: Job) -> bool:
    """Right before the node is changed: whether it still has to be. Raises where it may not.

    Draining takes minutes: another manager may have been lost since the turn began, and somebody
    else may have changed or restored this node.
    """
    now = look(settings, job)
    report(job.name, [*still_due(settings, now.observed, now.roll, now.me, now.among)])
    return now.me.name in now.roll.work


def _restore(
    settings: Settings,
    job: Job,
    began: Situation,
    node: Node,
    acting: str,
    services: Sequence[Replicas],
) -> Commands:
    """Wait until the node is back, prove it, and restore its availability.

    began: as it was when the turn began.
    """
    me, wait = began.me.name, began.chosen.wait
    cluster = view(settings, began.observed)
    peers = healthy_peers(cluster, node) if cluster else ()
    manager = node.role == "manager"
    expected = Expected(acting, node.id, manager, job.version(settings), peers, wait)
    progress("waiting until it is back")
    if manager:
        yield engine_runs(wait)
        yield from after_restart(settings)  # with autolock a restart has locked it
    yield node_back(expected, restored=False)
    if provable(observe_on(acting, swarm_facts.State)):
        progress("proving that encrypted traffic flows to and from it")
        yield proof.data_plane(settings, me)
    else:
        progress("not proven: old and new engines do not understand each other yet")
    now = look(settings, job)
    cluster, fresh = view(settings, now.observed), now.node(settings)
    if cluster is None or fresh is None:
        yield fail("no manager answers for the swarm; this node is still drained")
        return
    label = began.roll.since_label
    last = labelled(now.roll, cluster, me)
    progress(f"restoring its availability: {fresh.labels.get(AVAILABILITY_BEFORE, '')}")
    yield on(acting, updated(fresh.id, restored(fresh)), "restoring its availability")
    this_run(_Progress).restored = me
    yield node_back(expected, restored=True)
    yield services_complete(acting, services, wait, _left_as_it_is(node), restored=True)
    yield from taken_back(settings)
    if done := finished(fresh):
        yield on(acting, updated(fresh.id, done), "finishing its turn")
    if last:  # as the very last: without it, the same command would begin anew
        off = "".join(updated(one.id, ["--label-rm", label]) for one in last)
        yield on(acting, off, "removing the job's label")


_LOOK_AT_SERVICES = "Look at `docker service ps`, then run the same command again"


def _left_as_it_is(node: Node) -> str:
    """What the owner can do where services lack replicas. node: as it was when its turn began."""
    if AVAILABILITY_BEFORE not in node.labels or not is_restored(node):
        return _LOOK_AT_SERVICES
    return (
        f"{_LOOK_AT_SERVICES}. Where they lacked them before the job began: `docker node update "
        f"--label-rm {AVAILABILITY_BEFORE} {quoted_name(node.hostname, node.id)}` ends this "
        "node's turn, and it goes on"
    )


def _other_manager(settings: Settings, observed: Observed, me: str) -> str | None:
    """The manager that is asked during a host's turn: another one, if there is any."""
    able = list(controlling(settings, observed))
    return next((name for name in able if name != me), able[0] if able else None)


def running(settings: Settings) -> Mapping[str, Running | None]:
    """What runs on every host, since when."""
    return observe_all(facts.Running)
