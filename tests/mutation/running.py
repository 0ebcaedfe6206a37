"""Run a module's mutants against its tests, a few at a time, each in a process of its own.

A process that has collected the tests is forked for each mutant, and the code of the function that
differs is exchanged in the fork: that takes some hundredths of a second. What cannot be done so (a
table at the module's own level, a function that is called while tests are collected) is imported
anew, in a fork of a process that has not imported the project yet.
"""

from __future__ import annotations

import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings

from tests.mutation.forks import Job, ends, silence
from tests.mutation.mutants import ROOT, Mutant, compiled, mutants

SURVIVED, NOTICED, TO_BE_IMPORTED = 0, 10, 11

WITHOUT = ("cacheprovider", "unraisableexception", "threadexception", "faulthandler", "warnings")
OPTIONS = ("-qq", "-s", "--rootdir", str(ROOT), *(f"-pno:{plugin}" for plugin in WITHOUT))
LIBRARIES = (
    "_hypothesis_pytestplugin",
    "pytest_timeout",
    "testinfra.plugin",
    "pydantic_settings",
    "pyinfra.api",
    "jinja2",
    "requests",
    "cryptography.hazmat",
)
"""Imported once for all, since they take long."""


class Broken(Exception):
    """The tests do not pass without a mutant, so nothing can be said."""


@dataclass(frozen=True)
class Outcome:
    """What became of a module's mutants: how many there were, and those that no test noticed.

    seconds: of the processor, which do not depend on what else the machine does.
    """

    total: int
    survivors: tuple[Mutant, ...]
    seconds: float

    @property
    def killed(self) -> int:
        return self.total - len(self.survivors)


@dataclass(frozen=True)
class Reach:
    """What each test does to a module: the lines of it that it runs, and its seconds."""

    lines: dict[str, set[int]]
    seconds: dict[str, float]

    def tests(self, mutant: Mutant) -> list[str]:
        """Those that could notice a mutant, the quickest first; all, where none can be told.

        A module's own statement is read by tests that run no line of it, though others do, where it
        has a function in it: then the others come first.
        """
        touching = {test for test, lines in self.lines.items() if lines & {*mutant.statement}}
        told = touching if touching and mutant.place else self.lines
        return sorted(told, key=lambda test: (test not in touching, self.seconds[test]))

    def job(self, work: Any, mutant: Mutant | None = None) -> Job:
        """Some work on the tests for a mutant, or on all."""
        tests = self.tests(mutant) if mutant else list(self.lines)
        return Job(partial(work, tests), sum(self.seconds[test] for test in tests))


def run(module: str, tests: Sequence[str], workers: int = 2) -> Outcome:
    """Run all mutants of a module against these test files; paths below the project.

    Raises :class:`Broken` where the tests do not pass as it is.
    """
    begun = _processor()
    for library in LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(library)
    path = ROOT / module
    found = mutants(path)
    told = _asked(_Session(path, found, workers), tests)
    reach = Reach({test: {*lines} for test, lines in told["lines"].items()}, told["seconds"])
    ended = {int(number): end for number, end in told["ends"].items()}
    anew = [number for number, end in ended.items() if end == TO_BE_IMPORTED]
    if anew:
        as_it_is = reach.job(partial(_imported, path, compiled(path)))
        if ends({0: as_it_is}, 1)[0] != SURVIVED:
            raise Broken("the tests do not pass where the module is imported anew")
        ended |= ends(
            {n: reach.job(partial(_imported, path, found[n].code), found[n]) for n in anew},
            workers,
        )
    left = tuple(mutant for number, mutant in enumerate(found) if ended[number] == SURVIVED)
    return Outcome(len(found), left, _processor() - begun)


def _processor() -> float:
    """Seconds of the processor so far, of this process and of those that it has waited for."""
    return sum(os.times()[:4])


# With the tests collected once
# -----------------------------


