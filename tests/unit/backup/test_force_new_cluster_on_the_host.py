"""How one manager continues alone: run for real with sh, on a pretended host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from pyinfra_swarm.backup import force_new_cluster_operations as force
from pyinfra_swarm.backup import restore_operations as restore
from tests.tools.pretended_host import (
    ALL,
    NODES,
    ONE_LOST,
    Machine,
    as_json,
)


@pytest.mark.parametrize("what", [restore.put_back_script, force.replace_key_script])
def test_an_engine_that_does_not_stop_keeps_its_socket(
    machine: Machine, what: Callable[[str], str]
) -> None:
    (machine.here / "stuck").touch()
    (machine.here / "var/lib/docker/swarm/docker-state.json").write_text("")
    (machine.here / "var/lib/docker/swarm/certificates").mkdir()
    (machine.here / "bin/base64").write_text("#!/bin/sh\ncat\n")
    digest = hashlib.sha256(b"whole").hexdigest()
    (machine.here / "bin/tar").write_text("#!/bin/sh\n")
    for name in ("base64", "tar"):
        (machine.here / "bin" / name).chmod(0o755)
    done = machine.run(what(digest), "whole")
    assert done.returncode != 0
    assert machine.count("stop docker.socket") == 1
    assert machine.count("start docker.socket") == 1, done.stderr


def test_a_list_of_nodes_that_cannot_be_had_is_no_empty_one(machine: Machine) -> None:
    docker = """\
#!/bin/sh
case "$*" in
  *LocalNodeState*) echo "active true abc" ;;
  *NodeAddr*) echo 10.0.0.1 ;;
  "node ls -q") echo "no leader" >&2; exit 1 ;;
esac
"""
    (machine.here / "bin/docker").write_text(docker)
    done = machine.run(force.clear_script("abc", "10.0.0.1"))
    assert done.returncode != 0
    assert "no leader" in done.stderr


LOG = "See `sudo journalctl -u docker`, then run the same command again"


@pytest.mark.parametrize(
    ("docker", "words"),
    [
        ('echo "pending no leader"', f"pending no leader. {LOG}"),
        ('echo "locked "', f"locked. {LOG}"),
        ("exit 1", f"its engine does not answer. {LOG}"),
        (
            'echo "pending The swarm does not have a leader. Make sure they are online."',
            "pending The swarm does not have a leader. Make sure they are online. If its other "
            "managers are lost for good: `pyinfra inventory.py deploys/recover.py`",
        ),
    ],
)
def test_a_manager_that_does_not_answer_in_time_is_told_with_the_reason(
    machine: Machine, docker: str, words: str
) -> None:
    clock = '#!/bin/sh\necho . >> "$HERE/clock"\necho $(($(wc -l < "$HERE/clock") * 100))\n'
    for name, text in (("docker", f"#!/bin/sh\n{docker}\n"), ("date", clock)):
        (machine.here / "bin" / name).write_text(text)
        (machine.here / "bin" / name).chmod(0o755)
    done = machine.run(force.clear_script("abc", "10.0.0.1"))
    assert done.returncode == 1
    assert f"this manager did not answer for swarm abc within 120 s: {words}\n" in done.stderr


def test_an_entry_that_somebody_else_has_removed_is_gone(machine: Machine) -> None:
    docker = """\
#!/bin/sh
case "$*" in
  *LocalNodeState*) echo "active true abc" ;;
  *NodeAddr*) echo 10.0.0.1 ;;
  "node ls -q") printf 'n1\\nn2\\nn3\\n' ;;
  "node inspect "*) printf 'n1 manager ready member\\nn2 manager down \\nn3 manager unknown \\n' ;;
  *n2) echo "Error response from daemon: node n2 not found" >&2; exit 1 ;;
  *n3) echo "removed n3" >> "$HERE/log" ;;
  *) echo "unexpected: $*" >&2; exit 1 ;;
esac
"""
    (machine.here / "bin/docker").write_text(docker)
    done = machine.run(force.clear_script("abc", "10.0.0.1"))
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.count("removed n3") == 1


def forced(engine: Machine, unless: str) -> tuple[int, str, str]:
    script = force.force_script(unless).replace("within 10", "within 1")
    done = engine.run(script, "{}")
    return done.returncode, done.stderr, (engine.here / "destroyed").read_text()


def test_a_manager_that_answers_for_the_swarm_forces_nothing(engine: Machine) -> None:
    (engine.here / "answers").touch()
    status, said, destroyed = forced(engine, force.UNLESS_IT_ANSWERS)
    assert (status, destroyed) == (1, "")
    assert "this manager answers for the swarm, so there is a quorum again" in said


def test_a_manager_without_a_quorum_continues_alone(engine: Machine) -> None:
    status, said, destroyed = forced(engine, force.UNLESS_IT_ANSWERS)
    assert (status, said, destroyed) == (0, "", "http://localhost/swarm/init\n")


def test_a_quorum_that_comes_back_within_seconds_is_waited_for(engine: Machine) -> None:
    (engine.here / "bin/sleep").write_text('#!/bin/sh\n: > "$HERE/answers"\n')
    status, _, destroyed = forced(engine, force.UNLESS_IT_ANSWERS)
    assert (status, destroyed) == (1, "")


@pytest.mark.parametrize(
    ("nodes", "forces"), [(ALL, False), (as_json(NODES[:1]), True), (ONE_LOST, False)]
)
def test_a_restored_swarm_is_not_forced_beside_its_other_managers(
    engine: Machine, nodes: str, forces: bool
) -> None:
    (engine.here / "answers").touch()
    (engine.here / "nodes").write_text(nodes)
    status, said, destroyed = forced(engine, force.UNLESS_OTHERS_ANSWER)
    assert (status == 0, bool(destroyed)) == (forces, forces)
    assert forces or "other managers of this swarm answer" in said
