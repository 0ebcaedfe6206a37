"""What cannot be taken back is checked once more on the host: run for real with sh."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.engine.api import API, LEAVE
from pyinfra_swarm.nodes.programs import still_node
from pyinfra_swarm.swarm.join_operations import LEAVE_PENDING, clear_dead_entry
from tests.builders import node
from tests.tools.pretended_host import (
    Machine,
)


@pytest.mark.parametrize(("node", "leaves"), [("abc", True), ("xyz", False), ("ab", False)])
def test_an_engine_that_is_another_node_by_now_does_not_leave(
    engine: Machine, node: str, leaves: bool
) -> None:
    done = engine.run(f"{API}{still_node(node)}api -X POST '{LEAVE}?force=1'")
    assert (done.returncode == 0) == leaves
    assert bool((engine.here / "destroyed").read_text()) == leaves
    assert leaves or f"is no longer node {node}, so nothing was done" in (done.stderr)


def test_it_is_the_engine_that_leaves_which_says_what_node_it_is(engine: Machine) -> None:
    """Root may have a context of Docker's command line for another host's engine."""
    socket = f"unix://{engine.here}/run/docker.sock"
    (engine.here / "bin/docker").write_text(
        f'#!/bin/sh\n[ "${{DOCKER_HOST-}}" = "{socket}" ] && echo abc || echo xyz\n'
    )
    assert engine.run(f"{API}{still_node('abc')}").returncode == 0
    assert engine.run(f"{API}{still_node('xyz')}").returncode == 1


@pytest.mark.parametrize(
    ("state", "leaves", "goes_on"),
    [
        ("pending", True, True),
        ("error", True, True),
        ("inactive", False, True),  # it has given up by itself
        ("active", False, False),
        ("locked", False, False),
        ("", False, False),  # Docker's command line ends so, with status 0, where nobody answers
    ],
)
def test_a_host_that_was_let_in_meanwhile_does_not_leave(
    engine: Machine, state: str, leaves: bool, goes_on: bool
) -> None:
    (engine.here / "bin/docker").write_text(f"#!/bin/sh\necho {state}\n")
    done = engine.run(LEAVE_PENDING)
    assert (done.returncode == 0) == goes_on
    assert bool((engine.here / "destroyed").read_text()) == leaves


@pytest.mark.parametrize(
    ("planned", "now", "goes"),
    [
        ("down", "down", True),
        ("down", "ready", False),
        ("down", "unknown", True),
        ("ready", "ready", True),  # its own host says that it has left
    ],
)
def test_an_entry_whose_node_has_come_back_stays(
    machine: Machine, planned: str, now: str, goes: bool
) -> None:
    docker = f"""\
#!/bin/sh
case "$*" in "node inspect "*) echo {now} ;; *) echo "$*" >> "$HERE/log" ;; esac
"""
    (machine.here / "bin/docker").write_text(docker)
    done = machine.run(clear_dead_entry(replace(node(1), state=planned)))
    assert (done.returncode == 0) == goes
    assert ("node rm --force" in (machine.here / "log").read_text()) == goes
    assert goes or "has come back, so its entry stays" in done.stderr
