"""Which programs our scripts run on hosts, and with which options, as a shell reads them.

``uses()`` takes every program in ``onhost/*.sh``, and the command lines that stand in Python,
apart with a parser of the shell's language. What only the host knows (``$options``) is left out.
``programs.toml`` beside this file says which programs may be used, with which options, and how
each option is tried on the userlands that our users have.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.tools.shell_script import Script, Use, Word, parsed

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pyinfra_swarm"
TABLE = Path(__file__).with_name("programs.toml")

BUILTINS = frozenset(
    (
        *(".", ":", "[", "break", "cd", "command", "continue", "echo", "eval", "exec", "exit"),
        *("export", "false", "getopts", "hash", "kill", "local", "printf", "pwd", "read"),
        *("readonly", "return", "set", "shift", "test", "trap", "true", "type", "ulimit", "umask"),
        *("unset", "wait"),
    )
)
"""Words of the shells themselves, ``sh`` and ``bash``."""


@dataclass(frozen=True)
class Program:
    """What the table says of a program.

    options: as ``-a``, ``-n VALUE``, ``--long``, ``--long VALUE``, ``--long=`` for a value that has
    to be attached
    verbs: what its first operand may be, where that is a command of its own
    keywords: what its literal operands may be, where those are a language of its own
    then: operands before the command that it runs, if it runs one
    unseen: those of its options that a script puts together while it runs
    tries: commands that end with 0 wherever the program does what we want of it
    tried_by: which other tests run it, where a single command cannot
    why: what there is to know of it
    """

    package: str
    options: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    keywords: frozenset[str] = frozenset()
    then: int | None = None
    unseen: frozenset[str] = frozenset()
    tries: tuple[str, ...] = ()
    tried_by: str = ""
    why: str = ""

    @property
    def valued(self) -> Mapping[str, bool]:
        """Each option, and whether it takes a value."""
        return {
            each.split()[0].rstrip("="): " " in each or each[-1] == "=" for each in self.options
        }

    def attached(self, option: str) -> bool:
        """Whether the value of a long option has to be attached to it."""
        return f"{option}=" in self.options


@dataclass(frozen=True)
class Table:
    """The table.

    named: which program an expansion stands for, by its text
    """

    programs: Mapping[str, Program]
    named: Mapping[str, str]


def table() -> Table:
    """``programs.toml``."""
    found = tomllib.loads(TABLE.read_text())
    named = found.pop("named")
    return Table({name: _program(each) for name, each in found["program"].items()}, named)


def _program(found: Mapping[str, Any]) -> Program:
    sets = ("options", "verbs", "keywords", "unseen")
    fields: dict[str, Any] = {
        name: frozenset(value) if name in sets else value for name, value in found.items()
    }
    return Program(**{**fields, "tries": tuple(found.get("tries", ()))})


def scripts() -> dict[str, Script]:
    """Every file ``onhost/*.sh``, by its place in the package."""
    return {
        name: parsed(path.read_text(), name)
        for path in sorted(PACKAGE.glob("*/onhost/*.sh"))
        for name in [str(path.relative_to(ROOT))]
    }


def made_in_python() -> frozenset[str]:
    """The shell's functions that are written in Python, or made there out of scripts."""
    text = "".join(path.read_text() for path in sorted(PACKAGE.rglob("*.py")))
    found = re.findall(r'\bfunction\("(\w+)"|\b(\w+)\(\) ?\{', text)
    return frozenset(one or other for one, other in found)


def uses() -> list[Use]:
    """Every program that a script runs, once for each place; functions of ours are looked through.

    A function that hands on its arguments (``"$@"``) is what it hands them to.
    """
    found = scripts()
    functions: dict[str, list[Use]] = {}
    shifts: dict[str, int] = {}
    for script in found.values():
        functions |= script.functions
        shifts |= script.shifts
    known = table()
    ours = frozenset(functions) | made_in_python()
    every = [use for script in found.values() for use in script.uses]
    every += in_python(known)
    return [
        one
        for use in every
        for expanded in _handed_on(use, functions, shifts, 0)
        for one in _commands(expanded, known)
        if one.program not in {*BUILTINS, *ours, GIVEN, ""}
    ]


def _handed_on(
    use: Use, functions: Mapping[str, Sequence[Use]], shifts: Mapping[str, int], deep: int
) -> Iterator[Use]:
    yield use
    if use.program not in functions or deep > 5:
        return
    given = use.words[shifts[use.program] :]
    for inner in functions[use.program]:
        words: list[Word] = []
        for word in inner.words:
            number = int(word.variable) - 1 if word.variable.isdigit() else -1
            if word.every:
                words += given
            elif 0 <= number < len(use.words):
                words.append(use.words[number])
            else:
                words.append(word)
        first = re.fullmatch(r'"?\$(\d)"?', inner.program)
        name = inner.program
        if name == '"$@"' and given:
            name, words = given[0].text, [*given[1:], *inner.words]
        elif first and int(first[1]) <= len(use.words):
            name = use.words[int(first[1]) - 1].text
        if (name, tuple(words)) != (inner.program, inner.words):
            handed = Use(name, tuple(words), use.where)
            yield from _handed_on(handed, functions, shifts, deep + 1)


def _commands(use: Use, known: Table) -> Iterator[Use]:
    """A use, and those of the commands that it runs in turn."""
    name = known.named.get(use.program, use.program).rpartition("/")[2]
    use = replace(use, program=name)
    words = [word for word in use.words if not word.every]
    if name in ("trap", "eval") and words and words[0].text not in ("", "-"):
        yield from _inner(words[0].text, use.where, known)
        return
    if name == "exec" and words:
        yield from _commands(Use(words[0].text, tuple(words[1:]), use.where), known)
        return
    if name == "command":
        return
    yield use
    if name in ("sh", "bash"):
        options = [word.text for word in words]
        for number, option in enumerate(options):
            if re.fullmatch(r"-[a-z]*c", option) and number + 1 < len(words):
                if words[number + 1].whole:
                    yield from _inner(options[number + 1], use.where, known, bash=name == "bash")
                return
        return
    program = known.programs.get(name)
    if program is None or program.then is None:
        return
    _, rest = taken(program, use.words)
    rest = [word for word in rest if not (name == "env" and "=" in word.text)]
    command = rest[program.then :]
    if command:
        yield from _commands(Use(command[0].text, tuple(command[1:]), use.where), known)


def _inner(text: str, where: str, known: Table, *, bash: bool = False) -> Iterator[Use]:
    file, _, line = where.rpartition(":")
    for use in parsed(text, file, int(line), bash=bash).uses:
        yield from _commands(use, known)


def taken(program: Program, words: Sequence[Word]) -> tuple[list[str], list[Word]]:
    """The options among some words, as the table writes them without their values, and the rest."""
    valued = program.valued
    options: list[str] = []
    rest: list[Word] = []
    left = list(words)
    while left:
        word = left.pop(0)
        text = word.text
        if text == "--" and word.whole:
            options.append("--")
            rest += left
            break
        if not text.startswith("-") or text == "-":
            rest.append(word)
            if program.then is not None and len(rest) > program.then:
                rest += left
                break
            continue
        name, equals, _ = text.partition("=")
        if text.startswith("--") or name in valued:
            options.append(name)
            if valued.get(name) and not equals and not program.attached(name) and left:
                left.pop(0)
            continue
        letters = text[1:]
        for number, letter in enumerate(letters):
            options.append(f"-{letter}")
            if valued.get(f"-{letter}"):
                if number + 1 == len(letters) and word.whole and left:
                    left.pop(0)
                break
    return options, rest


def in_python(known: Table) -> list[Use]:
    """The command lines that stand in Python: texts that begin with a program and go on as one."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if not re.search(r"operations|programs|facts|apt|commands_on_hosts|units|plan", path.name):
            continue
        tree = ast.parse(path.read_text())
        prose = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        whole = {
            id(argument)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("script", "quietly")
            for argument in node.args
        }
        for node in ast.walk(tree):
            if id(node) in prose or not isinstance(node, ast.Constant | ast.JoinedStr):
                continue
            text = _constant(node)
            if id(node) in whole:
                found += parsed(text, str(path.relative_to(ROOT)), node.lineno).uses
                continue
            first = text.strip().split(" ")[0].rpartition("/")[2]
            program = known.programs.get(first)
            if program is None or not _is_command(text, program):
                continue
            where = f"{path.relative_to(ROOT)}"
            found += parsed(text, where, node.lineno).uses
    return found


def _constant(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    text = ""
    for value in node.values:
        if isinstance(value, ast.Constant):
            text += _constant(value)
        else:  # a whole script, where something follows at once
            text = text.removesuffix(GIVEN) + (":\n" if text.endswith(GIVEN) else "") + GIVEN
    return re.sub(rf"(?m)^{re.escape(GIVEN)}(?=[a-z])", ":\n", text)


GIVEN = "$given"
"""What stands for a value that Python puts into a command line."""


def _is_command(text: str, program: Program) -> bool:
    """Whether a text that begins with a program's name is a command, and not prose."""
    words = text.split()
    if len(words) < 2:
        return False
    return words[1].startswith(("-", "/", '"', "'", "$")) or words[1] in (
        program.verbs | program.keywords
    )


def wrong(use: Use, known: Table) -> list[str]:
    """What of a use the table does not have."""
    program = known.programs.get(use.program)
    if program is None:
        return [f"{use.where}: the program {use.program}"]
    options, rest = taken(program, use.words)
    found = [
        f"{use.where}: {use.program} {option}"
        for option in options
        if option != "--" and option not in program.valued
    ]
    operands = [word.text for word in rest if word.whole and word.text]
    if (
        program.verbs
        and rest
        and operands[:1] == [rest[0].text]
        and operands[0] not in program.verbs
    ):
        found.append(f"{use.where}: {use.program} {operands[0]}")
    if program.keywords:
        found += [
            f"{use.where}: {use.program} … {operand}"
            for operand in operands
            if re.fullmatch(r"[a-z][a-z-]*", operand) and operand not in program.keywords
        ]
    return found


def options_of(every: Iterable[Use], known: Table) -> dict[str, set[str]]:
    """Program to what is used of it: options, verbs and keywords."""
    found: dict[str, set[str]] = {}
    for use in every:
        program = known.programs.get(use.program)
        if program is None:
            continue
        options, rest = taken(program, use.words)
        its = found.setdefault(use.program, set())
        its |= set(options) - {"--"}
        operands = [word.text for word in rest if word.whole and word.text]
        its |= set(operands[:1]) & program.verbs
        its |= set(operands) & program.keywords
    return found


def of_a_try(text: str, known: Table) -> list[Use]:
    """The programs that a try runs."""
    return [
        one
        for use in parsed(text, "programs.toml").uses
        for one in _commands(use, known)
        if one.program not in BUILTINS
    ]
