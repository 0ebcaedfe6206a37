"""Reboots the hosts, one node at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.rolling import jobs
from pyinfra_swarm.rolling.facts import Running
from pyinfra_swarm.rolling.jobs import Options, Roll
from pyinfra_swarm.rolling.operations import Job, running
from pyinfra_swarm.rolling.stages import stages
from pyinfra_swarm.rolling.wait_for_node import PAUSE
from pyinfra_swarm.run import clock, reporting
from pyinfra_swarm.run.connection import log_in_again, read
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    fail,
    forget_observations,
    is_executing,
    observe,
    pause,
    progress,
    script,
)

if TYPE_CHECKING:
    from pyinfra_swarm.nodes.membership import Observed
    from pyinfra_swarm.settings import Settings


def _roll(settings: Settings, observed: Observed, given: Options, begun: float) -> Roll:
    return jobs.reboot(settings, observed, running(settings), given, begun)


def _change(settings: Settings, given: Options) -> Commands:
    boot = observe(Running).boot
    progress("rebooting")
    yield script("( sleep 1; systemctl reboot ) </dev/null >/dev/null 2>&1 &")
    yield call(_wait_for_boot, boot, given.wait)


def _wait_for_boot(state: State, host: Host, boot: str, seconds: int) -> bool:
    """Until another boot answers, over a new connection: the old one ends with the old boot."""
    deadline = clock.now() + seconds
    while clock.now() < deadline:
        pause(PAUSE)
        if log_in_again(host) and _boot(host) not in ("", boot):
            return True
    reporting.failed(
        host,
        f"this host has not come back within {seconds} s of its reboot. It is still drained. When "
        "it is back (a console shows what it waits for), run the same command again: it resumes "
        "here (more time: --data wait=SECONDS)",
    )
    return False


def _boot(host: Host) -> str:
    """The id of the boot that answers; empty where none does."""
    try:
        return read(host, "cat /proc/sys/kernel/random/boot_id", timeout=15, sudo=False)
    except Exception:  # a connection that dies in the middle has many words for it
        return ""


def _outcome(given: Options) -> Commands:
    """Whether the reboot has brought what it was for; with ``--data all=yes`` it was for itself."""
    if not is_executing() or given.everything:
        return
    forget_observations()
    if why := jobs.needs_reboot(observe(Running)):
        yield fail(
            f"was rebooted, is restored, and still waits for a reboot: {why}. Another reboot would "
            "not help: look at what the boot loader starts"
        )


JOB = Job("reboot", _roll, _change, outcome=_outcome)

unfinished, managers, leader, workers = stages(JOB)
