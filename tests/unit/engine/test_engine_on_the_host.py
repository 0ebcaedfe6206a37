"""What cannot be taken back is checked once more on the host: run for real with sh."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pyinfra_swarm.backup.force_new_cluster_operations import clear_script
from pyinfra_swarm.docker.operations import back_in_swarm
from pyinfra_swarm.engine.api import API, LEAVE
from pyinfra_swarm.nodes.programs import still_node, updated
from pyinfra_swarm.removal.operations import wait_until_down, wait_until_empty
from pyinfra_swarm.settings.paths import ROOT
from pyinfra_swarm.swarm.join_operations import (
    AWAIT_JOIN,
    LEAVE_PENDING,
    WORKER_TOKEN,
    clear_dead_entry,
)
from pyinfra_swarm.swarm.roles_operations import AWAIT_WORKER
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


ASKING = {
    "a worker's token": WORKER_TOKEN,
    "it has joined": AWAIT_JOIN,
    "it is a worker": AWAIT_WORKER,
    "a join that is stuck": LEAVE_PENDING,
    "a dead entry": clear_dead_entry(replace(node(1), state="down")),
    "back after a restart": back_in_swarm("manager"),
    "managers that are lost": clear_script("c", "192.0.2.1"),
    "another availability": updated("abc", ["--availability", "drain"]),
    "no task left": wait_until_empty("abc", 1),
    "it is down": wait_until_down("abc", "rk1", 1),
}


@pytest.mark.parametrize("name", ASKING)
def test_root_s_own_settings_send_no_question_to_another_engine(
    machine: Machine, name: str
) -> None:
    programs = {
        "docker": '#!/bin/sh\necho "${DOCKER_HOST-}" >> "$HERE/asked"; exit 1\n',
        "date": '#!/bin/sh\ncat "$HERE/clock"; echo 9999999999 > "$HERE/clock"\n',
        "sleep": "#!/bin/sh\n",
    }
    for program, text in programs.items():
        (machine.here / "bin" / program).write_text(text)
        (machine.here / "bin" / program).chmod(0o755)
    (machine.here / "clock").write_text("0\n")
    theirs = "export DOCKER_HOST=tcp://192.0.2.9\n"
    machine.run(theirs + ASKING[name])
    asked = {*(machine.here / "asked").read_text().split()}
    assert asked == {f"unix://{machine.here}/run/docker.sock"}


RUNS_DOCKER = re.compile(
    r"(?:^|\$\(|\(|\{ |&& |\|\| |; |\btimeout \d+ |\bunless_gone )\s*docker [a-z]", re.MULTILINE
)


def test_a_program_that_runs_docker_stops_unless_it_is_said_which_engine_is_meant() -> None:
    """`engine.api.THIS_ENGINE`, or what has it as a part; else the head of the program ends it."""
    found = [
        path
        for path in (ROOT / "pyinfra_swarm").glob("*/onhost/*.sh")
        if RUNS_DOCKER.search(re.sub(r"^#.*$", "", path.read_text(), flags=re.MULTILINE))
    ]
    assert len(found) > 15
    assert [path.name for path in found if '"${DOCKER_HOST?}"' not in path.read_text()] == []


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
