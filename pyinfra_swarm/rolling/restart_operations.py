"""Restarts the engines, one node at a time, with the configuration that is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra_swarm.docker.daemon import daemon_json, same_configuration
from pyinfra_swarm.docker.facts import Installation
from pyinfra_swarm.docker.operations import write_daemon_json
from pyinfra_swarm.engine.api import RESTART
from pyinfra_swarm.rolling import jobs
from pyinfra_swarm.rolling.jobs import Options, Roll
from pyinfra_swarm.rolling.operations import Job, running
from pyinfra_swarm.rolling.stages import stages
from pyinfra_swarm.run.converge import Commands, observe, progress, script
from pyinfra_swarm.run.onhost import source

if TYPE_CHECKING:
    from pyinfra_swarm.nodes.membership import Observed
    from pyinfra_swarm.settings import Settings

EXPLAIN = source(__file__, "explain.sh")
"""Shell: ``explain`` says why the engine did not start, and fails."""


def _roll(settings: Settings, observed: Observed, given: Options, begun: float) -> Roll:
    return jobs.restart(settings, observed, running(settings), given, begun)


def _change(settings: Settings, given: Options) -> Commands:
    """The engine is restarted, and reads what is declared, also what waits for a drained node."""
    engine = observe(Installation)
    wanted = daemon_json(settings, engine.version or "0")
    if not same_configuration(engine.daemon_json, wanted):
        progress("writing daemon.json")
        yield write_daemon_json(wanted)
    progress("restarting Docker")
    yield script(f"{EXPLAIN}{RESTART} || explain", timeout=300)


JOB = Job("restart", _roll, _change)

unfinished, managers, leader, workers = stages(JOB)
