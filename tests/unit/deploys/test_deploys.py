"""A deploy is a plain list of operations, and a file that calls it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pyinfra_swarm import deploys
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.project.test_architecture import OPERATIONS

PACKAGE = ROOT / "pyinfra_swarm"
FILES = sorted((ROOT / "deploys").glob("*.py"))


def functions(kind: str, *, common: bool = False) -> dict[str, ast.FunctionDef]:
    """The deploys in a file; or what several of them have in common, whose names begin with _."""
    tree = ast.parse((PACKAGE / f"deploys/{kind}.py").read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name: node for node in found if node.name.startswith("_") == common}


def modules(kind: str) -> dict[str, str]:
    """What a module of operations is called in a file of deploys → where it is."""
    tree = ast.parse((PACKAGE / f"deploys/{kind}.py").read_text())
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}".removeprefix("pyinfra_swarm.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def calls(function: ast.FunctionDef) -> list[ast.Call]:
    """What a deploy calls: nothing else is in it, no branch and no loop."""
    made = []
    for node in function.body[1:]:
        assert isinstance(node, ast.Expr), ast.unparse(node)
        assert isinstance(node.value, ast.Call), ast.unparse(node)
        if ast.unparse(node.value.func) in COMMON:
            assert ast.unparse(node.value) == f"{ast.unparse(node.value.func)}(settings)"
            made += calls(COMMON[ast.unparse(node.value.func)])
        else:
            made.append(node.value)
    return made


STATES, JOBS, COMMON = functions("states"), functions("jobs"), functions("jobs", common=True)
PARTS = [name for name in STATES if name != "site"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_calls_the_deploy_of_its_name(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    name = path.stem
    assert text.partition('"""\n\n')[2] == (
        f"from pyinfra_swarm.deploys import {name}\n\n{name}()\n"
    )


def test_each_deploy_has_a_file_and_can_be_imported() -> None:
    assert {*STATES, *JOBS} == {path.stem for path in FILES} == set(deploys.__all__)


@pytest.mark.parametrize("name", [*PARTS, *JOBS])
def test_a_deploy_is_a_plain_list_of_our_operations(name: str) -> None:
    """Every host calls the same in the same order: no branch, no loop, nothing of pyinfra's own.

    Roles are decided inside of operations; pyinfra orders operations by what hosts call.
    """
    function = {**STATES, **JOBS}[name]
    assert ast.get_docstring(function)
    for call in calls(function):
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert "name" in keywords, f"an operation without a name prints its arguments: {call}"
        assert set(keywords) <= {"settings", "name", "_serial", "_timeout"}
        assert keywords["settings"] == "settings"
        assert not call.args


@pytest.mark.parametrize("name", [*PARTS, *JOBS])
def test_no_name_of_an_operation_repeats_the_title_that_is_in_front_of_it(name: str) -> None:
    function = {**STATES, **JOBS}[name]
    [title] = re.findall(r"deploy\('(.+)'\)", ast.unparse(function.decorator_list[0]))
    for call in calls(function):
        [named] = [ast.literal_eval(one.value) for one in call.keywords if one.arg == "name"]
        assert not named.lower().startswith(title.lower())


def test_the_site_is_every_part_in_the_order_that_is_safe() -> None:
    called = [ast.unparse(call) for call in calls(STATES["site"])]
    assert called == [f"{part}(settings, **arguments)" for part in PARTS]
    safe = ["preflight", "access", "ssh", "updates", "docker", "firewall", "swarm"]
    assert [part for part in PARTS if part in safe] == safe  # one that is new may stand anywhere


def makers(kind: str, name: str) -> list[tuple[str, str]]:
    """The decorator of each operation of a deploy, and the part of the job that it names."""
    made, where = [], modules(kind)
    for call in calls(functions(kind)[name]):
        assert isinstance(call.func, ast.Attribute)
        module = where[ast.unparse(call.func.value)]
        source = (PACKAGE / f"{module.replace('.', '/')}.py").read_text()
        found = re.findall(rf'@(converges|job)\("(\w+)"\)\ndef {call.func.attr}\(', source)
        if not found:  # made by a function of the room: rolling work
            assert f"{module}.{call.func.attr}" in {operation for operation, _ in OPERATIONS}
        made += found
    return made


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_site_is_named_after_the_deploy_that_fixes_it(part: str) -> None:
    assert set(makers("states", part)) == {("converges", part)}


@pytest.mark.parametrize("name", JOBS)
def test_a_job_has_no_operation_that_describes_a_state(name: str) -> None:
    assert {maker for maker, _ in makers("jobs", name)} <= {"job"}


def test_no_operation_is_without_a_deploy() -> None:
    called = {
        f"{modules(kind)[ast.unparse(call.func.value)]}.{call.func.attr}"
        for kind, there in (("states", STATES), ("jobs", JOBS))
        for name, function in there.items()
        if name != "site"
        for call in calls(function)
        if isinstance(call.func, ast.Attribute)
    }
    assert called == {name for name, _ in OPERATIONS}
