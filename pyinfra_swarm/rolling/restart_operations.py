"""Restarts the engines, one node at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import RESTART
from pyinfra_swarm.rolling import jobs
from pyinfra_swarm.rolling.jobs import Options, Roll
from pyinfra_swarm.rolling.operations import Job, running
from pyinfra_swarm.rolling.stages import stages
from pyinfra_swarm.run.converge import Commands, progress, script
from pyinfra_swarm.run.onhost import source

if TYPE_CHECKING:
    from pyinfra_swarm.nodes.membership import Observed
    from pyinfra_swarm.settings import Settings

EXPLAIN = source(__file__, "explain.sh")
"""Shell: ``explain`` says why the engine did not start, and fails."""


def _roll(settings: Settings, observed: Observed, given: Options, begun: float) -> Roll:
    return jobs.restart(settings, observed, running(settings), given, begun)


def _change(settings: Settings, given: Options) -> Commands:
    progress("restarting Docker")
    yield script(f"{EXPLAIN}{RESTART} || explain", timeout=300)


JOB = Job("restart", _roll, _change)

unfinished, managers, leader, workers = stages(JOB)
