"""Words from a host, made fit for a person: one line that can be printed, and shell words quoted.

A host that is not what it should be may call itself anything: escape sequences for the owner's
terminal, line ends that other programs split at, letters that turn the reading direction around,
``$(…)`` for whoever copies a command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

LIMIT = 2000
"""Letters of a text; what is longer is cut, and says so."""

WORD_LIMIT = 200
"""Letters of a word in a command, and of a name."""

_INDENT = 40
_CUT = " … (shortened)"

# Letters that count as printable and show nothing: joiners, fillers, variation selectors. And
# space of any width, which looks like a blank.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)
_ORDINARY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_BLANKS = re.compile(r"[\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")


def plain(text: object, limit: int = LIMIT) -> str:
    """The text as one line that shows all that is in it; at most ``limit`` letters.

    Line ends, tabs and wide blanks become one blank. Whatever else cannot be seen (control
    characters, marks of the reading direction, joiners of no width, other programs' line ends,
    bytes that were no UTF-8) becomes its number as Python writes it: ``\\x1b``, ``\\u202e``. So
    two texts that differ still do. A text that is plain already stays as it is.
    """
    said = str(text)
    if len(said) <= limit and said.isascii() and said.isprintable() and "  " not in said:
        return said
    said = visible(_BLANKS.sub(" ", said[: limit + 1]))
    if len(said) <= limit and len(str(text)) <= limit:
        return said
    return said[: limit - len(_CUT)].rstrip() + _CUT


def plain_lines(text: str) -> str:
    """The same for a text of several lines: its line ends stay, and blanks that begin a line."""
    return "\n".join(map(_line, text.split("\n")))


def _line(text: str) -> str:
    words = text.lstrip(" ")
    return " " * min(len(text) - len(words), _INDENT) + plain(words)


def plain_values(value: Any) -> Any:
    """The same for every text in a value as JSON has them: mappings, sequences, texts, numbers."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plain(key): plain_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(one) for one in value]
    return value


def visible(text: str) -> str:
    """The text with a number in the place of each letter that cannot be seen."""
    if text.isprintable() and not _UNSEEN.search(text):
        return text
    return "".join(map(_seen, text))


def _seen(letter: str) -> str:
    if letter.isprintable() and not _UNSEEN.match(letter):
        return letter
    number = ord(letter)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def quoted(word: object) -> str:
    """A word of a command that a person is to copy: the shell takes it as that word, or as nothing.

    The command stands between backticks in a sentence, so that none may be in it. A word that
    cannot be shown as it is no longer means what it did: then the command fails, and does no harm.
    """
    return shlex.quote(plain(word, WORD_LIMIT).replace("`", "?"))


def setting(text: object) -> str:
    """A value for ``cluster.toml``, in its quotes: it ends neither them nor a command."""
    return '"' + re.sub(r"[`\"\\]", "?", plain(text, WORD_LIMIT)) + '"'


def quoted_name(name: str, number: str) -> str:
    """What to call a node in a command: its name, or its id where the name is no ordinary one."""
    return quoted(name if _ORDINARY.fullmatch(name) else number)
