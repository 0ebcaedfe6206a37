"""A script of the shell taken apart: which programs it runs, with which words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Word:
    """An argument as far as it stands in the script.

    text: its beginning, without quotes
    whole: whether that is all of it
    variable: the variable that it is, if it is nothing else; ``@`` for ``"$@"``
    """

    text: str
    whole: bool = True
    variable: str = ""

    @property
    def every(self) -> bool:
        return self.variable == "@"


@dataclass(frozen=True)
class Use:
    """A program that is run.

    program: its name, or the text of the expansion that has its name
    where: file and line
    """

    program: str
    words: tuple[Word, ...]
    where: str


@dataclass
class Script:
    """A script taken apart: what it runs, its functions, and variables with a text known here."""

    uses: list[Use] = field(default_factory=list)
    functions: dict[str, list[Use]] = field(default_factory=dict)
    shifts: dict[str, int] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


def parsed(text: str, where: str, first_line: int = 1, *, bash: bool = False) -> Script:
    """Take a script apart. Raises ``ValueError`` where it is not understood."""
    dialect = "bash" if bash or text.startswith("#!/bin/bash") else "posix"
    done = subprocess.run(
        [Path(sys.executable).with_name("shfmt"), "-ln", dialect, "--to-json"],
        input=text,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        found = re.match(r"(?:<standard input>:)?(\d+):\d+: (.*)", done.stderr)
        line, why = (int(found[1]), found[2]) if found else (1, done.stderr)
        raise ValueError(f"{where}:{first_line + line - 1} is not understood: {why}")
    script = Script()
    _walk(json.loads(done.stdout), script, None, text.encode(), where, first_line)
    return script


def _walk(
    node: Any, script: Script, function: str | None, source: bytes, where: str, first_line: int
) -> None:
    if isinstance(node, list):
        for child in node:
            _walk(child, script, function, source, where, first_line)
        return
    if not isinstance(node, dict):
        return
    if node.get("Type") == "FuncDecl":
        function = node["Name"]["Value"]
        script.functions.setdefault(function, [])
        script.shifts.setdefault(function, 0)
    elif node.get("Type") == "CallExpr" and node.get("Args"):
        name, *words = _known(
            [_word(one.get("Parts", [])) for one in node["Args"]], script.variables
        )
        first = node["Args"][0]
        shown = source[first["Pos"]["Offset"] : first["End"]["Offset"]].decode()
        line = first_line + node["Pos"]["Line"] - 1
        use = Use(name.text if name.whole else shown, tuple(words), f"{where}:{line}")
        if use.program == "shift" and function:
            number = words[0].text if words else "1"
            script.shifts[function] += int(number) if number.isdigit() else 0
        script.uses.append(use)
        if function:
            script.functions[function].append(use)
    elif "Value" in node and isinstance(node.get("Name"), dict):  # an assignment
        value = _word(node["Value"].get("Parts", []))
        if value.whole:
            script.variables[node["Name"]["Value"]] = value.text
    for child in node.values():
        _walk(child, script, function, source, where, first_line)


def _known(words: Sequence[Word], variables: Mapping[str, str]) -> list[Word]:
    """The words, with the texts of variables that were given options or a script before."""
    found: list[Word] = []
    for word in words:
        text = variables.get(word.variable, "")
        if text.startswith("-"):
            found += map(Word, text.split())
        elif "\n" in text:
            found.append(Word(text))
        else:
            found.append(word)
    return found


def _word(parts: Sequence[dict[str, Any]], *, quoted: bool = False) -> Word:
    """An argument's literal beginning."""
    begun = ""
    for part in parts:
        match part["Type"]:
            case "Lit":
                escapes = r'\\(["$`\\])' if quoted else r"\\(.)"
                text = part["Value"].replace("\\\n", "")
                begun += re.sub(escapes, r"\1", text, flags=re.DOTALL)
            case "SglQuoted":
                begun += part.get("Value", "")
            case "DblQuoted":
                inner = _word(part.get("Parts", []), quoted=True)
                if not inner.whole:
                    alone = inner.variable if len(parts) == 1 else ""
                    return Word(begun + inner.text, whole=False, variable=alone)
                begun += inner.text
            case _:
                plain = part["Type"] == "ParamExp" and not {"Exp", "Repl", "Slice"} & set(part)
                alone = part["Param"]["Value"] if plain and len(parts) == 1 else ""
                return Word(begun, whole=False, variable=alone)
    return Word(begun)
