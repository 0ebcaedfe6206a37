"""Commands that a message offers to be copied: none runs what a host has called itself.

They stand between backticks, and whatever is put into one is quoted for a shell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.settings.paths import ROOT

FILES = [*(ROOT / "pyinfra_swarm").rglob("*.py")]

QUOTING = {"quoted", "quoted_name", "join"}
"""``join``: of ``shlex``."""

A_COMMAND = re.compile(
    r"\b(sudo|usermod|gpasswd|docker (node|swarm|system|service|network)|pyinfra |systemctl|"
    r"modprobe|apt(-get|-cache)? |grep -|journalctl|hostnamectl|rm -)|--(data|limit)\b"
)


def holes(text: ast.JoinedStr) -> Iterator[tuple[ast.expr, bool]]:
    """What is put into a text, and whether it is put between backticks."""
    inside = False
    for piece in text.values:
        if isinstance(piece, ast.FormattedValue):
            yield piece.value, inside
        elif isinstance(piece, ast.Constant) and str(piece.value).count("`") % 2:
            inside = not inside


def is_quoted(value: ast.expr) -> bool:
    """A call of what quotes, or one of our own constants."""
    if isinstance(value, ast.Call):
        called = value.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name == "join" and value.args and isinstance(value.args[0], ast.Call):
            # " ".join(map(quoted, …))
            return any(getattr(one, "id", "") == "quoted" for one in value.args[0].args)
        return name in QUOTING
    return isinstance(value, ast.Name) and value.id.isupper()


def texts(path: Path) -> Iterator[ast.JoinedStr]:
    return (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.JoinedStr))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_put_into_a_command_is_quoted(path: Path) -> None:
    raw = [
        f"line {value.lineno}: {{{ast.unparse(value)}}}"
        for text in texts(path)
        for value, inside in holes(text)
        if inside and not is_quoted(value)
    ]
    assert not raw, "put it in by pyinfra_swarm.run.printable.quoted"


def remedies(path: Path) -> Iterator[ast.expr]:
    """What findings say about what to do: by name, or third of what makes a refusal."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == "remedy")
            if getattr(node.func, "id", "") in ("_refused", "_refusal"):
                yield from node.args[1:]
        elif isinstance(node, ast.Assign | ast.AugAssign) and any(
            getattr(target, "id", "") == "remedy"
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        ):
            yield node.value


def test_a_command_with_something_in_it_stands_between_backticks() -> None:
    """Else the rule above would not see it."""
    bare = []
    for path in FILES:
        for remedy in remedies(path):
            for text in (n for n in ast.walk(remedy) if isinstance(n, ast.JoinedStr)):
                words = "".join(
                    str(p.value) if isinstance(p, ast.Constant) else "HOLE" for p in text.values
                )
                if A_COMMAND.search(re.sub(r"`[^`]*`", "", words)) and "HOLE" in words:
                    bare.append(f"{path.relative_to(ROOT)}:{text.lineno}: {words}")
    assert not bare
