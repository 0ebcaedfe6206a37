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
import re
from collections.abc import Iterable, Sequence

from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.run.shell import function


class Sections(dict[str, list[str]]):
    """Section name to its lines, outer blank lines removed.

    odd: of files that could not be read, the section's name to what is wrong, in words.
    """

    def __init__(self) -> None:
        super().__init__()
        self.odd: dict[str, str] = {}


LIMIT = 1 << 16
"""Bytes of a file that are read; one that is larger is odd, whatever it holds."""

SECTION = program(__file__, "section.sh")
"""Shell: for a shell within the script that gets ``SECTION_MARK`` as an environment variable."""

_WORDS = 4000
"""Bytes of what a script says on standard error that are handed on."""


class NoAnswer(ValueError):
    """What came back is no observation; the text says why, and what to look at."""


class ScriptFailed(NoAnswer):
    """The script ended with an error, and all that it said of it has arrived.

    words: its standard error in one line; empty where it wrote nothing there.
    """

    def __init__(self, status: int, words: str) -> None:
        self.words = words
        said = words or "it did not say why"
        super().__init__(f"its script failed there (exit status {status}): {said}")


def asked(script: str) -> str:
    """A script as a host is asked it (POSIX shell), so that :func:`sections` can read the answer.

    It has the shell functions ``section NAME``, ``show NAME PATH`` for a section with what is in a
    file (nothing, and status 1, where there is none), ``begin NAME PATH`` for such a section that
    is read in another way, and ``odd NAME PATH WHAT`` for a file that cannot be read.

    The number in the marks is the kernel's, and never in an argument list, where the host's users
    could read it. Beside the script itself, this starts one process.
    """
    work = function("asked", script)
    limits = {"read_at_most": str(LIMIT + 1), "words_at_most": str(_WORDS)}
    return program(__file__, "answer.sh", using=[SECTION, work], **limits)


def sections(lines: Iterable[str], *, hidden: Sequence[str] = ()) -> Sections:
    """Take an answer apart. Raises :class:`NoAnswer` where it is not whole, or the script failed.

    hidden: secrets that the script could repeat in its error; ``…`` stands in their place.
    Bytes that are not UTF-8 become ``\\xNN``. What comes before the answer (a login script's words)
    is dropped; so is what the script prints before its first section.
    """
    answer, mark = _decoded(lines)
    content, said, last = answer.rpartition(b"\n#! %b\n" % mark)
    words, end, status = last.rpartition(b"\n#. %b " % mark)
    if not said or not end or not re.fullmatch(rb"[0-9]{1,3}\n", status):
        raise NoAnswer(_CUT.format(len(answer)))
    if int(status):
        shown = without(_text(words), hidden, cut=len(words) >= _WORDS)
        raise ScriptFailed(int(status), plain(" / ".join(shown.strip().split("\n"))))
    found = Sections()
    _, *parts = re.split(rb"\n#([>=-]) %b " % re.escape(mark), content)
    for kind, part in zip(parts[::2], parts[1::2], strict=True):
        name, _, body = part.partition(b"\n")
        _take(found, kind, _text(name), body)
    return found


def _take(found: Sections, kind: bytes, name: str, body: bytes) -> None:
    if kind == b"-":
        found.odd[name] = plain(_text(body).strip())
        return
    if name in found:
        raise NoAnswer(f"its answer has two sections {plain(name)!r}")
    if kind == b"=":
        path, _, body = body.partition(b"\n")
        if len(body) > LIMIT:
            found.odd[name] = f"{plain(_text(path))} is larger than {LIMIT >> 10} KiB"
    lines = _text(body).split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    while lines and not lines[0].strip():
        lines.pop(0)
    found[name] = lines


def without(words: str, hidden: Sequence[str], *, cut: bool = False) -> str:
    """The words with ``…`` in the place of each secret; as they came, before anybody shortens them.

    cut: there were more words, so they may end with the beginning of a secret.
    """
    secrets = sorted(filter(None, hidden), key=len, reverse=True)
    if cut:  # looked at first: another secret could lie within the beginning of this one
        begun = [secret[:end] for secret in secrets for end in range(1, len(secret) + 1)]
        if shown := max(filter(words.endswith, begun), key=len, default=""):
            words = f"{words.removesuffix(shown)}…"
    for secret in secrets:
        words = words.replace(secret, "…")
    return words


def _text(said: bytes) -> str:
    return said.decode(errors="backslashreplace")


_CUT = (
    "its answer was cut short after {} bytes: the connection broke, or a program on the host was "
    "killed. Look at the host's memory, disks and log (`sudo journalctl -e`), then run again"
)


def _decoded(lines: Iterable[str]) -> tuple[bytes, bytes]:
    """What was said, as far as it came, and its mark."""
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
    return content, mark.encode()


_NOT_OURS = (
    "its answer has other words in the middle. Something on the host writes into the output of "
    "every command: look at the files that its shell reads at a login"
)
