"""A node's turn in a rolling job: drained, empty, changed, back, proven, and put back as it was.

Every host calls every stage of a job; whose turn it is, and whether it may be taken, is decided in
``cluster/rolling/`` from what the hosts say at that moment. A node's turn is its own operation,
in its own name. The first that does not come through ends the roll: all later turns refuse.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.engine.api import API, on, updated
from pyinfra_swarm.keys.unlock_operations import after_restart, unlockable
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.membership import Membership, Node, Observed, controlling, view
from pyinfra_swarm.proof import operations as proof
from pyinfra_swarm.rolling import facts as rolling_facts
from pyinfra_swarm.rolling import nodes, turns, waiting
from pyinfra_swarm.rolling.jobs import Options, Roll, Running, options
from pyinfra_swarm.rolling.nodes import STAGES
from pyinfra_swarm.rolling.plan import plan, still_due
from pyinfra_swarm.rolling.waiting import Replicas
from pyinfra_swarm.run import clock, story
from pyinfra_swarm.run.connection import connection_broke, log_in_anew
from pyinfra_swarm.run.converge import (
    Commands,
    Refused,
    Unobserved,
    call,
    current_host,
    fail,
    forget_observations,
    given,
    is_executing,
    observe_all,
    observe_on,
    pause,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import Finding, Refusal, changes, refusals
from pyinfra_swarm.run.limit import in_limit
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host as DeclaredHost
    from pyinfra_swarm.settings import Settings

PAUSE = 2
"""Seconds between two looks while something is awaited."""

_RUN_BEGUN = time.time()


@dataclass(frozen=True)
class Job:
    """A rolling job.

    name: as findings and deploys name it.
    roll: what is to be done, from what is observed now, and when the roll began (seconds since
    1970).
    change: what is done to the drained node.
    version: the engine that has to run on it afterwards, "" for any.
    unready: what this run has failed to prepare on some host, so that no node is touched.
    """

    name: str
    roll: Callable[[Settings, Observed, Options, float], Roll]
    change: Callable[[Settings, Options], Commands]
    version: Callable[[Settings], str] = lambda settings: ""
    unready: Callable[[Roll, Collection[str]], list[Refusal]] = lambda roll, among: []


@dataclass(frozen=True)
class Outlook:
    """A job as one host sees it now."""

    me: DeclaredHost
    observed: Observed
    chosen: Options
    among: tuple[str, ...]
    roll: Roll
    findings: list[Finding]

    def node(self, settings: Settings) -> Node | None:
        """The host's node, as the managers list it."""
        cluster = view(settings, self.observed)
        return nodes.entry(settings, self.observed, cluster, self.me.name) if cluster else None


_begun: dict[str, float] = {}
"""When a job's roll began: with this run, or with the earlier one that this run goes on with. The
label that says so is gone before this run ends."""

_places: dict[str, tuple[str, ...]] = {}
_stopped_at = ""


def look(settings: Settings, job: Job, *, planning: bool = False) -> Outlook:
    """What a job has to do on this host, or why it must not.

    planning: nodes are still to have their turns, among them those that were left half-way.
    """
    me = this_host(settings)
    chosen = options(given)
    observed = observe_all(swarm_facts.State)
    limit = in_limit()
    among = tuple(host.name for host in settings.hosts if host.name in limit)
    roll = job.roll(settings, observed, chosen, _begun.get(job.name, _RUN_BEGUN))
    if roll.continued:
        _begun[job.name] = roll.begun
    order = turns.turns(settings, observed, roll, among)
    # Kept as it was at the run's start: a finding told twice would differ by its place.
    places = _places.setdefault(job.name, order) if order else ()
    planning = planning or not is_executing()
    findings = plan(settings, observed, roll, me, places, among, planning=planning)
    return Outlook(me, observed, chosen, among, roll, findings)


