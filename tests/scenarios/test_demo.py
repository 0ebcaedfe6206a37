"""`make demo`, as a newcomer runs it: from nothing to a cluster that is shown; then it is gone.

It brings up a lab of its own, so it is not for a session in which one is up.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from lab import api, lock
from tests.scenarios.conftest import ROOT, Run, description_of_the_lab, environment
from tests.tools import must_run

pytestmark = pytest.mark.lifecycle

NAMES = ("node1", "node2", "node3", "node4")
ORDER = ("first", "second")
"""The passwords of the demo's stack."""


def run() -> Run:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "scripts/demo.py"],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=800,
    )
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


@pytest.fixture(scope="module")
def demo() -> Iterator[Run]:
    if lock.is_held():
        must_run.give_up("a lab is up, and the demo brings up one of its own (make lab-down)")
    try:
        yield run()
    finally:
        api.down()


def table(said: Run, first: str) -> list[list[str]]:
    """The rows of the table whose first column has this title."""
    lines = said.stdout.splitlines()
    [begin] = [n for n, line in enumerate(lines) if line.startswith(f"  {first}  ")]
    rows = []
    for line in lines[begin + 1 :]:
        if not line.startswith("  "):
            break
        rows.append(re.split(r" {2,}", line.strip()))
    return rows


def test_everything_was_as_promised(demo: Run) -> None:
    assert demo.returncode == 0, demo.output
    print(f"the demo took {demo.seconds:.0f} s")


def test_the_nodes_are_shown_with_their_roles(demo: Run) -> None:
    nodes = {row[0]: row[1:4] for row in table(demo, "node")}
    assert [role for role, _, _ in nodes.values() if "leader" in role] == ["manager, leader"]
    assert {name: row[0].partition(",")[0] for name, row in nodes.items()} == {
        **dict.fromkeys(NAMES[:3], "manager"),
        NAMES[3]: "worker",
    }
    assert {tuple(row[1:]) for row in nodes.values()} == {("ready", "active")}


def test_the_ingress_network_is_shown_to_be_encrypted(demo: Run) -> None:
    assert re.search(r"^  ingress network: 10\.201\.0\.0/24, encrypted$", demo.stdout, re.MULTILINE)


def test_the_service_answers_through_every_node_and_no_stranger(demo: Run) -> None:
    rows = table(demo, "asked at")
    assert [row[0].partition(" ")[0] for row in rows] == [*NAMES]
    assert all(int(row[1]) > 0 for row in rows)
    assert "no answer" not in "".join(row[2] for row in rows)
    assert "got no answer anywhere" in demo.stdout
    for host in description_of_the_lab().hosts:  # it stays up, to play with
        answer = api.in_namespace(
            "cloudflare", ["curl", "-fsS", "-m", "5", f"http://{host.address}/cgi-bin/hostname"]
        )
        assert answer.returncode == 0, answer.stderr


def test_the_status_says_who_reaches_the_service(demo: Run) -> None:
    assert "4 of 4 nodes ready; 3 of 3 managers reachable, 1 more may fail" in demo.stdout
    [row] = table(demo, "service")
    assert row == ["web", "2/2", "80/tcp", "Cloudflare"]


def test_esp_is_seen_on_the_wire_and_nothing_in_clear_text(demo: Run) -> None:
    *pairs, together = table(demo, "on the wire between")
    assert together[0] == "all together"
    assert int(together[1]) == sum(int(row[1]) for row in pairs) > 0
    assert together[2] == "0"


def test_the_second_run_and_what_to_type_next_are_shown(demo: Run) -> None:
    took = {row[0] for row in table(demo, "four hosts answer SSH")}
    assert took == {
        "first run of the deploy",
        "second run of the deploy",
        "a stack, and its secret rotated",
        "everything",
    }
    assert "pyinfra-swarm lab ssh node1" in demo.stdout
    assert "make lab-down" in demo.stdout


def test_a_secret_is_rotated_and_no_request_is_lost(demo: Run) -> None:
    rows = table(demo, "requests to")
    assert [row[0] for row in rows] == [*NAMES]
    assert all(int(row[1]) > 0 for row in rows)
    assert {row[2] for row in rows} == {"0"}
    [digests] = re.findall(r"the digest (\w+)…, now one with (\w+)…", demo.stdout)
    assert [hashlib.sha256(f"the {n} password".encode()).hexdigest()[:12] for n in ORDER] == [
        *digests
    ]


def test_it_does_not_begin_on_a_lab_that_is_up(demo: Run) -> None:
    again = run()
    assert again.returncode == 1
    assert again.stderr.startswith("demo: a lab is up already, and the demo begins with fresh")
    assert "make demo DEMO_KEEP=1" in again.stderr
    assert again.stdout == ""
