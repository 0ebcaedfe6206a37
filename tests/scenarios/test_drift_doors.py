"""Ways to root, and in, on a real cluster: all at once, found each with its reason, by one check.

One of them is a refusal. What is found beside it would have been hidden by it once.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import pytest

from tests.scenarios.drift_cluster import PYINFRA, SEED, Checked, converged
from tests.scenarios.drift_kinds import GROUPS
from tests.scenarios.drift_kinds.kind import Kind

KINDS = GROUPS["doors"]

each = pytest.mark.parametrize("kind", [pytest.param(one, id=one.name) for one in KINDS])


@dataclass(frozen=True)
class Found:
    """Where each kind was brought about, and the checks before and after it was undone."""

    hosts: dict[str, str]
    broken: Checked
    again: Checked
    undone: Checked


@pytest.fixture(scope="module")
def found(
    lab: ModuleType, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Found]:
    made = converged(lab, pyinfra, tmp_path_factory.mktemp("keys"))
    cluster = next(made)
    names = [host.name for host in cluster.found.hosts]
    hosts = {kind.name: random.Random(f"{SEED} {kind.name}").choice(names) for kind in KINDS}
    for kind in KINDS:
        cluster.run(hosts[kind.name], kind, kind.breaks)
    broken, again = cluster.check(), cluster.check()
    for kind in KINDS:
        cluster.run(hosts[kind.name], kind, kind.undo)
    yield Found(hosts, broken, again, cluster.check())
    next(made, None)


def _told(checked: Checked) -> list[dict[str, str]]:
    return [one for one in checked.found if one["part"] == "doors"]


@pytest.mark.lifecycle
@each
def test_each_is_found_on_its_host_with_its_reason_and_a_remedy(found: Found, kind: Kind) -> None:
    there = [one for one in _told(found.broken) if one["host"] == found.hosts[kind.name]]
    matching = [
        one
        for one in there
        if (one["what"], one["kind"]) == (kind.what, kind.kind) and kind.reason in one["reason"]
    ]
    assert matching, f"seed {SEED}: {json.dumps(there, indent=1)}"
    assert all(one["remedy"] for one in matching)


@pytest.mark.lifecycle
def test_nothing_else_is_found_and_every_part_of_every_host_is_looked_at(found: Found) -> None:
    expected = {(found.hosts[kind.name], kind.what) for kind in KINDS}
    assert {(one["host"], one["what"]) for one in _told(found.broken)} == expected
    assert found.broken.code == 2
    for host in found.broken.report["hosts"]:
        assert host["unknown"] == ""
        assert {"preflight", "access", "ssh", "docker", "firewall", "swarm", "doors"} <= {
            *host["parts"]
        }


@pytest.mark.lifecycle
def test_another_check_says_the_same(found: Found) -> None:
    def said(checked: Checked) -> list[tuple[str, ...]]:
        return sorted(tuple(str(one[key]) for key in sorted(one)) for one in _told(checked))

    assert said(found.again) == said(found.broken)


@pytest.mark.lifecycle
def test_when_all_is_undone_the_cluster_is_in_sync(found: Found) -> None:
    assert (found.undone.code, found.undone.found) == (0, []), f"seed {SEED}"
