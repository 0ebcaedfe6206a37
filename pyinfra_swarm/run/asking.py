"""A question at the terminal, while everything else goes on: connections, and the lock."""

from __future__ import annotations

import sys

import click
import gevent
from gevent.select import select

from pyinfra_swarm.run import interruption
from pyinfra_swarm.run.printable import plain_lines
from pyinfra_swarm.run.pyinfra_internals import still_spinner


def can_ask() -> bool:
    """Whether somebody is there to ask."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def typed(question: str) -> str | None:
    """The line that is typed after a question, with its end; None where the run is interrupted.

    Without an end where the input is over (Ctrl-D).
    """
    with still_spinner() as pause:
        gevent.sleep(2 * pause)
        line = ""
        try:
            click.echo(f"{plain_lines(question)} ", nl=False, err=True)
            while not select([sys.stdin], [], [], 0.2)[0]:
                if interruption.interrupted():
                    return None
            line = sys.stdin.readline()
            return line
        finally:
            if not line.endswith("\n"):
                click.echo(err=True)


def is_yes(line: str | None) -> bool:
    """Whether a line says yes to a question to which Enter alone is a yes."""
    if line is None or not line.endswith("\n"):
        return False
    return line.strip().lower() in ("", "y", "yes")
