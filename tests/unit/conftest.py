"""How the unit tests are run."""

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# How long one example takes says how busy the machine is, and nothing about the product.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Compiled tests are kept, also where Python is told to keep none: compiling them is half of
# collecting them, and each worker collects them all.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session", autouse=True)
def _state_of_no_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What outlives a run (records, seals) is kept apart from that of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield
