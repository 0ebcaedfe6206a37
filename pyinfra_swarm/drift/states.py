"""Which deploys describe a state, that hosts can differ from, and which carry out a job.

A check of a job would call a healthy cluster drifted, and offer a reset as its remedy. So a check
takes no deploy that names a job: a function of ``pyinfra_swarm/deploys/jobs.py``, or an operation
that is made by ``job`` (:mod:`run.converge`). The deploy's source is read for that, together with
the files that it includes: then the refusal comes before anything runs, also when a check is put
on a schedule. A deploy that hides its operations better than that is refused when it is planned:
a job records what it is (``jobs_reported``).
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pyinfra_swarm.settings.paths import project

PACKAGE = "pyinfra_swarm"
_FOLDER = Path(__file__).resolve().parents[1]


def jobs_in(path: Path) -> tuple[str, ...]:
    """The jobs that a deploy names, itself or in what it includes, as ``reset``.

    Empty for a file that cannot be read: pyinfra reports that.
    """
    found: set[str] = set()
    todo, done = [path.resolve()], set()
    while todo:
        one = todo.pop()
        if one in done:
            continue
        done.add(one)
        tree = _tree(one)
        todo += [there for name in _included(tree) for there in _places(name, one)]
        for name in _named(tree):
            module, _, function = name.removeprefix(f"{PACKAGE}.").rpartition(".")
            jobs = _jobs(module)
            found |= jobs if function == "*" else jobs & {function}
    return tuple(sorted(found))


def jobs_reported(records: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The jobs that a plan has come across, by the names that the deploy gave them."""
    reported = [str(record["what"]) for record in records if record.get("kind") == "job"]
    return tuple(dict.fromkeys(reported))


@cache
def _tree(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ast.Module([], [])


def _included(tree: ast.Module) -> Iterator[str]:
    """The files that ``local.include`` is called with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("include"):
            for value in (*node.args, *(keyword.value for keyword in node.keywords)):
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def _places(name: str, included_by: Path) -> Iterator[Path]:
    for folder in (project(), included_by.parent, Path.cwd()):
        if os.path.isfile(folder / name):  # false, too, where it may not be looked at
            yield (folder / name).resolve()


def _named(tree: ast.Module) -> Iterator[str]:
    """Whatever stands in a file for something of ours, in full: ``pyinfra_swarm.a.b``."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == PACKAGE:
                    aliases[alias.asname or PACKAGE] = alias.name if alias.asname else PACKAGE
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    yield from aliases.values()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            if first in aliases:
                yield ".".join([aliases[first], *rest])


@cache
def _jobs(module: str) -> frozenset[str]:
    """The functions of one of our modules that carry out a job."""
    maker = "job"
    if module in ("deploys", "deploys.jobs"):
        module, maker = "deploys.jobs", "deploy"
    tree = _tree(_FOLDER / f"{module.replace('.', '/')}.py")
    decorated = {
        function.name
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
        and ast.unparse(decorator.func).rpartition(".")[2] == maker
    }
    return frozenset(decorated.union(*map(_stages, tree.body)))


def _stages(node: ast.stmt) -> set[str]:
    """The names of a rolling job's stages, which one call makes (:mod:`rolling.stages`)."""
    if not isinstance(node, ast.Assign) or ast.unparse(node.value) != "stages(JOB)":
        return set()
    return {
        name.id
        for target in node.targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
