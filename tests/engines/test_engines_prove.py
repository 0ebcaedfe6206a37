"""The proof on real engines whose kernel has no ESP: Docker says “encrypted”, the proof says no.

Whether what is encrypted is proven as such is `tests/scenarios/test_prove.py`'s to see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.conftest import SWARM
from tests.engines.hosts import Hosts
from tests.scenarios.conftest import wait_for

PROVE = ("inventory.py", "deploys/prove.py")

_TRACES = (
    "ls /run/docker/netns /run/netns /tmp /root /home /etc; ip -o link; ip -4 -o addr; "
    "for table in filter nat mangle; do iptables-save -t $table | sed '/^[#:]/d'; done; "
    "docker ps -aq; docker images -q; docker network ls -q"
)


@pytest.fixture(scope="module")
def three() -> Iterator[Hosts]:
    with Hosts(3) as made:
        yield made


@pytest.fixture(scope="module")
def swarm(three: Hosts) -> Hosts:
    """Three nodes in a swarm, one of them drained; the first test has seen them in none."""
    three.settings(("rk1",), ("rk2", "rk3"), availability={"rk3": "drain"})
    run = three.pyinfra("-y", *SWARM)
    assert run.returncode == 0, run.output
    return three


def test_without_a_swarm_every_host_refuses_and_says_what_to_run(three: Hosts) -> None:
    three.settings(("rk1",), ("rk2", "rk3"))
    run = three.pyinfra("-y", *PROVE)
    assert run.returncode == 1
    for name in three:
        assert re.search(
            rf"not done: {name}: the data plane: cannot be proven: no manager of a swarm answers\. "
            r"`pyinfra inventory\.py deploys/swarm\.py` initialises it",
            run.closing,
        )


def test_a_dry_run_says_who_would_meet_whom_and_sends_nothing(swarm: Hosts) -> None:
    run = swarm.pyinfra("--dry", *PROVE)
    assert run.returncode == 0, run.output
    assert "[rk1] exchanges packets with rk2, rk3 over ingress" in run.output
    assert "All 3 hosts are as declared. Nothing was changed." in run.closing


def test_a_network_that_only_calls_itself_encrypted_is_found_out_without_a_trace(
    swarm: Hosts, tmp_path: Path
) -> None:
    """The drained node takes part; exit code, table, reasons and records say the same."""
    before = {name: swarm.run(name, _TRACES).stdout for name in swarm}
    records = tmp_path / "reasons"
    run = swarm.pyinfra("-y", *PROVE, env={"SWARM_REASONS": str(records)})
    assert run.returncode == 1
    assert {name: swarm.run(name, _TRACES).stdout for name in swarm} == before
    rows = re.findall(r"✗ ingress +(rk\d) +(rk\d) +none of 30 +not sent +no +", run.output)
    assert sorted(rows) == [(a, b) for a in swarm for b in swarm if a != b]
    assert "0 of 6 pairs proven" in run.output
    assert "rk3 has no encryption state for rk1 (10.99.0.13, 10.99.0.11)" in run.output
    told = [json.loads(line) for line in records.read_text().splitlines()]
    notices = {(entry["host"], entry["what"]) for entry in told if entry["kind"] == "notice"}
    assert notices == {(a, f"ingress from {a} to {b}") for a in swarm for b in swarm if a != b}
    [pairs] = [entry["value"] for entry in told if entry["kind"] == "measure"]
    assert len(pairs) == 6
    assert all(pair["problem"] for pair in pairs)


def test_with_a_limit_only_that_hosts_pairs_are_tried_both_ways(swarm: Hosts) -> None:
    run = swarm.pyinfra("-y", *PROVE, "--limit", "rk3")
    assert run.returncode == 1
    assert "0 of 4 pairs proven" in run.output
    assert "0 of 1 hosts are done" in run.closing


def test_each_node_asks_its_engine_for_names_and_one_that_has_not_learnt_a_name_is_told(
    swarm: Hosts,
) -> None:
    """Packets do not pass here, and names are found all the same: engines tell them each other."""
    swarm.import_image("rk1", "rk2")
    swarm.docker("rk1", "network", "create", "--driver", "overlay", "apps")
    try:
        serve(swarm, "familiar", "node.hostname!=rk3", 2)
        gossip(swarm, "rk2", "-I")
        serve(swarm, "stranger", "node.hostname==rk1", 1)
        run = swarm.pyinfra("-y", *PROVE)
    finally:
        gossip(swarm, "rk2", "-D")
        swarm.docker("rk1", "service", "rm", "familiar", "stranger")
    assert run.returncode == 1
    assert "3 of 4 names of services were found" in run.output
    told = [line for line in run.output.splitlines() if "! proof | service" in line]
    assert [line.split(":")[0].strip() for line in told] == ["[rk2] ! proof | service stranger"]
    assert "its name is not found on this node in the network apps" in told[0]


def serve(hosts: Hosts, name: str, where: str, tasks: int) -> None:
    """A service in the network, with a task on each of these nodes."""
    hosts.docker(
        *("rk1", "service", "create", "--detach", "--name", name, "--no-resolve-image"),
        *("--mode", "global", "--network", "apps", "--constraint", where),
        *("busybox", "sleep", "9999"),
    )

    def running() -> bool:
        shown = hosts.docker("rk1", "service", "ps", "--format", "{{.CurrentState}}", name)
        return shown.count("Running") == tasks

    wait_for(running, f"the tasks of {name}", 60)


def gossip(hosts: Hosts, name: str, action: str) -> None:
    """Whether an engine hears what the others say of networks."""
    for chain in ("INPUT", "OUTPUT"):
        for protocol in ("udp", "tcp"):
            rule = f"{chain} -p {protocol} --dport 7946 -j DROP"
            hosts.run(name, f"iptables {action} {rule}")


def test_a_node_whose_engine_is_down_is_named_and_is_no_failure(swarm: Hosts) -> None:
    swarm.stop_engine("rk2")
    swarm.stop_engine("rk3")
    try:
        run = swarm.pyinfra("-y", *PROVE)
    finally:
        for name in ("rk2", "rk3"):
            swarm.start_engine(name)
            swarm.wait_for_engine(name)
    assert run.returncode == 0, run.output
    assert "[rk2] ! proof | node rk2: takes no part in the proof: its Docker is stopped" in (
        run.output
    )
    assert "[rk1] there are no pairs" in run.output
