"""The shape that all facts share: one shell script, named sections of output, one typed value.

A script marks its sections with :data:`SECTION`; :func:`sections` takes the output apart again.
Scripts are POSIX shell without Python or other interpreters, since starting those is dear on a
small board, and always exit 0: what is absent is said, never an error.
"""

from __future__ import annotations

from typing import Generic, TypeVar, cast

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from cluster import lock

T = TypeVar("T")

_MARK = "#> "

SECTION = 'section() { printf "\\n%s%s\\n" "#> " "$1"; }\n' + lock.LOOK
"""Shell function: ``section NAME`` begins a section of the output.

Each fact says besides whether a run holds the cluster's lock: see :data:`runs_met`.
"""

runs_met: list[lock.Met] = []
"""What facts were told of the cluster's lock, first to last; also of this process's own."""


def sections(output: list[str]) -> dict[str, list[str]]:
    """Take marked output apart: section name to its lines, outer blank lines removed.

    Lines before the first mark are dropped; a section that appears twice is an error.
    """
    found: dict[str, list[str]] = {}
    current: list[str] | None = None
    for line in output:
        if line.startswith(_MARK):
            name = line[len(_MARK) :].strip()
            if name in found:
                raise ValueError(f"section {name!r} appears twice in the fact's output")
            current = found.setdefault(name, [])
        elif current is not None:
            current.append(line)
    for lines in found.values():
        while lines and not lines[-1].strip():
            lines.pop()
        while lines and not lines[0].strip():
            lines.pop(0)
    return found


class SubjectFact(FactBase[T], Generic[T]):
    """A fact whose parser is a pure function; ``None`` means that the fact could not be had.

    Subclasses give ``command`` and ``parse``. A parser's error fails this fact on this host only:
    pyinfra would end the whole run on any exception but ``FactProcessError``.
    """

    abstract = True

    @staticmethod
    def default() -> T:
        """No observation: the command failed, or printed nothing."""
        return cast(T, None)

    def parse(self, output: list[str]) -> T:
        """Turn the script's output into the fact's value."""
        raise NotImplementedError

    def process(self, output: list[str]) -> T:
        """Parse, with every parser's error turned into pyinfra's own."""
        try:
            if f"{_MARK}lock" in output:
                runs_met.extend(map(lock.met, sections(output)["lock"]))
            return self.parse(output)
        except Exception as error:
            raise FactProcessError(f"{type(error).__name__}: {error}") from error
