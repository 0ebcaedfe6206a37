"""Stacks as declared: rendered by the engine, deployed, awaited, recorded; and removed when asked.

What there is to do is done by the acting manager, for all hosts. A stack that is refused or fails
holds up no other stack; the run ends as failed on that manager all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from pyinfra import logger
from pyinfra.api import Host, State

from pyinfra_swarm.nodes.membership import Observed, acting_manager, view
from pyinfra_swarm.nodes.observing import (
    acting_left_out,
    may_be_left,
    memberships,
    without_a_manager,
)
from pyinfra_swarm.run import records, reporting
from pyinfra_swarm.run.command_line import is_run_of, is_run_with
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.converge import (
    Commands,
    Unobserved,
    call,
    converges,
    current_host,
    fail,
    given,
    is_executing,
    observe_on,
    only_on,
    refused_beside,
    report,
    state,
    still_ours,
)
from pyinfra_swarm.run.findings import (
    Change,
    Finding,
    Refusal,
    changes,
    refusals,
    unhandled,
)
from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.run.wording import counted, listed
from pyinfra_swarm.secrets.facts import Objects
from pyinfra_swarm.secrets.objects import Key, current_names, versioned
from pyinfra_swarm.secrets.objects import Seen as SeenObjects
from pyinfra_swarm.services.listing_operations import as_listed
from pyinfra_swarm.services.service import Kind
from pyinfra_swarm.settings.exposure_modes import OWN_STACK
from pyinfra_swarm.stacks import facts, looking_operations
from pyinfra_swarm.stacks.deploying_operations import await_stack, deploy, remove, render
from pyinfra_swarm.stacks.judging import Existing, Looked, context_of, existing_names, judged
from pyinfra_swarm.stacks.lint import Context, bind_paths, image_names, lint
from pyinfra_swarm.stacks.plan import (
    AwaitStack,
    DeployStack,
    has_changed,
    needs_rendering,
    not_declared,
    plan_removal,
    plan_stack,
    undeclared,
)
from pyinfra_swarm.stacks.reading import Declared, read_stacks
from pyinfra_swarm.stacks.record import Record, newest
from pyinfra_swarm.stacks.rendering import Current, Rendered, Unusable, external
from pyinfra_swarm.stacks.seen import Seen, Stacks

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

PART = "stacks"


@dataclass
class _Read:
    """What this run has read, had rendered and looked for, once; deployed: stacks that it has
    deployed."""

    declared: tuple[Declared, ...] | None = None
    rendered: dict[str, Rendered] = field(default_factory=dict)
    looked: dict[frozenset[str], Looked] = field(default_factory=dict)
    deployed: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Known:
    """What the acting manager says. missing: what is declared of secrets and configs, and has no
    version yet. existing: all their names, if asked for."""

    seen: Seen
    current: Current
    missing: frozenset[tuple[Kind, str]]
    existing: Existing | None


@dataclass(frozen=True)
class Situation:
    """What there is to do. acting: the manager that does it; part: of the job, as it is told."""

    acting: str
    part: str
    known: _Known
    stacks: Mapping[str, Declared]
    findings: list[Finding]


@converges("stacks")
def deployed(settings: Settings) -> Commands:
    """Every declared stack is deployed as its files say, and nobody has changed it since.

    Where nothing is declared it asks nothing, unless the swarm has a stack of ours still, or
    ``deploys/stacks.py`` is what was called.
    Where nothing has changed, the manager renders nothing. ``--data resolve=NAME`` deploys that
    stack again, and asks the registry what its tags stand for.

    With ``--data remove=NAME`` nothing is deployed: that run is for the removal alone.

    + settings: of them ``stacks``, and ``secrets`` and ``configs`` that stacks refer to
    """
    if given("remove"):
        current_host().noop(f"{PART}: nothing is deployed in a run that removes a stack")
        return
    alone = is_run_of("stacks")
    if not (settings.stacks or alone or may_be_left(settings, "stacks")):
        report(PART, [])
        return
    yield from kept_deployed(settings, PART, _declared(settings), alone=alone)


def kept_deployed(
    settings: Settings, part: str, stacks: Mapping[str, Declared], *, alone: bool
) -> Commands:
    """These stacks are deployed as they are declared: what :func:`deployed` does with the user's.

    part: the part of the job that they are told of in; alone: nothing else is done in this run.
    """
    observed = memberships()
    acting = acting_manager(settings, observed)
    if acting is None:
        to_come = _to_come(stacks)
        found = without_a_manager(settings, observed, "no stack is deployed", lambda: to_come)
        unread = [one for one in refusals(to_come) if one in found]
        refused_beside(part, unread)
        report(part, [one for one in found if one not in unread])
        return
    if alone:
        report(part, acting_left_out(settings, observed))
    me = current_host()
    if acting != me.name:
        report(part, [])
        return
    known = _observed(settings, observed, acting, stacks)
    by_stack = _look(settings, observed, acting, known, stacks)
    findings = [finding for found in by_stack.values() for finding in found]
    if part == PART:
        findings += _as_a_whole(settings, known.seen, by_stack)
    now = Situation(acting, part, known, stacks, findings)
    refused = refusals(now.findings)
    refused_beside(part, refused)
    if report(part, [one for one in now.findings if one not in refused]):
        yield call(_carry_out, now)
    elif refused and is_executing():
        yield fail(_not_deployed([one.sentence() for one in refused]), logged=True)


def _to_come(stacks: Mapping[str, Declared]) -> list[Finding]:
    """What will be deployed in a swarm that is only planned, and what cannot be."""
    return [
        Refusal(f"stack {name}", one.inputs.problem)
        if one.inputs.problem
        else DeployStack(f"stack {name}", "is declared, and not deployed", stack=name)
        for name, one in stacks.items()
    ]


def _look(
    settings: Settings,
    observed: Observed,
    acting: str,
    known: _Known,
    stacks: Mapping[str, Declared],
) -> dict[str, list[Finding]]:
    """What there is to do or to tell of each stack."""
    cluster, found = view(settings, observed), {}
    looked = _looked(acting, observed, known.seen, stacks)
    for name, one in stacks.items():
        context = context_of(settings, name, cluster, known.seen, known.existing, looked)
        found[name] = _of_stack(acting, known.seen, one, context)
    return found


def _as_a_whole(
    settings: Settings, seen: Seen, by_stack: Mapping[str, list[Finding]]
) -> list[Finding]:
    """What is told of the user's stacks together: those, too, that nobody declares any more."""
    records.measure(PART, "stacks declared", len(by_stack))
    records.measure(PART, "stacks as declared", sum(not found for found in by_stack.values()))
    records.measure(PART, "services of stacks", sum(len(seen.of(name)) for name in by_stack))
    known = [*by_stack, settings.exposure.own_stack]
    if seen.of(OWN_STACK) and is_run_with("site", "exposure"):
        known.append(OWN_STACK)  # where it is not declared, the exposure's part tells of it
    found = undeclared(known, seen)
    if (asked := given("resolve")) and asked not in by_stack:
        found.append(not_declared(asked, list(by_stack)))
    return found


def _declared(settings: Settings) -> dict[str, Declared]:
    kept = this_run(_Read)
    if kept.declared is None:
        kept.declared = read_stacks(settings)
    return {one.inputs.stack: one for one in kept.declared}


def _observed(
    settings: Settings, observed: Observed, acting: str, stacks: Mapping[str, Declared]
) -> _Known:
    """Raises :class:`run.converge.Unobserved` where the acting manager cannot say."""
    said = observe_on(acting, facts.Stacks)
    found = newest(said.records)
    declared = [Key("secret", one.name) for one in settings.secrets]
    declared += [Key("config", one.name) for one in settings.configs]
    needed = bool(declared) or _names_a_version(said) or _to_be_resolved(stacks, found)
    objects = observe_on(acting, Objects) if needed else SeenObjects()
    if problem := said.problem or objects.problem:
        raise Unobserved(f"{acting} cannot say what is deployed: {problem}")
    cluster, own = view(settings, observed), observed[acting]
    engines = {node.id: node.engine_version for node in (cluster.nodes if cluster else None) or ()}
    names = current_names(declared, objects.objects)
    seen = Seen(
        engine=engines.get(own.node, "") if own else "",
        records=found,
        services=said.services,
        ours={one.id: one.key.name for one in objects.objects if one.key is not None},
        networks={one.id: one.name for one in (cluster.overlays if cluster else None) or ()},
    )
    existing = existing_names((one.kind, one.name) for one in objects.objects) if needed else None
    current = {(key.kind, key.name): name for key, name in names.items()}
    missing = frozenset((key.kind, key.name) for key in declared if key not in names)
    return _Known(seen, current, missing, existing)