def turn(settings: Settings, job: Job, stage: str) -> Commands:
    """This host's turn, if it comes in this stage.

    stage: one of :data:`rolling.nodes.STAGES`.
    """
    global _stopped_at
    outlook = look(settings, job)
    node = outlook.node(settings)
    first = STAGES[0] if view(settings, outlook.observed) else stage
    own = nodes.stage(node) if node else first
    if is_executing() and stage == "leader" and own == "managers":
        own = stage  # it was the leader when the managers had their turns, or none had
    if own != stage:
        current_host().noop(f"{job.name}: not in this stage")
        return
    findings = outlook.findings
    if changes(findings) and (locked_out := unlockable(settings)):
        findings = [locked_out]
    if is_executing() and changes(findings):
        findings = [*job.unready(outlook.roll, outlook.among)] or findings
    if is_executing() and _stopped_at and (changes(findings) or refusals(findings)):
        findings = [
            Refusal(
                job.name,
                f"is not begun on this host: the roll has stopped at {_stopped_at}, and whatever "
                "comes after it is as it was",
                remedy=f"Mend {_stopped_at} as its own message says, then run the same command: it "
                "goes on there",
            )
        ]
    try:
        if not report(job.name, findings):
            return
        assert node is not None  # else there is nothing to change
        if is_executing():
            _stopped_at = _stopped_at or outlook.me.name  # unless it comes through
        yield from _steps(settings, job, outlook, node)
    except (Refused, Unobserved):
        _stopped_at = _stopped_at or outlook.me.name
        raise
    except GeneratorExit:  # pyinfra goes no further after a command that has failed
        if is_executing():
            broke = connection_broke(current_host())
            what = (
                "the connection broke; the host may be without power or network"
                if broke
                else "a command failed, its output is above"
            )
            story.failed(
                current_host(),
                f"{job.name}: {what}. This node stays drained until that is mended; then run the "
                "same command again: it goes on here",
                told=True,
            )
        raise
    _stopped_at = ""


def _steps(settings: Settings, job: Job, outlook: Outlook, node: Node) -> Commands:
    me, chosen, roll = outlook.me.name, outlook.chosen, outlook.roll
    keeper = _keeper(settings, outlook.observed, me)
    if keeper is None:
        yield fail("no manager answers for the swarm")
        return
    todo = turns.steps(roll, me, node)
    if todo == ("forget",):
        yield on(keeper, updated(node.id, ["--label-rm", roll.mark]), "taking the label off")
        return
    before = observe_on(keeper, rolling_facts.Replicas)
    cluster = view(settings, outlook.observed)
    back = Back(
        keeper,
        node.id,
        node.role == "manager",
        job.version(settings),
        waiting.company(cluster, node) if cluster else (),
        chosen.wait,
    )
    if "drain" in todo:
        if roll.continued and roll.begun < int(_RUN_BEGUN):  # not by this run itself
            begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(roll.begun))
            progress(f"goes on with the {roll.job} that was begun {begun}")
        progress("draining it")
        drain = updated(node.id, nodes.drained(node, turns.marks(roll, outlook.among)))
        yield on(keeper, drain, "draining it")
        progress("waiting until its tasks have gone, and run elsewhere")
        yield script(_left(chosen.wait), timeout=chosen.wait + 60)
        yield call(_wait_until_whole, keeper, before, chosen.wait)
        _still_due(settings, job)
        yield from job.change(settings, chosen)
    progress("waiting until it is back")
    if node.role == "manager":
        yield call(_wait_until_engine_runs, chosen.wait)
        yield from after_restart(settings)  # with autolock a restart has locked it
    yield call(_wait_until_back, back, False)
    if waiting.provable(observe_on(keeper, swarm_facts.State)):
        progress("proving that encrypted traffic flows to and from it")
        yield proof.data_plane(settings, me)
    else:
        progress("not proven: old and new engines do not understand each other yet")
    outlook = look(settings, job)
    cluster = view(settings, outlook.observed)
    fresh = outlook.node(settings)
    if cluster is None or fresh is None:
        yield fail("no manager answers for the swarm; this node is still drained")
        return
    last = turns.bearers(outlook.roll, cluster, me)
    removed = [outlook.roll.mark] if last else []
    lines = [updated(fresh.id, nodes.restored(fresh, removed))]
    lines += [updated(n.id, ["--label-rm", roll.mark]) for n in last if n.id != fresh.id]
    progress(f"giving it back its availability: {fresh.labels.get(AVAILABILITY_BEFORE, '')}")
    yield on(keeper, "\n".join(lines), "giving it back its availability")
    yield call(_wait_until_back, back, True)
    yield call(_wait_until_whole, keeper, before, chosen.wait)


