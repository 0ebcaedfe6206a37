"""A secret of two services, rotated under the eyes of a visitor.

What came of it is asked of the engines and of the services themselves, never of the product's
facts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from lab.description import Description
from tests.scenarios.conftest import Run
from tests.scenarios.rotations import SECRETS, Cluster, assert_none_is_lost, begun
from tests.scenarios.visitor import a_visitor

pytestmark = pytest.mark.lifecycle

ROTATIONS = int(os.environ.get("ROTATIONS", "50"))


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType,
    converged: Description,
    pyinfra: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    yield from begun(lab, converged, pyinfra, tmp_path_factory.mktemp("settings"))


def test_rotations_under_load_lose_no_request(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    begun = time.monotonic()
    with a_visitor(cluster.found, cluster.targets()) as requests:
        for number in range(1, ROTATIONS + 1):
            run = pyinfra(*SECRETS, env=cluster.env(f"rotation {number}"))
            assert run.returncode == 0, run.output
            cluster.assert_has(f"rotation {number}")
    took = (time.monotonic() - begun) / ROTATIONS
    assert len(requests) > 20 * ROTATIONS
    assert_none_is_lost(requests, f"{ROTATIONS} rotations, {took:.0f} s each")
    again = pyinfra(*SECRETS, env=cluster.env(f"rotation {ROTATIONS}"))
    assert "Nothing was changed" in again.output