def _looked(acting: str, observed: Observed, seen: Seen, stacks: Mapping[str, Declared]) -> Looked:
    """What hosts and registries say of the stacks that are to be deployed, once a run.

    Nothing is asked where no file has changed.
    """
    changed = [
        one
        for name, one in stacks.items()
        if not one.inputs.problem and needs_rendering(name, one.inputs.digest, seen)
    ]
    key = frozenset(one.inputs.digest for one in changed)
    kept = this_run(_Read).looked
    if key not in kept:
        inventory = state().inventory
        there = [inventory.get_host(name) for name, own in observed.items() if own is not None]
        paths = frozenset[str]().union(*(bind_paths(one.merged) for one in changed))
        images = frozenset[str]().union(*(image_names(one.merged) for one in changed))
        kept[key] = Looked(
            looking_operations.platforms(inventory.get_host(acting), images),
            looking_operations.missing_paths(state(), current_host(), there, paths),
        )
    return kept[key]


def _to_be_resolved(stacks: Mapping[str, Declared], found: Mapping[str, Record]) -> bool:
    """Whether a stack that is to be rendered may name a secret or a config."""
    return any(
        one.may_use_objects and has_changed(one.inputs.digest, found.get(name))
        for name, one in stacks.items()
    )


def _names_a_version(stacks: Stacks) -> bool:
    """Whether a service uses what may be a version of a secret or config of ours."""
    return any(versioned(one.name)[1] for service in stacks.services for one in service.references)


def _of_stack(acting: str, seen: Seen, one: Declared, context: Context) -> list[Finding]:
    """What is to be done for one stack, or why nothing is.

    Files are linted when they are to be deployed. What the lint only notices is told then and not
    later: else a check would call it drift for ever.
    """
    inputs, name = one.inputs, one.inputs.stack
    if inputs.problem:
        return [Refusal(f"stack {name}", inputs.problem)]
    linted: list[Finding] = []
    fresh = None
    if needs_rendering(name, inputs.digest, seen):
        linted = judged(name, lint(one.merged, context))
        if refused := refusals(linted):
            return [*refused]
        try:
            fresh = _rendered(acting, one)
        except Unusable as unusable:
            return [Refusal(f"stack {name}", str(unusable))]
    found = plan_stack(name, inputs.digest, seen, fresh)
    if not changes(found) and _anew(name):
        reason = "is deployed again, as asked for: the registry says what its tags stand for now"
        found.append(DeployStack(f"stack {name}", reason, stack=name))
    return [*linted, *found]


def _rendered(acting: str, one: Declared) -> Rendered:
    """Raises :class:`rendering.Unusable`."""
    known = this_run(_Read).rendered
    if one.inputs.digest not in known:
        manager = state().inventory.get_host(acting)
        known[one.inputs.digest] = render(manager, one.inputs)
    return known[one.inputs.digest]


def _anew(stack: str) -> bool:
    return given("resolve") == stack and stack not in this_run(_Read).deployed


# Carried out
# -----------


