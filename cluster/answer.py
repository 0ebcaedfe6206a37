"""A host's answer to a script: whole, or it is no answer.

A script prints under the names of sections (``section NAME``, a shell function). What it prints may
hold anything: other people's files, an engine's words. So each section begins with a mark that has
a random number of this one answer in it, which no file can know; the answer ends with a mark of
its own; and all of it leaves the host encoded, since pyinfra's reader ends at the first byte that
is not UTF-8, without an error. An answer without its last mark was cut, wherever that happened.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

Sections = dict[str, list[str]]
"""Section name to its lines, outer blank lines removed."""

SECTION = """section() { printf '\\n#> %s %s\\n' "$mark" "$1"; }\n"""
"""Shell: for a shell within the script that gets ``mark`` as an environment variable."""

_WORDS = 4000
"""Bytes of what a script says on standard error that are handed on."""


class NoAnswer(ValueError):
    """What came back is no observation; the text says why, and what to look at."""


def asked(script: str) -> str:
    """A script as a host is asked it (POSIX shell), so that :func:`sections` can read the answer.

    The number is the kernel's and never in an argument list, where the host's users could read it.
    Beside the script itself, this starts one process.
    """
    return f"""\
read -r mark < /proc/sys/kernel/random/uuid || exit
{SECTION}printf '\\n#> %s\\n' "$mark"
{{ words=$( {{
{script}
}} 2>&1 >&3 3>&- )
printf '\\n#! %s\\n%.{_WORDS}s\\n#. %s %s\\n' "$mark" "$words" "$mark" $?
}} 3>&1 | base64 -w 8000
"""


def sections(lines: Iterable[str]) -> Sections:
    """Take an answer apart. Raises :class:`NoAnswer` where it is not whole, or the script failed.

    Bytes that are not UTF-8 become ``\\xNN``. What comes before the answer (a login script's words)
    is dropped; so is what the script prints before its first section.
    """
    text, mark = _decoded(lines)
    content, said, last = text.rpartition(f"\n#! {mark}\n")
    words, end, status = last.rpartition(f"\n#. {mark} ")
    if not said or not end or not status.endswith("\n") or not status[:-1].isdigit():
        raise NoAnswer(_CUT.format(len(text)))
    if int(status):
        told = " / ".join(printable(words).split("\n")).strip() or "it did not say why"
        raise NoAnswer(f"the question failed there (exit status {int(status)}): {told}")
    found: Sections = {}
    for part in content.split(f"\n#> {mark} ")[1:]:
        name, *own = part.split("\n")
        if name in found:
            raise NoAnswer(f"its answer has two sections {printable(name)!r}")
        while own and not own[-1].strip():
            own.pop()
        while own and not own[0].strip():
            own.pop(0)
        found[name] = own
    return found


_CUT = (
    "its answer was cut short after {} bytes: the connection or the program there ended in the "
    "middle. Look at the host's memory, its disks and its log (journalctl -e), then ask again"
)


def _decoded(lines: Iterable[str]) -> tuple[str, str]:
    """The text, as far as it came, and its mark."""
    mark, encoded = "", ""
    for line in lines:
        if mark:
            encoded += line.strip()
        elif line.startswith("#> "):
            mark = line[3:].strip()
    try:
        content = base64.b64decode(encoded[: len(encoded) // 4 * 4], validate=True)
    except binascii.Error:
        raise NoAnswer(_NOT_OURS) from None
    if not mark:
        raise NoAnswer(_CUT.format(0))
    return content.decode(errors="backslashreplace"), mark


_NOT_OURS = (
    "its answer has other words in the middle. Something on the host writes into what commands "
    "print: look at the files that its shell reads at a login"
)


def printable(text: str) -> str:
    """Text of a host for a terminal: lines stay, everything else that is no letter is escaped."""
    return "\n".join(
        "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode()
            for letter in line
        )
        for line in text.split("\n")
    )
