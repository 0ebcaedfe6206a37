"""Tests that this machine cannot run: skipped, but where they are promised to run an error."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NoReturn

import pytest

from tests.run import MUST_RUN


def skip(items: Iterable[pytest.Item], why: str) -> None:
    """Skip these tests for a reason; ``pytest.UsageError`` with it where they must run."""
    if os.environ.get(MUST_RUN):
        raise pytest.UsageError(f"these tests must run, and cannot: {why}")
    for item in items:
        item.add_marker(pytest.mark.skip(reason=why))


def give_up(why: str) -> NoReturn:
    """Skip the test that asks for it, or fail it where it must run."""
    if os.environ.get(MUST_RUN):
        pytest.fail(f"this must run, and cannot: {why}", pytrace=False)
    pytest.skip(why)
