"""``pyinfra-swarm drift``: what differs from what is declared. Its words: :mod:`drift.cli`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyinfra_swarm.commands.group import Passed


def run(words: Sequence[str]) -> int:
    """Check, or put the check on a schedule; the exit code."""
    from pyinfra_swarm.drift.cli import main

    return main(words, own=True)


def _parser() -> argparse.ArgumentParser:
    from pyinfra_swarm.drift.cli import parser

    return parser()


command = Passed(
    "drift",
    run=run,
    parser=_parser,
    words=("schedule",),
    short_help="report what differs from what is declared; changes nothing",
)