def _still_due(settings: Settings, job: Job) -> None:
    """Right before the node is changed: it still may be, and has to be. Raises, told already.

    Draining takes minutes, and the world goes on: another manager may have been lost since the turn
    began, or somebody has changed or put back this node.
    """
    now = look(settings, job)
    report(job.name, [*still_due(settings, now.observed, now.roll, now.me, now.among)])


def _keeper(settings: Settings, observed: Observed, me: str) -> str | None:
    """The manager that is asked and told meanwhile: another one, if there is any."""
    able = list(controlling(settings, observed))
    return next((name for name in able if name != me), able[0] if able else None)


def _left(seconds: int) -> str:
    """Shell: wait until no task of the swarm is left on this host."""
    return f"""\
{API}pid=$(cat /run/docker.pid 2>/dev/null) || :
[ -n "$pid" ] && [ -d "/proc/$pid" ] || exit 0  # no engine runs, so no task does
label='%7B%22label%22%3A%5B%22com.docker.swarm.task.id%22%5D%7D'
empty() {{
  api "http://localhost/containers/json?filters=$label" || return 1
  case $answer in '[]'*) ;; *) return 1 ;; esac
}}
end=$(($(date +%s) + {seconds}))
until empty; do
  [ "$(date +%s)" -lt $end ] || {{
    echo "after {seconds} s there are still tasks on this host, which is drained and otherwise as" \
      "it was (more time: --data wait=SECONDS):" \
      $(docker ps --filter label=com.docker.swarm.task.id --format '{{{{.Names}}}}') >&2
    exit 1
  }}
  sleep 1
done
"""


def _wait_until_whole(
    state: State, host: Host, keeper: str, before: Sequence[Replicas], seconds: int
) -> bool:
    """Until services that were whole are whole again, but for tasks that no node may take."""
    deadline = clock.now() + seconds
    while True:
        forget_observations()
        try:
            now = observe_on(keeper, rolling_facts.Replicas)
        except Unobserved as unobserved:
            lacking = [str(unobserved)]
        else:
            lacking = waiting.missing(before, now)
            if not lacking:
                for name in waiting.interrupted(now):
                    host.log(f"service {name} waits for this node: no other may run it")
                return True
        if clock.now() > deadline:
            story.failed(
                host,
                f"after {seconds} s services that were whole are not: {', '.join(lacking)}. Look "
                "at `docker service ps`, then run the same command again",
            )
            return False
        pause(PAUSE)


def _wait_until_engine_runs(state: State, host: Host, seconds: int) -> bool:
    """Until the engine can say where it belongs; that it does not is told by whoever waits next."""
    deadline = clock.now() + seconds
    while clock.now() < deadline:
        forget_observations()
        own = _says(host.name)
        if own is not None and own.engine == "running":
            break
        if own is None:
            log_in_anew(host)
        pause(PAUSE)
    return True


@dataclass(frozen=True)
class Back:
    """What it means that a node is back.

    keeper: the manager that is asked; node: its id; manager: it is one.
    version: the engine that is to run, "" for any; company: the nodes that were there before.
    seconds: how long is waited.
    """

    keeper: str
    node: str
    manager: bool
    version: str
    company: tuple[str, ...]
    seconds: int


def _wait_until_back(state: State, host: Host, back: Back, restored: bool) -> bool:
    """Until the node is ready again, and a manager reachable.

    restored: it may have tasks again, so published ports have to answer on it.
    """
    deadline = clock.now() + back.seconds
    while True:
        forget_observations()
        own = _says(host.name)
        seen = own if back.keeper == host.name else _says(back.keeper)
        # Its own word for the swarm counts where the managers had it for one of them.
        able = (seen, own) if back.manager else (seen,)
        cluster = next((m for m in able if m and m.controls), None)
        lacking = waiting.absent(
            own, cluster, back.node, back.version, back.company, ingress=restored
        )
        if not lacking:
            return True
        if clock.now() > deadline:
            drained = "" if restored else ". It is still drained"
            story.failed(
                host,
                f"this node has not come back after {back.seconds} s: {lacking}{drained}. Mend it "
                "(`journalctl -u docker`), then run the same command again: it goes on here",
            )
            return False
        if own is None:
            log_in_anew(host)
        pause(PAUSE)


def _says(name: str) -> Membership | None:
    try:
        return observe_on(name, swarm_facts.State)
    except Unobserved:
        return None


def running(settings: Settings) -> Mapping[str, Running | None]:
    """What runs on every host, since when."""
    return observe_all(rolling_facts.Running)
