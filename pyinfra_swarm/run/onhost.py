"""The programs that a room runs or installs on a host: files in its folder ``onhost/``.

A room says ``program(__file__, "demote.sh", node=…)`` for one that it runs, and
``source(__file__, "firewall.sh")`` for one that it installs. Each is a file of its own, so that
shellcheck reads it. What differs from run to run comes in as variables of the shell: the program
names them at its head, ``: "${node?}" "${address?}"``, and stops where one is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pyinfra_swarm.run.shell import with_values


def program(room: str, name: str, /, *, using: Sequence[str] = (), **values: str) -> str:
    """A program as a script to be run: its values, the functions that it uses, then its own text.

    room: the calling module's ``__file__``; name: the file's, in the folder ``onhost`` beside it.
    using: shell functions of other rooms, as text; values: variable name to value, each quoted.

    The comment at the file's head, which is for its reader, is left out. Raises ``ValueError`` for
    a value that no shell can hold (NUL).
    """
    return with_values("".join([*using, _without_head(source(room, name))]), **values)


@cache
def source(room: str, name: str, /) -> str:
    """A program's whole file, to be installed as it is. Arguments as in :func:`program`."""
    return (Path(room).with_name("onhost") / name).read_text(encoding="utf-8")


def _without_head(text: str) -> str:
    lines = text.splitlines(keepends=True)
    while lines and (lines[0].startswith("#") or not lines[0].strip()):
        del lines[0]
    return "".join(lines)
