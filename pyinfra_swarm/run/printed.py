"""What pyinfra itself prints of a host's words: made visible, so that none moves the cursor.

pyinfra logs the output of a command that failed, and with ``-v`` of every command, as it came.
"""

from __future__ import annotations

import logging
import re
from typing import Any

import click
from pyinfra import logger

from pyinfra_swarm.run.printable import visible
from pyinfra_swarm.run.pyinfra_internals import print_by

_COLOUR = re.compile(r"(\x1b\[(?:0|1|3[1-6])m)")
"""The colours that pyinfra and this project use; none that hides text."""


def fit(text: str) -> str:
    """A text for the terminal: its lines, blanks and colours stay, whatever else is not seen is
    shown as a number."""
    if text.isprintable():
        return visible(text)
    return "\n".join(
        "".join(
            piece if _COLOUR.fullmatch(piece) else visible(re.sub(r"[\t\r\xa0]", " ", piece))
            for piece in _COLOUR.split(line)
        )
        for line in text.replace("\r\n", "\n").split("\n")
    )


class _Fit(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str):
            record.msg, record.args = fit(record.getMessage()), ()
        return True


def _echo(message: Any = None, **kwargs: Any) -> None:
    click.echo(fit(message) if isinstance(message, str) else message, **kwargs)


def install() -> None:
    """From now on, for all that pyinfra logs and prints."""
    if not any(isinstance(one, _Fit) for one in logger.filters):
        logger.addFilter(_Fit())
    print_by(_echo)
