"""A fact whose answer may hold secrets is printed nowhere."""

from __future__ import annotations

import importlib
import inspect
import logging
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra import logger

import pyinfra_swarm
from pyinfra_swarm.docker.paths import DAEMON_JSON
from pyinfra_swarm.run import observing
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from tests.bench.remote_commands import Asked, facts_in

SECRET = "hunter2"


class Shown(SubjectFact[str]):
    """What a host has said."""

    def script(self, ends: int = 0) -> str:
        return f"section said; echo PASSWORD={SECRET}; exit {ends}"

    def parse(self, said: Sections) -> str:
        return said["said"][0]


class Unprinted(Shown):
    """The same, said to be secret."""

    unprinted = True


class Here:
    """A host that is this computer."""

    name, print_prefix = "rk1", "[rk1] "
    state = SimpleNamespace(print_input=True, print_fact_info=True)

    def __init__(self, *, breaks: bool = False) -> None:
        self.breaks = breaks
        self.options: dict[str, Any] = {}

    def run_shell_command(self, command: Any, **options: Any) -> tuple[bool, Any]:
        self.options = options
        done = subprocess.run(["sh", "-c", str(command)], capture_output=True, text=True)
        return not self.breaks, SimpleNamespace(stdout_lines=done.stdout.splitlines())


@pytest.fixture
def debug(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(logger, "propagate", True)
    caplog.set_level(logging.DEBUG, logger=logger.name)
    return caplog


def ask(host: Here, fact: type[Shown], **arguments: Any) -> str:
    return observing._ask_unprinted(host, fact, arguments)  # type: ignore[arg-type]


def test_its_answer_arrives_and_pyinfra_prints_nothing_of_it(debug: Any) -> None:
    host = Here()
    assert ask(host, Unprinted) == f"PASSWORD={SECRET}"
    assert host.options["print_output"] is False
    assert host.options["_timeout"] == observing.FACT_TIMEOUT
    assert SECRET not in debug.text


def test_that_it_was_asked_is_told_as_pyinfra_tells_it(debug: Any) -> None:
    host = Here()
    ask(host, Unprinted)
    assert facts_in(debug.text) == [Asked("rk1", Unprinted.name, ())]
    debug.clear()
    ask(host, Unprinted, ends=0)
    assert facts_in(debug.text) == [Asked("rk1", Unprinted.name, (("ends", "0"),))]


def test_any_other_is_shown_with_debug(debug: Any) -> None:
    assert ask(Here(), Shown) == f"PASSWORD={SECRET}"
    assert SECRET in debug.text


def test_an_answer_that_is_none_is_told_without_what_was_said(debug: Any) -> None:
    assert ask(Here(), Unprinted, ends=3) is None
    assert "Unprinted could not be read: its script failed there (exit status 3)" in debug.text
    assert ask(Here(breaks=True), Unprinted) is None
    assert "Unprinted could not be read: its command failed" in debug.text
    assert SECRET not in debug.text


# Which facts those are
# ---------------------

KNOWN_BY_LESS = {
    "firewall.facts.State": "the sums of our own files",
    "host.facts.Host": "whether another tool's mark is in daemon.json",
    "nodes.facts.Services": "whether there are services; of each, its name, ports and networks",
    "reset.facts.Files": "which files are there",
    "secrets.facts.Objects": "configs without their data",
}
"""Facts that look at these files, or ask these things, and what they print of them."""

_DOCKERS_UNIT = r"systemctl (-\S+ )*cat\b.*\bdocker|/docker\.service\b"
_WHOLE = r"localhost/(services|tasks|configs|containers)\b"


def facts() -> Iterator[tuple[str, type[SubjectFact[Any]]]]:
    """Every fact that a run may ask for, by its name within the package."""
    for module in pkgutil.walk_packages(pyinfra_swarm.__path__, "pyinfra_swarm."):
        if module.name.rpartition(".")[2] in ("facts", "kernel_facts"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if (
                    inspect.isclass(value)
                    and issubclass(value, SubjectFact)
                    and value.__module__ == module.name
                    and not name.startswith("_")
                ):
                    yield f"{module.name.removeprefix('pyinfra_swarm.')}.{name}", value


def asked_of_a_host(fact: type[SubjectFact[Any]]) -> str:
    needed = [
        one.name
        for one in inspect.signature(fact.script).parameters.values()
        if one.name != "self" and one.default is one.empty
    ]
    return str(fact().script(**dict.fromkeys(needed, "a")))


def test_whoever_prints_what_may_hold_a_password_is_unprinted() -> None:
    """A proxy's is in ``daemon.json`` under ``proxies``, in Docker's unit in ``Environment=…``.

    The engine says services, tasks, configs and containers with their environment, or at least with
    their commands and labels.
    """
    looking = {
        name: fact.unprinted
        for name, fact in facts()
        if re.search(f"{re.escape(DAEMON_JSON)}|{_DOCKERS_UNIT}|{_WHOLE}", asked_of_a_host(fact))
    }
    assert {"docker.facts.Installation", "doors.facts.WaysIn"} <= set(looking), "both are found"
    assert {"stacks.facts.Stacks", "exposure.facts.Doors"} <= set(looking), "and these"
    assert {name for name, unprinted in looking.items() if not unprinted} == set(KNOWN_BY_LESS)
