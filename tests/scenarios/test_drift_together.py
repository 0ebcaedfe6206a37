"""Kinds of drift that do not get in each other's way: all at once, found each by one check.

One of them is a refusal. What is found beside it would have been hidden by it once. Beside them
stands what must not be reported: what is declared as meant, and what only looks like a way in.
"""

from __future__ import annotations

import fnmatch
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import pytest

from tests.scenarios.drift_cluster import PYINFRA, SEED, Checked, Cluster, converged, settled
from tests.scenarios.drift_kinds import GROUPS
from tests.scenarios.drift_kinds.doors import DECLARED, QUIET
from tests.scenarios.drift_kinds.kind import Kind

KINDS = sorted(GROUPS["together"], key=lambda kind: kind.part == "preflight")
"""Those that take a disk's space come last: no container starts after them."""

each = pytest.mark.parametrize("kind", [pytest.param(one, id=one.name) for one in KINDS])


@dataclass(frozen=True)
class Found:
    """Where each kind was brought about, and the checks before and after it was undone."""

    hosts: Mapping[str, tuple[str, ...]]
    broken: Checked
    again: Checked
    undone: Checked


def chosen(cluster: Cluster) -> dict[str, tuple[str, ...]]:
    """The hosts of each kind: other ones for those that follow one another."""
    shift = random.Random(SEED).randrange(100)
    hosts = {}
    for number, kind in enumerate(KINDS, shift):
        able = [one.name for one in cluster.found.hosts if kind.on in ("any", "every", one.role)]
        hosts[kind.name] = tuple(able) if kind.on == "every" else (able[number % len(able)],)
    return hosts


@pytest.fixture(scope="module")
def found(
    lab: ModuleType, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Found]:
    made = converged(lab, pyinfra, tmp_path_factory.mktemp("keys"), admins=["grace"], more=DECLARED)
    cluster = next(made)
    hosts = chosen(cluster)
    for kind in KINDS:
        for host in hosts[kind.name]:
            if kind.first:
                cluster.run(host, kind, kind.first, there=True)
            cluster.run(host, kind, kind.breaks)
    for quiet in QUIET:
        cluster.run(cluster.acting(), quiet, quiet.breaks)
    settled(cluster)
    broken, again = cluster.check(), cluster.check()
    for quiet in reversed(QUIET):
        cluster.run(cluster.acting(), quiet, quiet.undo)
    for kind in reversed(KINDS):
        for host in hosts[kind.name]:
            cluster.run(host, kind, kind.undo, there=kind.undo_there)
    settled(cluster)
    yield Found(hosts, broken, again, cluster.check())
    next(made, None)


@pytest.mark.lifecycle
@each
def test_each_is_found_on_its_host_with_its_reason_and_a_remedy(found: Found, kind: Kind) -> None:
    for host in found.hosts[kind.name]:
        there = [one for one in found.broken.found if one["host"] == host]
        matching = [
            one
            for one in there
            if (one["part"], one["what"], one["kind"]) == (kind.part, kind.what, kind.kind)
            and kind.reason in one["reason"]
        ]
        assert matching, f"seed {SEED}, on {host}: {json.dumps(there, indent=1)}"
        assert all(one["remedy"] for one in matching)


@pytest.mark.lifecycle
def test_nothing_else_is_found_and_every_part_of_every_host_is_looked_at(found: Found) -> None:
    expected = [
        (host, pattern)
        for kind in KINDS
        for host in found.hosts[kind.name]
        for pattern in (f"{kind.part}/{kind.what}", *kind.also)
    ]
    surprising = [
        one
        for one in found.broken.found
        if not any(
            one["host"] == host and fnmatch.fnmatch(f"{one['part']}/{one['what']}", pattern)
            for host, pattern in expected
        )
    ]
    assert surprising == [], f"seed {SEED}: {json.dumps(surprising, indent=1)}"
    assert found.broken.code == 2
    for host in found.broken.report["hosts"]:
        assert host["unknown"] == ""
        assert {"preflight", "access", "ssh", "docker", "firewall", "swarm", "doors"} <= {
            *host["parts"]
        }


@pytest.mark.lifecycle
def test_another_check_says_the_same(found: Found) -> None:
    def said(checked: Checked) -> list[tuple[str, ...]]:
        return sorted(tuple(str(one[key]) for key in sorted(one)) for one in checked.found)

    assert said(found.again) == said(found.broken), f"seed {SEED}"


@pytest.mark.lifecycle
def test_when_all_is_undone_the_cluster_is_in_sync(found: Found) -> None:
    assert (found.undone.code, found.undone.found) == (0, []), f"seed {SEED}"
