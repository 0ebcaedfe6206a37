"""What of pyinfra's own words is shown, and what stands in their place."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from pyinfra import logger

from pyinfra_swarm.run import pyinfra_internals, screen
from pyinfra_swarm.run.context import begin_another_run


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
