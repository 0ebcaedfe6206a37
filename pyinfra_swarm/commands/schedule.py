"""``pyinfra-swarm schedule``: a systemd timer for the drift check."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyinfra_swarm.commands import drift
from pyinfra_swarm.commands.group import Passed


def _run(words: Sequence[str]) -> int:
    return drift.run(["schedule", *words])


def _parser() -> argparse.ArgumentParser:
    from pyinfra_swarm.drift.cli import schedule_parser

    return schedule_parser()


command = Passed(
    "schedule",
    run=_run,
    parser=_parser,
    short_help="check for drift at regular times, by a systemd timer",
)
