"""What pyinfra itself prints of a host's words: made visible, so that none moves the cursor.

pyinfra logs the output of a command that failed, and with ``-v`` of every command, as it came.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import click
from pyinfra import logger

from pyinfra_swarm.run import own_words
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


_PLACE = re.compile(r"(error) in (\S+\.py) line \d+(?=\x1b|:)")
"""Where in a source file an error was raised, as pyinfra says it in front of its message."""

_PACKAGE = str(Path(__file__).resolve().parents[1])
_NO_KNOWN_HOSTS = re.compile(r"Failed to load host keys from \S+: \[Errno 2\]")
"""As with every new computer: pyinfra makes the file when it takes the first key."""


def without_our_places(text: str) -> str:
    """pyinfra's message without the line of ours that raised it, which tells its reader nothing."""
    return _PLACE.sub(lambda found: found[1] if found[2].startswith(_PACKAGE) else found[0], text)


_CONNECTING = re.compile(r"(?:SSH error|Could not (?:connect|resolve hostname)) \(")
_NUMBER = re.compile(r"(?P<after>\w)?\[Errno (?:None|-?\d+)\] ?")
"""An error's number, as Python puts it before the words; ``None`` where paramiko made it up."""


def without_numbers(text: str) -> str:
    """pyinfra's word of a host that was not reached, without numbers of errors."""
    if not _CONNECTING.search(text):
        return text
    return _NUMBER.sub(lambda found: f"{found['after']}: " if found["after"] else "", text)


class _Fit(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, str):
            said = without_numbers(without_our_places(fit(record.getMessage())))
            record.msg, record.args = own_words.as_typed(said), ()
            return _NO_KNOWN_HOSTS.search(record.msg) is None
        return True


def _echo(message: Any = None, **kwargs: Any) -> None:
    click.echo(fit(message) if isinstance(message, str) else message, **kwargs)


def install() -> None:
    """From now on, for all that pyinfra logs and prints."""
    if not any(isinstance(one, _Fit) for one in logger.filters):
        logger.addFilter(_Fit())
    print_by(_echo)
