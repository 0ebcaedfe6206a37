"""A stack rendered, deployed, awaited and recorded, on one manager, in the middle of a function.

Each step says why it has failed instead of raising: one stack that fails holds up no other.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence

from gevent.pool import Pool
from pyinfra.api import Host, State

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.run import pyinfra_internals
from pyinfra_swarm.run.converge import progress, still_ours
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.run.script import Outcome, quietly
from pyinfra_swarm.services import operations as services_operations
from pyinfra_swarm.services.ended import Ended
from pyinfra_swarm.services.listing_operations import as_listed
from pyinfra_swarm.services.service import Service, references
from pyinfra_swarm.services.verdict import same_spec
from pyinfra_swarm.settings.labels import STACK
from pyinfra_swarm.stacks import facts
from pyinfra_swarm.stacks.inputs import Inputs
from pyinfra_swarm.stacks.plan import ended_well
from pyinfra_swarm.stacks.record import (
    INPUTS,
    Record,
    named,
    pack,
    with_declared_names,
)
from pyinfra_swarm.stacks.rendering import (
    Current,
    Rendered,
    Unusable,
    as_yaml,
    files,
    pinned,
    rendered,
    resolved,
)
from pyinfra_swarm.stacks.seen import Seen, Stacks

UNPACKED = program(__file__, "unpacked.sh")
RENDER = API + UNPACKED + program(__file__, "render.sh")

AT_ONCE = 8
"""Services of a stack that are awaited at the same time."""


def render(manager: Host, inputs: Inputs) -> Rendered:
    """A stack's files as the manager's command line renders them.

    Raises :class:`rendering.Unusable` with the reason, in the words of the engine where it has any.
    """
    outcome = quietly(manager, RENDER, stdin=inputs.packed(), timeout=60)
    if not outcome.done:
        raise Unusable(_words(outcome, "docker stack config"))
    [folder] = outcome.said["folder"]
    warnings = tuple(line for line in outcome.said["words"] if line.strip())
    return rendered("\n".join(outcome.said["rendered"]), folder, warnings)


def _words(outcome: Outcome, command: str) -> str:
    return outcome.problem if outcome.silent else f"{command} refuses it: {outcome.problem}"


def deploy(
    run: State,
    host: Host,
    manager: Host,
    inputs: Inputs,
    fresh: Rendered,
    seen: Seen,
    current: Current,
    *,
    anew: bool,
    made: Callable[[], None],
) -> str:
    """Deploy a stack, await its services, and record what it is then; why it failed, or "".

    seen: as a manager has just been seen; current: the versions of secrets and configs to be used.
    anew: the registry is asked again what tags stand for; else images that are declared as they
    were stay as they are. made: called once it is deployed, before anything is awaited. Raises
    :class:`run.converge.Unobserved` where the manager does not say what has become of it.
    """
    progress(f"stack {inputs.stack}: it is deployed")
    record = seen.records.get(inputs.stack)
    compose = resolved(fresh.compose, inputs.stack, current, inputs.files)
    if record is not None and not anew:
        compose = pinned(compose, record.compose, record.services, inputs.stack)
    still_ours()
    text = API + UNPACKED + program(__file__, "deploy.sh", stack=inputs.stack)
    outcome = quietly(manager, text, stdin=inputs.packed(deploy=as_yaml(compose)), timeout=300)
    if not outcome.done:
        return _words(outcome, "docker stack deploy")
    made()
    _show(host, outcome.said["words"])
    before, after = seen.of(inputs.stack), _services(manager, inputs.stack)
    changed = [
        (service, before[name].version if name in before else 0)
        for name, service in after.items()
        if name not in before
        or _to_await(before[name], service)
        or not ended_well(record, service, seen)
    ]
    if failed := [one for one in _awaited(run, host, manager, changed) if not one.done]:
        return ". ".join(one.sentence() for one in failed)
    now = as_listed(manager, facts.Stacks)
    if problem := _keep(manager, inputs, fresh, now, seen):
        return problem
    if files(fresh.compose):
        _remove_old_configs(manager, inputs.stack, now)
    return ""


def await_stack(run: State, host: Host, manager: Host, stack: str) -> str:
    """Await the services of a stack that another run has deployed; why one failed, or "".

    Raises :class:`run.converge.Unobserved` where the manager does not list them.
    """
    busy = [(service, 0) for service in _services(manager, stack).values() if _busy(service)]
    return ". ".join(one.sentence() for one in _awaited(run, host, manager, busy) if not one.done)


def _to_await(before: Service, after: Service) -> bool:
    """Whether a deploy has begun an update; one that was not done before begins anew by it."""
    return not same_spec(before.spec, after.spec) or _busy(before) or _busy(after)


def _busy(service: Service) -> bool:
    return service.update is not None and service.update.state != "completed"


def _show(host: Host, lines: Sequence[str]) -> None:
    """What the command line says beside its progress, such as an image without a digest."""
    progress = ("Creating ", "Updating ", "Removing ")
    paragraphs = "\n".join(line for line in lines if not line.startswith(progress)).split("\n\n")
    for words in dict.fromkeys(" ".join(one.split()) for one in paragraphs):
        if words:
            host.log(plain(words))


def _services(manager: Host, stack: str) -> dict[str, Service]:
    return {
        one.name: one for one in as_listed(manager, facts.Stacks).services if one.stack == stack
    }


def _awaited(
    run: State, host: Host, manager: Host, services: Sequence[tuple[Service, int]]
) -> list[Ended]:
    """How the updates of services have ended; they go on side by side, so they are awaited so."""

    def one(service: Service, since: int) -> Ended:
        with pyinfra_internals.in_the_name_of(run, host):
            return services_operations.await_update(manager, service, since)

    pool = Pool(AT_ONCE)
    greenlets = [pool.spawn(one, service, since) for service, since in services]
    try:
        return [greenlet.get() for greenlet in greenlets]
    finally:
        pool.kill()


# The record
# ----------

LARGEST = 1_000_000
"""Bytes of a config; the engine takes 1024000."""


def _keep(manager: Host, inputs: Inputs, fresh: Rendered, now: Stacks, seen: Seen) -> str:
    """Record what a stack is, and remove the records before."""
    services = {
        one.name: with_declared_names(one, seen.ours)
        for one in now.services
        if one.stack == inputs.stack
    }
    mine = [one for one in now.records if one.stack == inputs.stack]
    version = max((one.version for one in mine), default=0) + 1
    data = pack(Record(inputs.stack, inputs.digest, seen.engine, fresh.compose, services))
    if len(data) > LARGEST:
        return (
            f"it runs, and its record would have {len(data) >> 10} KiB, more than the engine keeps "
            "in a config. Split the stack"
        )
    body = {
        "Name": named(inputs.stack, version),
        "Labels": {STACK: inputs.stack, INPUTS: inputs.digest},
        "Data": base64.b64encode(data).decode(),
    }
    text = API + program(__file__, "keep_record.sh", before=" ".join(one.id for one in mine))
    still_ours()
    outcome = quietly(manager, text, stdin=json.dumps(body), timeout=120)
    if outcome.done:
        return ""
    return (
        f"it runs, and what was deployed could not be recorded ({outcome.problem}). The next run "
        "deploys it again, which changes nothing that runs"
    )


def _remove_old_configs(manager: Host, stack: str, now: Stacks) -> None:
    """Remove configs of a stack's own that its services do not use, nor would after a rollback.

    One that is left is removed by the next deploy, so nothing is said of a failure.
    """
    specs = [spec for one in now.services for spec in (one.spec, one.previous) if spec]
    kept = {one.id for spec in specs for one in references(spec, "config")}
    text = API + program(__file__, "remove_configs.sh", stack=stack, kept=" ".join(sorted(kept)))
    quietly(manager, text, timeout=120)


# Removal
# -------

GONE_WITHIN = 180
"""Seconds that a stack's tasks have to end, and its networks to be free."""


def remove(manager: Host, stack: str, records: Sequence[Record]) -> str:
    """Remove a stack and our records of it; why that failed, or ""."""
    progress(f"stack {stack}: it is removed")
    values = {
        "stack": stack,
        "seconds": str(GONE_WITHIN),
        "records": " ".join(one.id for one in records if one.stack == stack),
    }
    text = API + program(__file__, "remove_stack.sh", **values)
    outcome = quietly(manager, text, timeout=GONE_WITHIN + 60, shown=True)
    return outcome.problem
