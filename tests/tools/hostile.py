"""What a host that is not what it should be may say of itself: one strategy for all tests.

Run it through every place where a host's words reach a record, a terminal, a page, a mail, a
metric, a script, a file name or a command to copy. :func:`texts` gives the words; the checks below
say what must be true of a place that has taken them.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import unicodedata
from collections.abc import Callable
from typing import Any

from hypothesis import example
from hypothesis import strategies as st

CANARY = "owned-by-a-host"
"""What a hostile text would have a shell make, or a page show, if it were not a mere text there."""

KNOWN = (
    "",
    " ",
    "\n",
    "\x00",
    "\x1b]0;owned\x07\x1b[2J\x1b[1;1HCluster in sync",
    "\x9b2J",
    "evil\u2028",
    "evil\u2029rk1",
    "a\x85b",
    "a\vb\fc\x1cd\x1de\x1ef",
    "\u202egnp.exe",
    "\u2066rk1\u2069\u200f\u061c",
    "rk1\u200b",
    "\ufeffrk1",
    "rk1\ufe0f\u3164\u2800",
    b"rk\xff\xfe".decode("utf-8", "surrogateescape"),
    "\ud800",
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"x`; touch {CANARY}; `y",
    f";touch {CANARY};#",
    f"x' ; touch {CANARY} ; '",
    f'x" ; touch {CANARY} ; "',
    f"x\ntouch {CANARY}\n",
    f"|| touch {CANARY}",
    f"END-OF-FILE\ntouch {CANARY}\n",
    "${IFS}",
    "\\",
    "--force",
    "-rf",
    "-oProxyCommand=sh",
    "../../../etc/passwd",
    "/",
    "*",
    "~root",
    "!!",
    "%s%n{0}{{x}}",
    f'<a href="https://{CANARY}.example/login">log in</a>',
    f"<script>{CANARY}</script>",
    f"<img src=x onerror={CANARY}>",
    f"&lt;b&gt;{CANARY}",
    f"[log in](https://{CANARY}.example)",
    f"![x](https://{CANARY}.example)",
    "**bold** _it_ # heading\n- item",
    "@everyone <!channel>",
    "#> lock",
    '\n#> lock\nbusy 1 {"user": "x"}\n',
    'busy 3 {"user":"a","computer":"b","process":1,"deploys":"","run":"c"}',
    '{"kind": "looked"}',
    '"} 1\nswarm_drift_differences{cluster="',
    "#{swarm}",
    "A" * 100_000,
    "\u2028" * 5_000,
)
"""One of each kind that has hurt somebody."""

_PIECES = ("\n", "\r", "\t", "\x00", "\x1b[2J", "\x85", "\u2028", "\u2029", "\u202e", "\u200b")


def texts() -> st.SearchStrategy[str]:
    """Hostile texts: the known ones, pieces of them joined, and anything else, surrogates too."""
    anything = st.text(st.characters(), max_size=30)
    odd = st.lists(st.sampled_from([*_PIECES, *KNOWN[:-2]]) | anything, max_size=4).map("".join)
    from_bytes = st.binary(max_size=30).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
    return st.sampled_from(KNOWN) | odd | from_bytes


def words() -> st.SearchStrategy[str]:
    """The same, not empty: for names that a host must have."""
    return texts().filter(bool)


def each_of(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Have a test tried with all known texts that hold one of these, whatever else is drawn."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        for text in KNOWN:
            if any(name in text for name in names):
                test = example(text)(test)
        return test

    return decorate


def is_plain(text: str) -> bool:
    """Whether a text is one line that shows all that is in it, and can be written as UTF-8."""
    return not any(
        unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        for letter in text
    )


def assert_plain(value: Any) -> None:
    """Every text in a value of mappings, sequences and texts is plain."""
    if isinstance(value, str):
        assert is_plain(value), f"not fit for a terminal: {value[:200]!a}"
        value.encode("utf-8")
    elif isinstance(value, dict):
        for key, one in value.items():
            assert_plain(key)
            assert_plain(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            assert_plain(one)


def commands(text: str) -> list[str]:
    """The commands that a sentence holds: what stands between backticks."""
    return re.findall(r"`([^`]*)`", text)


def runs_as_one_word(word: str) -> bool:
    """Whether a real shell takes a quoted word as one word, and runs nothing of it."""
    done = subprocess.run(
        ["sh", "-c", f"set -- {word}; [ $# = 1 ]"], capture_output=True, timeout=10, check=False
    )
    return done.returncode == 0 and not done.stderr


def unquoted(command: str) -> str:
    """A command without what a shell takes literally; raises ``ValueError`` where quotes are open.

    What is left has to be our own words.
    """
    shlex.split(command)
    return re.sub(r"'[^']*'|\"'\"", "", command)
