"""Each kind of drift on a real cluster: found with its reason, mended by the deploy that is named.

`-k` with a group's name (hosts, firewall, refusals, roles, absent, removal) runs a part of it.
"""

from __future__ import annotations

import fnmatch
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType

import pytest

from tests.scenarios.conftest import (
    SITE,
)
from tests.scenarios.drift_cluster import PYINFRA, SEED, Checked, Cluster, converged, settled
from tests.scenarios.drift_kinds import GROUPS
from tests.scenarios.drift_kinds.kind import Kind
from tests.scenarios.test_create import names


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    yield from converged(lab, pyinfra, tmp_path_factory.mktemp("keys"))


@dataclass(frozen=True)
class Outcome:
    """What became of a kind: the host it was put on, and the checks before and after mending."""

    host: str
    broken: Checked
    mended: Checked


_outcomes: dict[str, Outcome | BaseException] = {}


def outcome(cluster: Cluster, kind: Kind) -> Outcome:
    """A kind brought about, checked, mended and checked again: done once."""
    if kind.name not in _outcomes:
        try:
            _outcomes[kind.name] = _carried_out(cluster, kind)
        except BaseException as error:
            _outcomes[kind.name] = error
        if not _in_sync(_outcomes[kind.name]):
            cluster.lab.reset()  # the next begins with hosts that are as they should be
            cluster.mend()
    done = _outcomes[kind.name]
    if isinstance(done, BaseException):
        raise done
    return done


def _in_sync(done: Outcome | BaseException) -> bool:
    return isinstance(done, Outcome) and done.mended.code == 0


def _carried_out(cluster: Cluster, kind: Kind) -> Outcome:
    able = [host.name for host in cluster.found.hosts if kind.on in ("any", host.role)]
    host = random.Random(f"{SEED} {kind.name}").choice(able)
    if kind.first:
        cluster.run(host, kind, kind.first, there=True)
    cluster.run(host, kind, kind.breaks)
    broken = cluster.check()
    by_hand = kind.kind != "change"
    if by_hand and kind.undo:
        cluster.run(host, kind, kind.undo, there=kind.undo_there)
    deploys = dict.fromkeys(one["mended_by"] for one in broken.found if one["mended_by"])
    if kind.kind == "refusal":  # the remedy ends with "run again"
        deploys = {SITE[1]: None}
    for deploy in deploys:
        cluster.mend(deploy)
    if kind.undo and not by_hand:  # what a deploy has mended leaves something to clear
        cluster.run(host, kind, kind.undo, there=kind.undo_there)
    return Outcome(host, broken, cluster.check())


TOGETHER = {"together", "exposure"}
"""Groups that are brought about all at once: test_drift_together.py, test_floating_address.py."""

EVERY = [
    pytest.param(kind, id=f"{group}-{kind.name}".replace(" ", "_"))
    for group, kinds in GROUPS.items()
    for kind in kinds
    if group not in TOGETHER
]


@pytest.mark.lifecycle
@pytest.mark.parametrize("kind", EVERY)
def test_drift_is_found_on_its_host_with_its_reason(cluster: Cluster, kind: Kind) -> None:
    seen = outcome(cluster, kind)
    host = cluster.acting() if kind.of_cluster else seen.host
    there = [one for one in seen.broken.found if one["host"] == host]
    matching = [
        one
        for one in there
        if (one["part"], one["what"], one["kind"]) == (kind.part, kind.what, kind.kind)
        and kind.reason in one["reason"]
    ]
    assert matching, f"seed {SEED}, on {host}: {json.dumps(there, indent=1)}"
    if kind.kind == "change":
        assert matching[0]["mended_by"] == f"deploys/{kind.part}.py"
    else:
        assert matching[0]["remedy"]
    assert seen.broken.code == 2
    surprising = [
        one
        for one in seen.broken.found
        if one["host"] != host
        or not any(
            fnmatch.fnmatch(f"{one['part']}/{one['what']}", pattern)
            for pattern in (f"{kind.part}/{kind.what}", *kind.also)
        )
    ]
    assert surprising == [], f"seed {SEED}: {json.dumps(surprising, indent=1)}"


@pytest.mark.lifecycle
@pytest.mark.parametrize("kind", EVERY)
def test_drift_is_mended_by_the_deploy_that_is_named(cluster: Cluster, kind: Kind) -> None:
    seen = outcome(cluster, kind)
    assert (seen.mended.code, seen.mended.found) == (0, []), f"seed {SEED}, on {seen.host}"


def test_there_are_thirty_kinds_of_drift() -> None:
    kinds = [kind.name for kinds in GROUPS.values() for kind in kinds]
    assert len(set(kinds)) == len(kinds) >= 30


DOWNGRADE = """\
version=$(apt-cache madison docker-ce | awk -v wanted=OLDER '$3 ~ wanted {print $3; exit}')
sed -i '/"ip6tables"/d' /etc/docker/daemon.json  # which that engine does not know
DEBIAN_FRONTEND=noninteractive apt-get install -yq --allow-downgrades --allow-change-held-packages \
  docker-ce=$version docker-ce-cli=$version
apt-mark hold docker-ce docker-ce-cli
"""


@pytest.mark.lifecycle
def test_absent_another_engine_version_is_found_where_it_is_and_mended_by_the_upgrade(
    cluster: Cluster,
) -> None:
    older, *_, newest = cluster.found.docker_versions
    worker = next(host.name for host in cluster.found.hosts if host.role == "worker")
    cluster.lab.run(worker, ["sudo", "sh", "-ec", DOWNGRADE.replace("OLDER", older)], timeout=300)
    settled(cluster)
    undeclared = cluster.check()
    assert undeclared.code == 2
    refused = [one for one in undeclared.found if one["what"] == "Docker Engine"]
    assert sorted(one["host"] for one in refused) == sorted(names(cluster.found))
    for one in refused:
        assert f"{older} on {worker}" in one["reason"]
        assert f'Declare docker.version = "{newest}"' in one["remedy"]
    declared = cluster.check(SWARM_DOCKER__VERSION=newest)
    assert declared.code == 2
    (one,) = declared.found
    assert (one["host"], one["part"], one["what"], one["kind"]) == (
        worker,
        "docker",
        "Docker",
        "notice",
    )
    assert (one["expected"], one["found"]) == (newest, older)
    assert one["remedy"].startswith("deploys/upgrade.py")
    wanted = {**cluster.settings, "SWARM_DOCKER__VERSION": newest}
    run = cluster.apply("-y", "inventory.py", "deploys/upgrade.py", env=wanted)
    assert run.returncode == 0, run.output
    mended = cluster.check(SWARM_DOCKER__VERSION=newest)
    assert (mended.code, mended.found) == (0, [])
