"""The proof of the encryption, held against what the wire carries and against what breaks it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from lab.description import Description
from pyinfra_swarm.proof.exchange import FRAMES
from tests.scenarios.conftest import (
    SITE,
    Run,
    description_of_the_lab,
    load_web_image,
    on_each,
    reasons,
    wait_for,
    without_docker_marks,
)
from tests.scenarios.reports import assert_tells_of_machines_alone
from tests.scenarios.test_firewall_vxlan import captured, gone, manager, network, service

pytestmark = pytest.mark.lifecycle

PROVE = ("-y", "inventory.py", "deploys/prove.py")
NODES = ("node1", "node2", "node3", "node4")

TRACES = r"""
find /etc /usr /opt /root /home /tmp /var/tmp /var/spool /dev/shm /run/docker/netns /run/netns \
  /run/lock /usr/local -xdev 2>/dev/null | sort
docker ps -aq; docker images -q; docker volume ls -q; docker network ls -q
for table in filter nat mangle raw; do iptables-save -t $table | sed '/^[#:]/d'; done
ip -o link | sed 's/^[0-9]*: //; s/ .*//' | sort
ip xfrm state | grep -c ^src
ps -eo args --no-headers | grep -E 'tcpdump|/dev/udp|nsenter' | grep -v grep
systemctl list-units --all --no-legend --plain 'run-*' | grep -v mount
:
"""
"""Shell: everything that a proof could leave behind on a host."""


@pytest.fixture(scope="module")
def found(lab: ModuleType, pyinfra: Callable[..., Run]) -> Description:
    run = pyinfra("-y", *SITE)
    assert run.returncode == 0, run.output
    found = description_of_the_lab()
    load_web_image(NODES)
    return found


def settled(look: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What is seen twice in a row: keys for a new peer come some seconds after its address."""
    last, seen = look(), look()
    deadline = time.monotonic() + 120
    while seen != last:
        assert time.monotonic() < deadline, "the hosts do not come to rest"
        time.sleep(3)
        last, seen = seen, look()
    return seen


def rows(output: str) -> dict[tuple[str, str, str], tuple[bool, list[str]]]:
    """The table: network, from and to; whether the row is marked, and its other cells."""
    pattern = r"^ *(?:\[node\d\])? *(✗?) +(ingress|secret) +(node\d) +(node\d) +(.*)$"
    return {
        (network, sender, receiver): (bool(mark), re.split(" {2,}", cells.strip()))
        for mark, network, sender, receiver, cells in re.findall(pattern, output, re.MULTILINE)
    }


def marked(output: str) -> set[tuple[str, str]]:
    """The pairs that failed in the ingress network."""
    return {
        (sender, receiver)
        for (name, sender, receiver), (failed, _) in rows(output).items()
        if failed and name == "ingress"
    }


def of(node: str) -> set[tuple[str, str]]:
    """The pairs with this node."""
    return {(a, b) for a in NODES for b in NODES if a != b and node in (a, b)}


def test_every_pair_is_proven_in_every_network_without_a_trace(
    lab: ModuleType, found: Description, pyinfra: Callable[..., Run], tmp_path: Path
) -> None:
    """A drained node as well; and the wire saw ESP, and of clear text the forged frames only."""
    network(lab, "secret", "--opt encrypted")
    manager(lab, "docker node update --availability drain node4")
    on_each(["node3"], "mv /usr/bin/tcpdump /usr/bin/tcpdump.away")
    try:
        with service(lab, "everywhere", "--mode global --network secret"):
            wait_for(lambda: ends_of_secret() == {"node1", "node2", "node3"}, "the service's tasks")
            before = settled(lambda: on_each(NODES, TRACES))
            with captured(found, tmp_path / "wire") as count:
                run = pyinfra(*PROVE, env={"SWARM_REASONS": str(tmp_path / "reasons")})
            assert run.returncode == 0, run.output
            assert on_each(NODES, TRACES) == before
            table = rows(run.output)
            assert set(table) == {("ingress", *pair) for node in NODES for pair in of(node)} | {
                ("secret", *pair) for node in NODES[:3] for pair in of(node) if "node4" not in pair
            }
            for failed, (small, full, state, clear) in table.values():
                assert not failed
                assert small.startswith("yes")
                assert re.match(r"14\d\d\b", full)
                assert re.fullmatch(r"ESP [1-9]\d* out, [1-9]\d* in", state)
                assert clear == "dropped"
            assert "18 of 18 pairs" in run.output
            assert "tcpdump watched what left node1, node2, node4." in run.output
            assert "All 4 hosts are as declared" in run.closing
            assert not reasons(tmp_path / "reasons")
            # Four packets a pair: two datagrams, two answers.
            assert count("esp") >= 4 * len(table)
            assert count("udp port 4789") == FRAMES * len(table)
    finally:
        on_each(["node3"], "mv /usr/bin/tcpdump.away /usr/bin/tcpdump")
        manager(lab, "docker node update --availability active node4")
        wait_for(lambda: gone(lab, "secret"), "the network to be removed")


