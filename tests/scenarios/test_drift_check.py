"""The drift check on a real cluster: hosts that are silent, and that nothing is changed."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.scenarios.conftest import (
    load_web_image,
    on_each,
    wait_for,
)
from tests.scenarios.drift_cluster import PYINFRA, SEED, Cluster, converged
from tests.scenarios.drift_kinds import GROUPS
from tests.scenarios.test_create import SNAPSHOT, names


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    yield from converged(lab, pyinfra, tmp_path_factory.mktemp("keys"))


@pytest.mark.lifecycle
def test_silent_a_host_without_power_is_unknown_and_the_others_are_not(cluster: Cluster) -> None:
    down = random.Random(SEED).choice(names(cluster.found))
    cluster.lab.power_cut(down, off_for=None)
    try:
        checked = cluster.check()
    finally:
        cluster.lab.power_on(down)
    assert checked.code == 1, checked.found
    assert checked.host(down)["state"] == "unknown"
    assert re.search("connect|SSH", checked.host(down)["unknown"])
    others = [host["state"] for host in checked.report["hosts"] if host["name"] != down]
    assert others == ["in sync"] * 3
    wait_for(lambda: cluster.check().code == 0, "the cluster to be in sync again", 90)


@pytest.mark.lifecycle
def test_silent_a_host_with_a_swapped_key_is_unknown(cluster: Cluster, tmp_path: Path) -> None:
    swapped, other = random.Random(SEED).sample(names(cluster.found), 2)
    lines = Path(cluster.found.known_hosts).read_text().splitlines()
    address = {name: cluster.found.host(name).address for name in (swapped, other)}
    places = {places for places, _, _ in map(str.split, lines) if address[swapped] in places}
    known = [line for line in lines if address[swapped] not in line]
    keys = [line.partition(" ")[2] for line in lines if address[other] in line]
    known += [f"{place} {key}" for place in places for key in keys]
    assert len(known) == len(lines)
    file = tmp_path / "known_hosts"
    file.write_text("\n".join(known) + "\n")
    checked = cluster.check(SWARM_SSH__KNOWN_HOSTS=str(file))
    assert checked.code == 1
    assert "Host key" in checked.host(swapped)["unknown"]
    assert [host["name"] for host in checked.report["hosts"] if host["unknown"]] == [swapped]


MORE = """\
echo '# docker'; docker ps -aq --no-trunc | xargs -r docker inspect \
  --format '{{.Id}} {{.State.Status}} {{.State.StartedAt}} {{json .NetworkSettings.Networks}}'
docker network ls --no-trunc -q | sort; docker volume ls -q | sort
docker node ls --format '{{.ID}} {{.Status}} {{.Availability}} {{.ManagerStatus}}' 2>/dev/null
docker service ls -q 2>/dev/null | xargs -r docker service inspect --format '{{json .}}'
echo '# state'; find /var/lib/pyinfra-swarm -type f -exec sha256sum {} + | sort -k 2
echo '# started'; systemctl show docker containerd ssh -p ExecMainStartTimestampMonotonic -p MainPID
echo '# modules'; lsmod | awk '{print $1}' | sort
echo '# run'; ls -R /run/pyinfra-swarm 2>/dev/null; cat /proc/sys/net/ipv4/ip_forward
"""
SERVICE = "docker service create -q --detach=false --mode global --name web lab/web:1"
CONTAINER = "docker run -d --name alone lab/web:1"


@pytest.mark.lifecycle
def test_read_only_a_check_changes_nothing_on_any_host(cluster: Cluster) -> None:
    kinds = [
        kind
        for kind in GROUPS["hosts"]
        if kind.name in ("a changed daemon.json", "a label added", "a node relabelled")
    ]
    hosts, host = names(cluster.found), names(cluster.found)[-1]
    load_web_image(hosts)
    on_each([cluster.acting()], f"{SERVICE} && {CONTAINER}")
    for kind in kinds:  # there is something to mend, and it is left as it is
        cluster.run(host, kind, kind.breaks)
    try:
        before = on_each(hosts, SNAPSHOT + MORE)
        checked = cluster.check()
        after = on_each(hosts, SNAPSHOT + MORE)
    finally:
        on_each([cluster.acting()], "docker rm -f alone; docker service rm web")
        for kind in kinds:
            if kind.undo:
                cluster.run(host, kind, kind.undo)
        cluster.mend()
    assert checked.code == 2
    for name in hosts:
        lines = before[name].splitlines(), after[name].splitlines()
        assert len(lines[0]) > 500  # the snapshot has seen something
        assert sum(" running " in line for line in lines[0]) >= 1  # the service's task, at least
        assert lines[0] == lines[1], name


def test_read_only_measures_come_with_the_report(cluster: Cluster) -> None:
    report = cluster.check().report
    assert report["measures"]["managers"] == {
        "managers": 3,
        "reachable": 3,
        "needed": 2,
        "margin": 1,
    }
    assert report["measures"]["networks"] == {"ingress": True, "apps": True}
    nodes = report["measures"]["nodes"]
    assert {name: node["role"] for name, node in nodes.items()} == {
        host.name: host.role for host in cluster.found.hosts
    }
    assert sum(node["leader"] for node in nodes.values()) == 1
    for host in report["hosts"]:
        days = (host["measures"]["certificate expires"] - time.time()) / 86_400
        assert 60 < days <= 91
