"""Rotations of a secret of two services that end early, in whatever way.

What came of it is asked of the engines and of the services themselves, never of the product's
facts.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from lab.description import Description
from tests.scenarios.conftest import Run, wait_for
from tests.scenarios.rotations import SECRETS, SERVICES, Cluster, assert_none_is_lost, begin, begun
from tests.scenarios.visitor import a_visitor

pytestmark = pytest.mark.lifecycle

MOMENTS = 20


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType,
    converged: Description,
    pyinfra: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    yield from begun(lab, converged, pyinfra, tmp_path_factory.mktemp("settings"))


def test_a_run_killed_at_any_moment_is_finished_by_the_next(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    begun = time.monotonic()
    whole = pyinfra(*SECRETS, env=cluster.env("not killed"))
    took = time.monotonic() - begun
    assert whole.returncode == 0, whole.output
    seen = []
    with a_visitor(cluster.found, cluster.targets()) as requests:
        for number in range(MOMENTS):
            value = f"killed {number}"
            process = begin(cluster, value)
            try:
                process.wait(took * (number + 0.5) / MOMENTS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            cluster.assert_none_misses_its_version()
            seen.append((len(cluster.secrets()), *(sorted(cluster.used(s)) for s in SERVICES)))
            run = pyinfra(*SECRETS, env=cluster.env(value))
            assert run.returncode == 0, run.output
            cluster.assert_has(value)
    print("\n".join(map(str, seen)))
    assert_none_is_lost(requests, f"runs killed at {MOMENTS} moments of {took:.0f} s")


def test_a_power_cut_of_the_leader_between_two_services_is_made_good_by_the_next_run(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    leader = cluster.leader()
    other = next(h.name for h in cluster.found.hosts if h.role == "manager" and h.name != leader)
    before = {service: cluster.used(service) for service in SERVICES}

    def between() -> bool:
        changed = [
            service for service in SERVICES if cluster.used(service, other) != before[service]
        ]
        return bool(changed)

    process = begin(cluster, "the power was cut")
    wait_for(between, "a service to be on the new version", 120)
    cluster.lab.power_cut(leader, wait=False)
    process.wait(timeout=900)
    cluster.lab.power_on(leader)
    cluster.assert_none_misses_its_version(other)
    run = pyinfra(*SECRETS, env=cluster.env("the power was cut"))
    assert run.returncode == 0, run.output
    wait_for(lambda: len(cluster.told()["front"]) == 1, "both services to answer everywhere", 120)
    cluster.assert_has("the power was cut")
    again = pyinfra(*SECRETS, env=cluster.env("the power was cut"))
    assert "Nothing was changed" in again.output