def ends_of_secret() -> set[str]:
    said = on_each(NODES, "ls /run/docker/netns")
    return {node for node, names in said.items() if "lb_" in names}


@contextmanager
def undone(node: str, rule: str, *, table: str = "filter") -> Iterator[None]:
    """A rule of iptables (after ``-A``) deleted by hand and put back at the top."""
    on_each([node], f"set -e; iptables -w -t {table} -D {rule}")
    try:
        yield
    finally:
        chain, _, rest = rule.partition(" ")
        on_each([node], f"iptables -w -t {table} -I {chain} 1 {rest}")


def test_where_esp_is_blocked_the_pairs_of_that_node_fail_and_no_other(
    found: Description, pyinfra: Callable[..., Run]
) -> None:
    on_each(["node2"], "iptables -w -I INPUT 1 -p esp -j DROP")
    try:
        run = pyinfra(*PROVE)
    finally:
        on_each(["node2"], "iptables -w -D INPUT -p esp -j DROP")
    assert run.returncode == 1
    assert marked(run.output) == of("node2")
    for sender in ("node1", "node3", "node4"):
        assert re.search(
            rf"\[{sender}\] ! proof \| ingress from {sender} to node2: \d+ encrypted packets left, "
            r"node2 got none of them\. Let ESP \(IP protocol 50\) pass",
            run.output,
        )
        assert f"not done: {sender}: ingress from {sender} to node2:" in run.closing


def test_a_node_that_does_not_encrypt_is_named_and_whether_its_firewall_stopped_it(
    found: Description, pyinfra: Callable[..., Run]
) -> None:
    with without_docker_marks("node1"):
        stopped = pyinfra(*PROVE)
        with undone("node1", "OUTPUT -j SWARM-OUTPUT"):
            loose = pyinfra(*PROVE)
    assert (stopped.returncode, loose.returncode) == (1, 1)
    assert {("node1", peer) for peer in NODES[1:]} <= marked(stopped.output) <= of("node1")
    missing = "Docker's rule that has this network encrypted is missing"
    assert f"its firewall stops it; {missing}" in stopped.output
    assert re.search(
        r"ingress from node1 to node\d: \d+ packets left node1 in clear text, as tcpdump saw; "
        + missing,
        loose.output,
    )


def test_a_node_that_lets_clear_frames_in_is_found_even_where_all_else_is_well(
    found: Description, pyinfra: Callable[..., Run]
) -> None:
    """So the frames are well made: what drops them elsewhere is the rules."""
    said = on_each(["node2"], "iptables -S INPUT")["node2"]
    [dockers] = re.findall(r"^-A (INPUT .*--pol none.*--dport 4789.*-j DROP)$", said, re.MULTILINE)
    with undone("node2", dockers), undone("node2", "INPUT -j SWARM-INPUT"):
        run = pyinfra(*PROVE)
    assert run.returncode == 1
    assert marked(run.output) == {(a, b) for a, b in of("node2") if b == "node2"}
    assert "node2 lets in frames in clear text" in run.output
    for (name, _, receiver), (_, cells) in rows(run.output).items():
        assert name == "ingress"
        assert cells[-1] == ("LET IN" if receiver == "node2" else "dropped")


def test_where_full_size_packets_do_not_pass_small_ones_do_and_the_mtu_is_named(
    found: Description, pyinfra: Callable[..., Run]
) -> None:
    """The way to a host loses what is larger than 1400 bytes, and nobody is told."""
    too_large = "INPUT -p esp -m length --length 1401:65535 -j DROP"
    on_each(["node3"], f"iptables -w -I {too_large.replace('INPUT', 'INPUT 1')}")
    try:
        run = pyinfra(*PROVE)
    finally:
        on_each(["node3"], f"iptables -w -D {too_large}")
    assert run.returncode == 1
    assert marked(run.output) == {(a, b) for a, b in of("node3") if b == "node3"}
    for (_, sender, receiver), (failed, cells) in rows(run.output).items():
        assert cells[0].startswith("yes"), (sender, receiver)
        assert cells[1].startswith("none of" if failed else "14")
    assert "set networks.mtu" in run.output


def test_with_everything_put_back_every_pair_is_proven_again(
    found: Description, pyinfra: Callable[..., Run], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    run = pyinfra(*PROVE, "--data", f"report={report}")
    assert run.returncode == 0, run.output
    assert "12 of 12 pairs" in run.output
    assert_tells_of_machines_alone(report, found)
