"""Unlocked managers attached to their overlay networks again, by restarts of their engines."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import RESTART
from pyinfra_swarm.keys import unlock_key_file
from pyinfra_swarm.keys.attach import RestartUntilAttached, plan_attachment
from pyinfra_swarm.keys.unlock_operations import named_file, send_keys
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes.quorum import may_restart
from pyinfra_swarm.run import clock
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    fail,
    forget_observations,
    is_executing,
    job,
    observe,
    observe_all,
    pause,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import changes

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

ATTEMPTS = 10
"""Restarts of an engine until its networks work; one of two or three has helped."""

PATIENCE = 10
"""Seconds to wait for an engine's networks before it is restarted."""


@job("swarm")
def attached(settings: Settings) -> Commands:
    """Unlocked managers attached to their overlay networks.

    An engine that was unlocked often starts without them and reports nothing; then it is restarted.
    Call it with ``_serial=True``: engines are restarted one at a time, never below quorum.

    + settings: of them ``swarm.unlock_key_file``
    """
    yield from attach(settings)


def attach(settings: Settings) -> Commands:
    """The body of :func:`attached`, for other operations."""
    me = this_host(settings)
    path = named_file(settings)
    file = unlock_key_file.look(path) if path else None
    if is_executing():
        wait_for_networks()
    observed = observe_all(swarm_facts.State)
    findings = plan_attachment(settings, observed, me, file)
    report("swarm", findings)
    for change in changes(findings):
        match change:
            case RestartUntilAttached(path=keys):
                yield from restart_until_attached(
                    ATTEMPTS,
                    partial(_restart, settings, Path(keys)),
                    f"after {ATTEMPTS} restarts this manager is still attached to no overlay "
                    "network; run again, or look at `sudo journalctl -u docker`",
                )


def restart_until_attached(
    attempts: int, restart: Callable[[int], Commands], failure: str
) -> Commands:
    """Restart this host's engine until it is attached to the ingress network.

    restart: what is done for an attempt, of which the first has the number 1; failure: the message
    if none of them has helped.
    """
    for attempt in range(1, attempts + 1):
        yield from restart(attempt)
        if wait_for_networks():
            return
    yield fail(failure)


def _restart(settings: Settings, keys: Path, attempt: int) -> Commands:
    if attempt > 1:  # the first look was the plan's; other managers may have been lost since then
        now = observe_all(swarm_facts.State)
        refused = may_restart(settings, now, this_host(settings).name)
        report("swarm", [refused] if refused else [])
    progress(f"restarting the engine, and unlocking it ({attempt} of {ATTEMPTS} at most)")
    yield script(RESTART, timeout=300)
    yield call(send_keys, keys)


def wait_for_networks() -> bool:
    """Whether this manager is attached to the ingress network; it is given a moment for that."""
    deadline = clock.now() + PATIENCE
    while True:
        own = observe(swarm_facts.State)
        if not own.controls or own.in_ingress is not False:
            return own.in_ingress is True
        if clock.now() > deadline:
            return False
        pause(1)
        forget_observations()
