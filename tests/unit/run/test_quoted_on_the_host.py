"""What hosts say goes into scripts as values, never as text: run for real, and read in source."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pyinfra_swarm.backup import force_new_cluster_operations as force
from pyinfra_swarm.backup import save_operations as backup
from pyinfra_swarm.nodes.programs import REMOVE_NODE, UPDATE_NODE, updated
from pyinfra_swarm.removal import operations as removal
from pyinfra_swarm.run.shell import with_values
from pyinfra_swarm.services import programs as services
from pyinfra_swarm.settings.paths import ROOT
from pyinfra_swarm.swarm.join_operations import attach_again, clear_dead_entry
from pyinfra_swarm.swarm.roles_operations import demotion, promote
from tests.builders import node
from tests.tools.hostile import CANARY, KNOWN
from tests.unit.run.test_refused_on_this_side import CHOICE

HOSTILE = [
    text for text in KNOWN if "touch " in text or text in ("\n", "\\", "${IFS}", "*", "~root")
]

QUICK = """\
#!/bin/sh
for argument; do printf '%s\\037' "$argument"; done >> "$HERE/said"
printf '\036' >> "$HERE/said"
case ${0##*/} in curl) printf '{"Index":1,"Spec":{}}\\n500' ;; sleep) ;; *) exit 1 ;; esac
"""
"""Every program of a host: it notes its arguments, and nothing goes well."""

PROGRAMS = ("docker", "curl", "systemctl", "sleep", "tar", "timeout", "date", "ip")


def run(here: Path, script: str) -> list[list[str]]:
    """Run a script on a host where every program only notes its arguments, and all time is up.

    Gives these arguments, program by program.
    """
    (here / "bin").mkdir(exist_ok=True)
    for name in PROGRAMS:
        (here / "bin" / name).write_text(QUICK)
        (here / "bin" / name).chmod(0o755)
    (here / "bin/date").write_text(
        '#!/bin/sh\ncat "$HERE/clock"; echo 9999999999 > "$HERE/clock"\n'
    )
    (here / "clock").write_text("0\n")
    (here / "said").write_text("")
    for folder in ("run", "var/lib/docker/swarm"):
        (here / folder).mkdir(parents=True, exist_ok=True)
    (here / "var/lib/docker/swarm/docker-state.json").write_text("{}")
    for place in ("/run/", "/var/lib/docker"):
        script = script.replace(place, f"{here}{place}")
    subprocess.run(
        ["sh", "-c", f"set -eu\n{script}"],
        cwd=here,
        env={"PATH": f"{here}/bin:{os.environ['PATH']}", "HERE": str(here)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    said = (here / "said").read_text().split("\037\036")
    return [call.split("\037") for call in said if call]


def _removing(manager: bool) -> Callable[[str], str]:
    entry = node(1) if manager else node(1, "worker")
    return lambda id: clear_dead_entry(replace(entry, id=id))


SCRIPTS: dict[str, Callable[[str], str]] = {
    "docker node update": lambda id: updated(id, ["--availability", "drain"]),
    "a label taken off": lambda id: updated(id, ["--label-rm", id]),
    "update_node": lambda id: with_values(f'{UPDATE_NODE}update_node "$node"', node=id),
    "promote": promote,
    "demote": lambda id: demotion(id, itself=False),
    "attach again": lambda id: attach_again(id, id),
    "a dead worker": _removing(manager=False),
    "a dead manager": _removing(manager=True),
    "remove its entry": lambda id: with_values(f'{REMOVE_NODE}remove_node "$node"', node=id),
    "its tasks": lambda id: removal.wait_until_empty(id, 300),
    "it is down": lambda id: removal.wait_until_down(id, id, 120),
    "backup": lambda id: backup.save_script(
        replace(CHOICE, drains=True, node=replace(CHOICE.node, id=id, availability=id))
    ),
    "ghosts": lambda id: force.clear_script(id, id),
    "a service": lambda id: services.awaiting_news(id, id, 0),
    "its update": lambda id: services.updating(id, 1, roll_back=True),
    "its task": lambda id: services.explaining(id, id, 5),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_a_host_says_is_a_value_in_every_script(tmp_path: Path, name: str) -> None:
    for text in HOSTILE:
        run(tmp_path, SCRIPTS[name](text))
        assert not list(tmp_path.glob(f"**/{CANARY}")), text


@pytest.mark.parametrize("name", ["docker node update", "its tasks", "a dead worker"])
def test_a_program_gets_it_as_one_argument(tmp_path: Path, name: str) -> None:
    for text in [text for text in HOSTILE if text]:
        [first, *_] = run(tmp_path, SCRIPTS[name](text))
        assert text in first


@pytest.mark.parametrize("name", ["promote", "demote", "update_node"])
def test_the_engine_is_asked_for_all_of_it_and_told_nothing_else(tmp_path: Path, name: str) -> None:
    for text in [text for text in HOSTILE if text]:
        first, *_ = run(tmp_path, SCRIPTS[name](text))
        assert first[-1] == text


def test_no_shell_could_hold_a_nul() -> None:
    with pytest.raises(ValueError, match="NUL"):
        with_values(":", node="a\0b")


# In the source
# -------------

PASS_ON = ("with_values", "arrives_whole", "asked", "join", "format", "replace", "dedent", "rstrip")
"""What makes a text of its arguments; all else that is called is quoting, or looked at itself."""

CARRIERS = {"on": 1, "quietly": 1, "script": 0, "StringCommand": 0}
"""What takes a script, and which of its arguments that is."""

SAFE = {
    "access/operations.py": {
        "user": "a declared login",
        "secret": "our own text",
        "candidate": "our own path",
    },
    "run/connection.py": {"script": "a script, judged where it is made"},
    "run/converge.py": {"text": "a script, judged where it is made", "whole": "likewise"},
    "run/script.py": {
        "text": "a script, judged where it is made",
        "whole": "likewise",
        "body": "likewise",
    },
    "docker/operations.py": {
        "name": "a declared login, or a package of ours",
        "steps": "lines that are judged themselves",
    },
    "nodes/programs.py": {"options": "an argument of shlex.join()"},
    "backup/force_new_cluster_operations.py": {"update": "made by updating()"},
    "updates/operations.py": {
        "units": "our own names",
        "start": "our own names",
    },
}
"""What stands in the text of scripts besides constants, by file, and why that is no host's word."""


AT_WORK = (
    "*/*operations.py",
    "engine/api.py",
    "nodes/programs.py",
    "run/converge.py",
    "run/connection.py",
    "run/script.py",
)
"""Where commands are made for hosts."""


def functions() -> dict[str, list[tuple[Path, ast.FunctionDef]]]:
    found: dict[str, list[tuple[Path, ast.FunctionDef]]] = {}
    for path in (path for name in AT_WORK for path in (ROOT / "pyinfra_swarm").glob(name)):
        for one in ast.walk(ast.parse(path.read_text())):
            if isinstance(one, ast.FunctionDef):
                found.setdefault(one.name, []).append((path, one))
    return found


def name_of(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def text_of(expression: ast.AST) -> Iterator[ast.AST]:
    """The parts of an expression that may become text of its value."""
    yield expression
    if isinstance(expression, ast.Call) and name_of(expression) not in PASS_ON:
        return
    for part in ast.iter_child_nodes(expression):
        yield from text_of(part)


def scripts_in(function: ast.FunctionDef, *, returned: bool) -> list[ast.expr]:
    """The expressions that a function makes scripts of."""
    found: list[ast.expr] = []
    for part in ast.walk(function):
        if isinstance(part, ast.Call) and (at := CARRIERS.get(name_of(part))) is not None:
            found += part.args[at : at + 1]
        elif returned and isinstance(part, ast.Return) and part.value is not None:
            found.append(part.value)
    names = {n.id for e in found for n in text_of(e) if isinstance(n, ast.Name)}
    for part in ast.walk(function):
        if isinstance(part, ast.Assign | ast.AugAssign):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            if any(isinstance(target, ast.Name) and target.id in names for target in targets):
                found.append(part.value)
        elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
            of = part.func.value
            if part.func.attr in ("append", "extend", "insert") and isinstance(of, ast.Name):
                found += part.args if of.id in names else []
    return found


def put_into(expression: ast.expr) -> Iterator[ast.expr]:
    """What becomes a part of a script's text."""
    for part in text_of(expression):
        if isinstance(part, ast.FormattedValue):
            yield part.value
        elif isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add):
            yield from (s for s in (part.left, part.right) if isinstance(s, ast.Attribute))
        elif isinstance(part, ast.Call) and name_of(part) in ("replace", "format", "join"):
            given = [*part.args, *(keyword.value for keyword in part.keywords)]
            yield from (one for one in given if isinstance(one, ast.Attribute | ast.Name))


def quoted(value: ast.expr) -> bool:
    """A constant, or what is quoted, or made by a function that is looked at itself."""
    if isinstance(value, ast.IfExp):
        return quoted(value.body) and quoted(value.orelse)
    if isinstance(value, ast.Call):
        return True
    text = ast.unparse(value)
    return isinstance(value, ast.Constant) or re.fullmatch(r"_?[A-Z][A-Z0-9_]*", text) is not None


def test_no_operation_puts_a_value_into_the_text_of_a_script() -> None:
    everything = functions()
    to_do = [(p, f, False) for named in everything.values() for p, f in named]
    seen, strange, met = set(), [], set()
    while to_do:
        path, function, returned = to_do.pop()
        if (path, function.lineno, returned) in seen:
            continue
        seen.add((path, function.lineno, returned))
        file = str(path.relative_to(ROOT / "pyinfra_swarm"))
        for expression in scripts_in(function, returned=returned):
            for value in put_into(expression):
                text = ast.unparse(value)
                if quoted(value):
                    continue
                met.add((file, text))
                if text not in SAFE.get(file, {}):
                    strange.append(f"{file}:{value.lineno} {text}")
            calls = [n for n in text_of(expression) if isinstance(n, ast.Call)]
            to_do += [(p, f, True) for c in calls for p, f in everything.get(name_of(c), ())]
    assert strange == [], "give it to the script as a value: pyinfra_swarm.run.shell.with_values"
    assert {(file, text) for file, of in SAFE.items() for text in of} <= met, "not there any more"
