"""What of pyinfra's own words is shown, and what stands in their place."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from pyinfra import logger

from pyinfra_swarm.run import asking, pyinfra_internals, screen
from pyinfra_swarm.run.context import begin_another_run, this_run
from pyinfra_swarm.run.reported import Reported


@pytest.fixture(autouse=True)
def _another_run() -> Iterator[None]:
    filters = [*logger.filters]
    logger.filters.clear()
    begin_another_run()
    yield
    logger.filters[:] = filters
    begin_another_run()


@pytest.mark.parametrize(
    ("operations", "told"),
    [
        (("fact", "facts.swarm.Nodes"), "--> No host is left to go on with; above is why"),
        (("deploys/site.py",), ""),
    ],
)
def test_that_no_host_is_left_is_no_error_of_its_own(
    operations: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyinfra_internals, "given_options", lambda: {"operations": operations})
    screen.install()
    said = "--> \x1b[31mpyinfra error in a.py line 408\x1b[0m: No hosts remaining!"
    record = logging.LogRecord("pyinfra", logging.ERROR, "", 0, said, (), None)
    assert bool(logger.filter(record)) == bool(told)
    assert not told or record.getMessage() == told


@pytest.mark.parametrize(
    ("failures", "planned", "asked"),
    [
        ({"rk1": "stack api: refused"}, {"rk1"}, False),
        ({"rk1": "stack api: refused"}, set(), True),  # it has come up since
        ({"rk1": "stack api: refused; stack web: its image cannot be had"}, {"rk1"}, True),
        ({"rk1": "stack api: refused", "rk2": "no answer"}, {"rk1"}, True),
        ({"rk2": "no answer"}, {"rk1"}, True),
    ],
)
def test_nobody_is_asked_about_a_host_for_what_the_plan_has_said(
    failures: dict[str, str], planned: set[str], asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = [SimpleNamespace(name=f"rk{number}") for number in (1, 2, 3)]
    run = SimpleNamespace(inventory=hosts)
    reported = this_run(Reported)
    reported.failures.update(failures)
    reported.refused_beside["rk1"] = "stack api: refused"
    reported.planned.update(planned)
    questions: list[str] = []
    failed = [host for host in hosts if host.name in failures]
    monkeypatch.setattr(screen, "state", lambda: run)
    monkeypatch.setattr(screen, "_carried_out", lambda: True)
    monkeypatch.setattr(screen, "_everybody", lambda: [host.name for host in hosts])
    monkeypatch.setattr(pyinfra_internals, "failed_hosts", lambda _: failed)
    monkeypatch.setattr(pyinfra_internals, "is_active", lambda _, host: host not in failed)

    def typed(question: str) -> str:
        questions.append(question)
        return "no\n"

    monkeypatch.setattr(asking, "typed", typed)
    assert screen.goes_on_without_failed_hosts() is not asked
    assert bool(questions) is asked
