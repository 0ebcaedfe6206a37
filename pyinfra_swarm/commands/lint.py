"""``pyinfra-swarm lint``: what is wrong with stack files. Its words: :mod:`stacks.lint.cli`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyinfra_swarm.commands.group import Passed


def _run(words: Sequence[str]) -> int:
    from pyinfra_swarm.stacks.lint.cli import main

    return main(words)


def _parser() -> argparse.ArgumentParser:
    from pyinfra_swarm.stacks.lint.cli import parser

    return parser()


command = Passed(
    "lint",
    run=_run,
    parser=_parser,
    short_help="say what is wrong with stack files before a deploy",
)
