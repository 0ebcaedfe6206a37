"""A pretended host for the programs that run on one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.pretended_host import Machine, pretended, that_can_be_destroyed


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return pretended(tmp_path)


@pytest.fixture
def engine(machine: Machine) -> Machine:
    return that_can_be_destroyed(machine)