def _carry_out(run: State, host: Host, now: Situation) -> bool:
    """Each stack by itself; false where one of them is not as declared in the end."""
    manager = run.inventory.get_host(now.acting)
    problems = [one.sentence() for one in refusals(now.findings)]
    for stack, step in _steps(now.findings).items():
        still_ours()
        try:
            match step:
                case DeployStack():
                    problem = _deploy(run, host, manager, now, step)
                case AwaitStack():
                    problem = await_stack(run, host, manager, stack)
                case _:
                    raise unhandled(step)
        except Unobserved as unobserved:
            problem = f"what has become of it could not be seen: {unobserved}"
        if problem:
            problems.append(f"stack {stack}: {problem}")
            host.log_styled(plain(problems[-1]), fg="red", log_func=logger.error)
    if problems:
        reporting.failed(host, _not_deployed(problems), logged=True)
    return not problems


def _deploy(run: State, host: Host, manager: Host, now: Situation, step: DeployStack) -> str:
    stack = step.stack
    one = now.stacks[stack]
    try:
        fresh = _rendered(now.acting, one)
    except Unusable as unusable:
        return str(unusable)
    known, anew = now.known, _anew(stack)
    if missing := [
        f"{kind} {name}" for kind, name in external(fresh.compose) if (kind, name) in known.missing
    ]:
        return (
            f"it uses {listed(missing)}, of which there is no version yet. `pyinfra inventory.py "
            "deploys/secrets.py` makes one"
        )
    this_run(_Read).deployed.add(stack)
    return deploy(
        *(run, host, manager, one.inputs, fresh, known.seen, known.current),
        anew=anew,
        made=partial(reporting.made, host, now.part, step),
    )


def _steps(findings: Sequence[Finding]) -> dict[str, Change]:
    """What is done for each stack: where something differs, awaiting alone is not enough."""
    steps: dict[str, Change] = {}
    for change in changes(list(findings)):
        assert isinstance(change, DeployStack | AwaitStack)
        if change.stack not in steps or isinstance(change, DeployStack):
            steps[change.stack] = change
    return steps


def _not_deployed(problems: Sequence[str]) -> str:
    return "; ".join(problem.rstrip(".") for problem in problems)


# Removed
# -------


@converges("stacks")
def removed(settings: Settings) -> Commands:
    """With ``--data remove=NAME``: a stack that is not declared any more goes, after a question.

    Without, nothing is done: that it is still there is reported by :func:`deployed`.

    + settings: of them ``stacks``, which must not have it
    """
    name = given("remove")
    if not name:
        current_host().noop(f"{PART}: nothing is to be removed")
        return
    acting = confirmed(lambda: _removal(settings, name))
    if acting == current_host().name:
        yield call(_remove, settings, name)


def _removal(settings: Settings, name: str) -> Proposal[str]:
    """All that is removed; a refusal stops all hosts. Its plan: who removes it, "" for nobody."""
    observed = memberships()
    acting = acting_manager(settings, observed)
    if acting is None:
        gone = "is not removed: no manager answers for the swarm"
        return Proposal(PART, [Refusal(f"stack {name}", gone)], "")
    declared = [*(stack.name for stack in settings.stacks), settings.exposure.own_stack]
    seen = _observed(settings, observed, acting, _declared(settings)).seen
    found = plan_removal(name, declared, seen)
    refused: list[Finding] = [*refusals(found), *acting_left_out(settings, observed)]
    if again := given("resolve"):
        beside = "cannot be had together with a removal: a run that removes a stack deploys none"
        refused.append(Refusal(f"--data resolve={again}", beside, remedy="Leave one of them out"))
    if refused:
        return Proposal(PART, refused, "")
    services = sorted(seen.of(name))
    what = f" and its {counted(len(services), 'service')} ({listed(services)})" if services else ""
    return Proposal(
        PART,
        only_on(acting, found),
        acting,
        name,
        f"stack {name}{what} are removed; what is in volumes stays on the nodes"
        if services
        else f"stack {name} is removed",
        whole=found,
    )


def _remove(run: State, host: Host, settings: Settings, name: str) -> bool:
    problem = remove(host, name, as_listed(host, facts.Stacks).records)
    if problem:
        reporting.failed(host, f"stack {name} could not be removed: {problem}")
    return not problem