def _asked(session: _Session, tests: Sequence[str]) -> Any:
    """What a session tells that runs in a fork, which keeps the project out of this process."""
    reading, session.writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            silence()
            sys.setprofile(session.watch)
            pytest.main([*OPTIONS, *tests], plugins=[session])
        finally:
            os._exit(0)
    os.close(session.writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    told = json.loads(text or '{"broken": "the tests cannot be collected"}')
    if "broken" in told:
        raise Broken(told["broken"])
    return told


class _Tests:
    """How the tests are run: always the same examples, and no time for making them smaller."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        hypothesis_settings.register_profile(
            "mutation",
            deadline=None,
            derandomize=True,
            database=None,
            phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )
        hypothesis_settings.load_profile("mutation")


class _Session(_Tests):
    """In the place of pytest's loop over the tests: one over the mutants."""

    def __init__(self, path: Path, found: Sequence[Mutant], workers: int) -> None:
        self.path, self.found, self.workers = path, found, workers
        self.writing = -1
        self.early: set[tuple[str, int]] = set()

    def watch(self, frame: FrameType, event: str, argument: object) -> None:
        """Which functions run while the tests are collected: what they made is there already."""
        code = frame.f_code
        if event == "call" and code.co_filename == str(self.path):
            self.early.add(_name(code))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        sys.setprofile(None)
        told = self._told(session)
        with os.fdopen(self.writing, "w") as pipe:
            json.dump(told, pipe)
        return True

    def _told(self, session: pytest.Session) -> dict[str, object]:
        if session.testsfailed:
            return {"broken": "the tests cannot be collected"}
        items = {item.nodeid: item for item in session.items}
        reach = _reach(self.path, items)
        if isinstance(reach, str):
            return {"broken": f"{reach} does not pass without a mutant"}
        functions = _functions(self.path)
        original = compiled(self.path)
        jobs: dict[int, Job] = {}
        for number, mutant in enumerate(self.found):
            pairs = _exchanges(original, mutant.code)
            if pairs is None or any(_name(old) in self.early for old, _ in pairs):
                continue
            exchanged = [(functions.get(_name(old), []), new) for old, new in pairs]
            if all(old for old, _ in exchanged):
                jobs[number] = reach.job(partial(_exchanged, items, exchanged), mutant)
        begun = dict.fromkeys(range(len(self.found)), TO_BE_IMPORTED)
        return {
            "lines": {test: sorted(lines) for test, lines in reach.lines.items()},
            "seconds": reach.seconds,
            "ends": begun | ends(jobs, self.workers),
        }


def _name(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _functions(path: Path) -> dict[tuple[str, int], list[FunctionType]]:
    """All functions of a module, methods and those behind properties and caches, by their name."""
    found: dict[tuple[str, int], list[FunctionType]] = {}
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__code__.co_filename == str(path):
            found.setdefault(_name(function.__code__), []).append(function)
    return found


def _exchanges(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """The functions that differ; None where the module or a class of it differs itself."""
    if _own(old) != _own(new):
        return None
    pairs: list[tuple[CodeType, CodeType]] = []
    for one, other in zip(_within(old), _within(new), strict=True):
        if one.co_flags & inspect.CO_OPTIMIZED:
            if one != other:
                pairs.append((one, other))
        else:
            inner = _exchanges(one, other)
            if inner is None:
                return None
            pairs += inner
    return pairs


def _within(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _own(code: CodeType) -> tuple[object, ...]:
    constants = [c.co_name if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, constants


def _exchanged(
    items: dict[str, pytest.Item],
    pairs: list[tuple[list[FunctionType], CodeType]],
    tests: list[str],
) -> int:
    try:
        for functions, code in pairs:
            for function in functions:
                function.__code__ = code
    except ValueError:  # it uses other names of the function around it
        return TO_BE_IMPORTED
    return SURVIVED if _pass([items[test] for test in tests]) else NOTICED


def _pass(items: Sequence[pytest.Item]) -> bool:
    """Run these tests until one fails."""
    for item, after in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if item.session.testsfailed:
            return False
    return True


def _reach(path: Path, items: dict[str, pytest.Item]) -> Reach | str:
    """Run all tests once, in a fork; the one that fails, where one does."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with os.fdopen(writing, "w") as pipe:
                json.dump(_watched(path, list(items.values())), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = json.load(answer)
    os.waitpid(pid, 0)
    if "fails" in told:
        return str(told["fails"])
    return Reach({test: {*lines} for test, lines in told["lines"].items()}, told["seconds"])


def _watched(path: Path, items: Sequence[pytest.Item]) -> dict[str, object]:
    here = str(path)
    lines: dict[str, list[int]] = {}
    seconds: dict[str, float] = {}
    seen: set[int] = set()

    def entered(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code.co_filename != here:
            return None
        seen.add(frame.f_lineno)
        return within

    def within(frame: FrameType, event: str, argument: object) -> Any:
        seen.add(frame.f_lineno)
        return within

    for item, after in zip(items, [*items[1:], None], strict=True):
        seen.clear()
        begun = time.monotonic()
        sys.settrace(entered)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        sys.settrace(None)
        lines[item.nodeid] = sorted(seen)
        seconds[item.nodeid] = time.monotonic() - begun
        if item.session.testsfailed:
            return {"fails": item.nodeid}
    return {"lines": lines, "seconds": seconds}


# With the module imported anew
# -----------------------------


class _Finder(importlib.abc.MetaPathFinder):
    """Gives a module another code than its file has."""

    def __init__(self, path: Path, code: CodeType) -> None:
        self.name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        self.path, self.code = path, code

    def find_spec(
        self, name: str, where: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        loader = _Loader(name, str(self.path))
        loader.code = self.code
        return importlib.util.spec_from_file_location(name, self.path, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    code: CodeType

    def get_code(self, fullname: str) -> CodeType:
        return self.code


class _Chosen(_Tests):
    """Runs only these tests, in this order."""

    def __init__(self, tests: Iterable[str]) -> None:
        self.order = {test: at for at, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.order]
        items.sort(key=lambda item: self.order[item.nodeid])


def _imported(path: Path, code: CodeType, tests: list[str]) -> int:
    sys.meta_path.insert(0, _Finder(path, code))
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    end = pytest.main([*OPTIONS, "-x", *files], plugins=[_Chosen(tests)])
    return SURVIVED if end == pytest.ExitCode.OK else NOTICED
