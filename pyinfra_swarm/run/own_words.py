"""The words of this run's command line, as they can be shown again: without passwords."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence

HIDDEN = "…"

_OPTION = re.compile(r"(--[a-z-]*password)(=.*)?", re.DOTALL)
_DATA = re.compile(r"(--data=)?(\w*pass\w*=|\w+(?:secret|token)\w*=).+", re.DOTALL | re.ASCII)
_FLAGS = ("--same-sudo-password", "--use-sudo-password")
"""Options of pyinfra's that are called so and take no word."""


def shown(words: Sequence[str] | None = None) -> list[str]:
    """The words, with :data:`HIDDEN` in the place of each password.

    words: this run's, without the program, where none are given. They are typed again by a person,
    who knows what stood there; logs and screens do not have to.
    """
    found: list[str] = []
    hide = False
    for word in sys.argv[1:] if words is None else words:
        if hide:
            found.append(HIDDEN)
            hide = False
        elif (option := _OPTION.fullmatch(word)) and option[1] not in _FLAGS:
            hide = option[2] is None
            found.append(word if hide else f"{option[1]}={HIDDEN}")
        elif data := _DATA.fullmatch(word):
            found.append(f"{data[1] or ''}{data[2]}{HIDDEN}")
        else:
            found.append(word)
    return found


TYPED = "PYINFRA_SWARM_TYPED"
"""The variable by which a command of our own, which becomes pyinfra, hands on what was typed."""


def handed_on(words: Sequence[str]) -> dict[str, str]:
    """The variable for what was typed after ``pyinfra-swarm``: as it can be shown again."""
    return {TYPED: json.dumps(shown(words))}


def command(*more: str) -> str:
    """This run's command, to be typed again, in the language in which it was typed.

    more: words that both languages know, before pyinfra's others.
    """
    if TYPED not in os.environ:
        return shlex.join(["pyinfra", *more, *shown()])
    typed: list[str] = json.loads(os.environ[TYPED])
    end = typed.index("--") if "--" in typed else len(typed)
    return shlex.join(["pyinfra-swarm", *typed[:end], *more, *typed[end:]])


_DEPLOYED = re.compile(
    r"pyinfra(?P<yes> -y)? inventory\.py deploys/(?P<deploy>\w+)\.py(?! deploys/)(?P<dry> --dry\b)?"
)
_FACT = re.compile(r"pyinfra inventory\.py fact facts\.(?=\w)")


def as_typed(text: str) -> str:
    """A text for the person who started this run: commands in it are in the language they typed."""
    return in_own_words(text) if TYPED in os.environ else text


def in_own_words(text: str) -> str:
    """A text whose commands are those of ``pyinfra-swarm`` in the place of pyinfra's."""
    if "pyinfra" not in text:
        return text
    return _FACT.sub("pyinfra-swarm fact ", _DEPLOYED.sub(_applied, text))


def _applied(found: re.Match[str]) -> str:
    words = ["pyinfra-swarm", "plan" if found["dry"] else "apply"]
    words += ["-y"] if found["yes"] else []
    words += [found["deploy"]] if found["deploy"] != "site" else []
    return " ".join(words)
