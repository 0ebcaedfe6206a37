"""The proof that the nodes talk to each other encrypted, at any time, without a trace.

Nothing is installed, created or changed on any host: packets are sent over the attachments to the
overlay networks that each engine keeps (:mod:`networks.attachments`), with four remote commands on
each host, whatever the number of hosts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gevent.event import AsyncResult
from gevent.pool import Pool
from pyinfra import logger
from pyinfra.api import FunctionCommand, Host, State

from pyinfra_swarm.floating_address.facts import FloatingAddress
from pyinfra_swarm.floating_address.plan import plan_holders, told
from pyinfra_swarm.networks import facts as network_facts
from pyinfra_swarm.networks.attachments import Attachments
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.identity import likely_node
from pyinfra_swarm.nodes.membership import Observed, acting_manager, view
from pyinfra_swarm.proof import exchange, names, report_operations
from pyinfra_swarm.proof.crossings import NO_INGRESS, crossings, plan_proof, unproven
from pyinfra_swarm.proof.names import Lookup
from pyinfra_swarm.proof.verdict import Proof, judge, table
from pyinfra_swarm.run import clock, context, pyinfra_internals, records, reporting
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    current_host,
    forget_observations,
    given,
    is_executing,
    job,
    observe_all,
    pause,
    progress,
    report,
    still_ours,
    this_host,
)
from pyinfra_swarm.run.findings import Finding, Notice, refusals
from pyinfra_swarm.run.limit import in_limit
from pyinfra_swarm.run.pyinfra_internals import in_the_name_of
from pyinfra_swarm.run.script import Outcome, quietly

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

SETTLING = 40
"""Seconds that a node may take to join the ingress network after its engine has started."""


class Unproven(Exception):
    """The proof could not even begin; the message says why."""


@job("proof")
def proven(settings: Settings) -> Commands:
    """Every pair of nodes exchanges encrypted packets, small and full-size, in every network.

    It changes nothing, and always runs. With ``--limit`` only pairs with one of these hosts are
    tried. A pair that fails fails its sender; nodes that are down are reported, not failed. The
    table of pairs is the last thing in the log.

    **Example:**

    .. code:: python

        proof.proven(settings, name="Proof: every pair of nodes exchanges encrypted packets")
    """
    me, path = current_host(), given("report") or ""
    observed, attachments = _look()
    findings = plan_proof(settings, observed, attachments, me.name)
    findings = [*findings, *report_operations.planned(path)]
    if refusals(findings):
        report("proof", findings)
    reporting.report(me, "proof", [*findings, *_floating_address(settings)])
    focus = _limit()
    mine = [
        c
        for c in crossings(settings, observed, attachments, focus)
        if me.name in (c.sender, c.receiver)
    ]
    if not mine:
        me.noop("proof: this host has no other node to exchange packets with")
        me.log("there are no pairs: this host has no other node to exchange packets with")
        return
    if not is_executing():
        peers = {c.sender for c in mine} | {c.receiver for c in mine}
        me.log(
            f"exchanges packets with {', '.join(sorted(peers - {me.name}))} over "
            f"{', '.join(dict.fromkeys(c.network for c in mine))}, and tries clear frames"
        )
    yield call(_proven, settings, focus, path)


def _floating_address(settings: Settings) -> list[Finding]:
    """Who holds the floating address, told once; and what is wrong where it is not one host."""
    if not settings.exposure.address:
        return []
    me, seen = current_host(), observe_all(FloatingAddress)
    if me.name == next(name for name, said in seen.items() if said is not None):
        me.log(told(settings, seen))
    return plan_holders(settings, this_host(settings), seen)


def _limit() -> tuple[str, ...]:
    """The hosts that ``--limit`` names; none where there is no limit."""
    near = in_limit()
    return near if len(near) < len(context.state().inventory) else ()


@dataclass
class _Proofs:
    """made: the proof, by operation: a deploy may prove before and after it changes something."""

    made: dict[str, AsyncResult[Proof]] = field(default_factory=dict)


def _proven(
    state: State, host: Host, settings: Settings, focus: Sequence[str], path: str = ""
) -> bool:
    """This host's part of the verdict: the first host makes the proof, the others wait for it.

    path: where a report for others is to be written; empty for none.
    """
    proof = _once(state, host, settings, focus, path)
    if isinstance(proof, str):
        reporting.failed(host, proof)
        return False
    return _report(host, proof, focus)


def _once(
    state: State, host: Host, settings: Settings, focus: Sequence[str], path: str
) -> Proof | str:
    proofs, operation = this_run(_Proofs).made, pyinfra_internals.current_operation(host)
    pending = proofs.get(operation)
    if pending is None:
        pending = proofs[operation] = AsyncResult()
        try:
            begun = clock.now()
            proof = prove(state, settings, focus=focus)
            for line in table(proof):
                logger.info(line)
            if path:
                _write_report(host, settings, path, proof, clock.now() - begun)
            records.measure("proof", "pairs", [pair.record() for pair in proof.pairs])
            pending.set(proof)
        except Unproven as error:
            return _broken(pending, str(error))
        except Exception as error:
            return _broken(pending, f"the proof was interrupted: {type(error).__name__}: {error}")
    try:
        shown: Proof | None = pending.get()
        assert shown is not None
        return shown
    except Unproven as error:
        return str(error)


def _write_report(host: Host, settings: Settings, path: str, proof: Proof, seconds: float) -> None:
    try:
        report_operations.write(settings, path, proof, seconds)
    except report_operations.Unwritable as error:
        raise Unproven(f"the proof was made, but {error}") from error
    host.log(f"the report is in {path}: versions, capabilities and results, no names or addresses")


def _broken(pending: AsyncResult[Proof], message: str) -> str:
    pending.set_exception(Unproven(message))
    return message


def _report(host: Host, proof: Proof, focus: Sequence[str]) -> bool:
    """Report what the proof has shown of this host; whether it has passed."""
    problems = [*proof.problems(host.name, focus), *proof.unresolved.get(host.name, ())]
    reporting.report(host, "proof", [*proof.remarks.get(host.name, ()), *problems])
    if host.name in proof.silent:
        reporting.failed(
            host, f"did not carry out its share of the proof: {proof.silent[host.name]}"
        )
        return False
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        first = problems[0]
        reporting.failed(host, f"{first.what}: {first.reason}{more}", logged=True)
    return not problems


def data_plane(settings: Settings, name: str) -> FunctionCommand:
    """A command that proves that this host exchanges encrypted packets with every ready node.

    It fails the host in whose name it runs, with the pairs and the reasons, where a pair fails, or
    where none could be tried although other nodes are ready. Nodes that are down are reported, not
    failed; a swarm of one node passes. Drained and paused nodes are proven like all others. Names
    of services that are not found are reported, not failed: they may come and go meanwhile.
    """
    return call(_gate, settings, name)


def _gate(state: State, host: Host, settings: Settings, name: str) -> bool:
    try:
        proof = prove(state, settings, focus=[name])
    except Unproven as error:
        reporting.failed(host, str(error))
        return False
    for line in table(proof):
        host.log(line)
    if name in proof.unproven:
        reporting.failed(host, f"the data plane could not be proven: {name} {proof.unproven[name]}")
        return False
    problems = proof.problems()
    lost = proof.unresolved.get(name, ())
    reporting.report(host, "proof", [*proof.remarks.get(name, ()), *problems, *lost])
    if proof.proven and (proof.pairs or not _others_ready(settings, name)):
        return True
    shown = [f"{problem.what}: {problem.reason}" for problem in problems]
    shown += [f"{silent} {why}" for silent, why in proof.silent.items()]
    reporting.failed(
        host,
        "the data plane is not proven: "
        + ("; ".join(shown) or "other nodes are ready, but none of them could be tried"),
    )
    return False


def _others_ready(settings: Settings, name: str) -> bool:
    observed = observe_all(swarm_facts.State)
    cluster = view(settings, observed)
    own = likely_node(settings, observed, cluster, name) if cluster else None
    return any(
        node.state == "ready" and (own is None or node.id != own.id)
        for node in (cluster.nodes if cluster else None) or ()
    )


def prove(state: State, settings: Settings, *, focus: Sequence[str] = ()) -> Proof:
    """Exchange packets and judge; only while changes are carried out.

    focus: only pairs with one of these hosts; none: all pairs. Raises :class:`Unproven` where it
    could not begin, and :class:`run.converge.Unobserved` where this host does not answer.
    """
    forget_observations()
    observed, attachments = _settled(settings)
    against = refusals(plan_proof(settings, observed, attachments, current_host().name))
    if against:
        raise Unproven("; ".join(refusal.sentence() for refusal in against))
    without = unproven(settings, observed, attachments)
    asked = crossings(settings, observed, attachments, focus)
    senders = dict.fromkeys(crossing.sender for crossing in asked)
    mine = {name: [c for c in asked if c.sender == name] for name in senders}
    port = settings.swarm.data_path_port
    networks = len({crossing.network for crossing in asked})
    progress(f"exchanging packets between {len(senders)} nodes, {len(asked)} pairs")
    silent: dict[str, str] = {}
    exchanged = {
        name: exchange.read_exchange(found)
        for name, found in _on_each(
            state,
            {name: exchange.exchange(its, port) for name, its in mine.items()},
            exchange.seconds(networks),
            silent,
        ).items()
    }
    still_ours()
    progress("sending frames in clear text, which must not get in")
    forged = {
        name: exchange.read_forged(found)
        for name, found in _on_each(
            state,
            {name: exchange.forge(mine[name], port) for name in exchanged},
            60 + len(asked),
            silent,
        ).items()
    }
    lookups = _lookups(settings, observed, attachments, [*without, *silent], focus)
    looks = {
        name: exchange.look(
            sorted({c.source.sandbox for c in mine.get(name, ())}), lookups.get(name, ())
        )
        for name in dict.fromkeys([*exchanged, *lookups])
    }
    progress("reading the counters once more, and asking for the names of services")
    longest = max(map(names.longest, lookups.values()), default=0)
    last = _on_each(state, looks, 60 + longest, silent)
    end = {name: exchange.read_counters(found["end"]) for name, found in last.items()}
    proof = judge(asked, exchanged, forged, end, unproven=without, silent=silent)
    return _with_names(settings, proof, lookups, last)


def _lookups(
    settings: Settings,
    observed: Observed,
    attachments: Attachments,
    without: Collection[str],
    focus: Collection[str],
) -> dict[str, list[Lookup]]:
    """The names that each node asks for; with a focus, only these nodes do."""
    able = [
        host.name
        for host in settings.hosts
        if host.name not in without and (not focus or host.name in focus)
    ]
    found: dict[str, list[Lookup]] = {}
    for one in names.lookups(observed, attachments, able):
        found.setdefault(one.host, []).append(one)
    return found


def _with_names(
    settings: Settings,
    proof: Proof,
    lookups: Mapping[str, Sequence[Lookup]],
    said: Mapping[str, Sections],
) -> Proof:
    """The proof with the names that were not found; those that have gone meanwhile count nowhere.

    said: what each host's program has printed.
    """
    asked = [one for name in said for one in lookups.get(name, ())]
    lost: dict[Lookup, Notice] = {}
    if asked:
        observed = observe_all(swarm_facts.State)
        cluster = view(settings, observed)
        overlays = (cluster.overlays if cluster else None) or ()
        subnets = [subnet for overlay in overlays for subnet in overlay.subnets]
        for name, found in said.items():
            answers = names.answers(found["names"])
            lost.update(names.verdict(lookups.get(name, ()), answers, subnets))
    gone: set[Lookup] = set()
    if lost:
        forget_observations()
        now, attachments = _look()
        gone = {*lost} - {*names.lookups(now, attachments, {one.host for one in lost})}
    unresolved: dict[str, tuple[Notice, ...]] = {}
    for one, notice in lost.items():
        if one not in gone:
            unresolved[one.host] = (*unresolved.get(one.host, ()), notice)
    return replace(proof, names=len(asked) - len(gone), unresolved=unresolved)


def _look() -> tuple[Observed, Attachments]:
    return observe_all(swarm_facts.State), observe_all(network_facts.Attachments)


def _settled(settings: Settings) -> tuple[Observed, Attachments]:
    """What the hosts say, once every ready node is in the ingress network, or has had the time."""
    deadline = clock.now() + SETTLING
    while True:
        observed, attachments = _look()
        waiting = NO_INGRESS in unproven(settings, observed, attachments).values()
        no_manager = acting_manager(settings, observed) is None
        if not waiting or no_manager or clock.now() > deadline:
            return observed, attachments
        progress("waiting until every ready node has joined the ingress network")
        pause(2)
        forget_observations()


def _on_each(
    state: State,
    scripts: Mapping[str, tuple[str, str]],
    timeout: int,
    silent: dict[str, str],
) -> dict[str, Sections]:
    """Run a script on each of these hosts at once; what they print, in sections, by host.

    scripts: by host, each with its standard input; timeout: seconds. silent: gets the hosts that
    did not do their share, with the reason.
    """
    at_once = Pool(state.config.PARALLEL or len(scripts) or 1)
    greenlets = {
        name: at_once.spawn(_on, state, name, script, lines, timeout)
        for name, (script, lines) in scripts.items()
    }
    outcomes = {name: greenlet.get() for name, greenlet in greenlets.items()}
    for name, outcome in outcomes.items():
        if not outcome.done:
            silent.setdefault(name, outcome.problem)
    return {name: outcome.said for name, outcome in outcomes.items() if outcome.done}


def _on(state: State, name: str, script: str, lines: str, timeout: int) -> Outcome:
    host: Host = state.inventory.get_host(name)
    with in_the_name_of(state, host):
        return quietly(host, script, stdin=lines, timeout=timeout)
