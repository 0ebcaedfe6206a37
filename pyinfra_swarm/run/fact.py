"""The shape that all facts share: one shell script, named sections of output, one typed value.

Scripts are POSIX shell without Python or other interpreters, since starting those is dear on a
small board, and end with status 0: what is absent is said, never an error. ``section NAME`` begins
a section of what a script prints, ``show NAME PATH`` one with what is in a file;
:mod:`run.answer` says how an answer is known to be whole.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from pyinfra import logger
from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.run import lock_state as lock
from pyinfra_swarm.run.answer import NoAnswer, Sections, asked, sections
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.printable import plain, plain_lines

T = TypeVar("T")


@dataclass
class Beside:
    """What is to be known of an answer beside the fact's value.

    met: a run that holds the cluster's lock there, as the host says; the reader decides whether to
    believe it. problem: why the answer is none, in words; "" where it is one.
    """

    met: lock.Met | None = None
    problem: str = ""


beside: ContextVar[Beside | None] = ContextVar("beside", default=None)
"""Set by the caller that wants to know it of the fact that is asked next."""


class SubjectFact(FactBase[T], Generic[T]):
    """A fact whose parser is a pure function; ``None`` means that the fact could not be had.

    Subclasses give ``script`` (its arguments are the fact's) and ``parse``. An answer that is not
    whole, and a parser's error, fail this fact on this host only: pyinfra would end the whole run
    on any exception but ``FactProcessError``.
    """

    abstract = True

    tolerates: frozenset[str] = frozenset()
    """First words of sections that may be odd: the parser looks at ``said.odd`` for them. Any other
    odd file leaves the subject unknown."""

    unprinted: bool = False
    """Its answer may hold secrets, such as a service's environment, so that nothing of it is shown:
    not with ``--debug``, nor, where an operation asks, with ``-vvv``. A person who asks for the
    fact itself with ``-vvv`` has it printed by pyinfra, as it came."""

    script: Callable[..., str]
    command: Callable[..., str]

    def __init_subclass__(cls) -> None:
        if "script" in cls.__dict__:
            cls.command = asking(cls.script)
        super().__init_subclass__()

    @staticmethod
    def default() -> T:
        """No observation: the command failed, or printed nothing."""
        return cast(T, None)

    def parse(self, said: Sections) -> T:
        """Turn what the script has said into the fact's value."""
        raise NotImplementedError

    def process(self, output: list[str]) -> T:
        """Parse, with every error turned into pyinfra's own."""
        here = beside.get() or Beside()
        try:
            said = sections(output)
            if not self.unprinted:
                _show(self.name, said)
            if told := said.pop("lock", None):
                here.met = lock.met(told[0])
            odd = [what for name, what in said.odd.items() if name.split()[0] not in self.tolerates]
            if odd:
                raise NoAnswer(_ODD.format(what=" and ".join(odd)))
            return self.parse(said)
        except Exception as error:
            here.problem = _words(error)
            raise FactProcessError(here.problem) from None  # pyinfra would print the error itself


_ODD = (
    "{what}, so its content is not known, and nothing is guessed. Look at it on the host (`ls -ld`)"
    ", and put a plain file in its place, or move it away"
)


def _words(error: Exception) -> str:
    if isinstance(error, NoAnswer):
        return str(error)
    words = plain(f"{type(error).__name__}: {error}", _LONGEST)
    return f"its answer is not understood ({words})"


_LONGEST = 300


def _show(name: str, said: Sections) -> None:
    """What a host has said, readable, with ``--debug``: pyinfra itself shows it encoded."""
    if logger.isEnabledFor(logging.DEBUG):
        for section, lines in said.items():
            logger.debug(plain_lines("\n".join([f"{name}: {section}", *lines])))


def plain_files(*paths: str) -> str:
    """Shell: what the script reads by itself are files of at most 1 MiB; anything else in their
    place is reported, and all else is left unasked."""
    return f"{_PLAIN_FILES}plain_files {' '.join(paths)}\n"


_PLAIN_FILES = program(__file__, "plain_files.sh")


def user_names(users: str) -> str:
    """A fact's argument as a script takes it: names with commas between, then with blanks.

    Raises ``ValueError`` for what could be more than names to a shell.
    """
    names = " ".join(name for name in users.split(",") if name)
    if not all(c.isalnum() or c in "._- " for c in names):
        raise ValueError(f"not a list of user names: {users!r}")
    return names


def asking(script: Callable[..., str]) -> Callable[..., str]:
    """A fact's command, made of its script. Raises whatever the script raises."""

    def command(self: Any, *args: Any, **kwargs: Any) -> str:
        return asked(lock.LOOK + script(self, *args, **kwargs))

    command.__signature__ = inspect.signature(script)  # type: ignore[attr-defined]
    return command
