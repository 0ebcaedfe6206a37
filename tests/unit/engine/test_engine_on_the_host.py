"""What a host does around its stopped engine: run for real with sh, on a pretended host."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.backup import force_new_cluster_operations as force
from pyinfra_swarm.backup import restore_operations as restore
from pyinfra_swarm.backup import save_operations as backup
from pyinfra_swarm.backup.archive import NEEDED, rebuilt
from pyinfra_swarm.engine.api import API, LEAVE
from pyinfra_swarm.keys import attach_operations as attach
from pyinfra_swarm.nodes.programs import still_node
from pyinfra_swarm.run.answer import asked, sections
from pyinfra_swarm.swarm.join_operations import LEAVE_PENDING, clear_dead_entry
from tests.builders import node
from tests.unit.backup.test_archive import state
from tests.unit.run.test_refused_on_this_side import CHOICE

SYSTEMCTL = """\
#!/bin/sh
echo "$*" >> "$HERE/log"
case "$*" in
  "is-active docker.socket") ;;
  "reset-failed "*) : > "$HERE/burst" ;;
  "start docker")
    echo start >> "$HERE/burst"; [ "$(wc -l < "$HERE/burst")" -le 3 ] || exit 1
    echo $$ >> "$HERE/starts"; echo 1 > "$HERE/run/docker.pid"
    [ "$(wc -l < "$HERE/starts")" -lt "$CONNECTS_AT" ] || : > "$HERE/connected"
    [ ! -e "$HERE/later" ] || mv "$HERE/later" "$HERE/nodes" ;;
  "stop docker") [ ! -e "$HERE/stuck" ] || exit 1; rm -f "$HERE/run/docker.pid" "$HERE/connected" ;;
esac
"""
"""systemd with the limit that docker's unit has: three starts within a minute."""

CURL = """\
#!/bin/sh
for url; do :; done
case "$*" in
  */networks/ingress)
    if [ -e "$HERE/connected" ]; then cat "$HERE/ingress"; else echo '{"Containers":{}}'; fi ;;
  */nodes) cat "$HERE/nodes" ;;
  */nodes/*) cat "$HERE/node" ;;
esac
printf '\\n200'
"""
"""The engine, in the words of a real one: 28.5.2's, recorded."""

FIXTURES = Path(__file__).parents[1] / "fixtures"


def recorded(name: str) -> list[Any]:
    """The documents that an engine has answered, in order."""
    lines = (FIXTURES / f"{name}.txt").read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith(("{", "["))]


_, NODES, _ = recorded("swarm-state-manager-28.5.2")
[INGRESS] = recorded("docker-ingress-28.5.2")


def as_json(document: object) -> str:
    """JSON as engines write it."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def with_managers(*reachabilities: str) -> str:
    """The recorded list, whose three managers are so."""
    nodes: list[Any] = json.loads(as_json(NODES))
    managers = [one for one in nodes if "ManagerStatus" in one]
    for one, word in zip(managers, reachabilities, strict=True):
        one["ManagerStatus"]["Reachability"] = word
    return as_json(nodes)


ALL = with_managers("reachable", "reachable", "reachable")
ONE_LOST = with_managers("reachable", "reachable", "unreachable")


@dataclass
class Machine:
    """A host whose paths lie in a folder, and whose engine and systemd only pretend."""

    here: Path
    connects_at: int = 1

    def run(self, script: str, text: str = "") -> subprocess.CompletedProcess[str]:
        for place in ("/run/", "/var/lib/docker"):
            script = script.replace(place, f"{self.here}{place}")
        return subprocess.run(
            ["sh", "-c", f"set -eu\n{script}"],
            input=text,
            env={
                "PATH": f"{self.here}/bin:{os.environ['PATH']}",
                "HERE": str(self.here),
                "CONNECTS_AT": str(self.connects_at),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    def save(self) -> tuple[str, str]:
        """The status, and what is said, of a backup."""
        done = self.run(asked(backup.save_script(CHOICE)))
        found = sections(done.stdout.splitlines())
        return found["status"][0], "; ".join(found["log"])

    def count(self, command: str) -> int:
        return (self.here / "log").read_text().splitlines().count(command)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for folder in ("bin", "run", "var/lib/docker/swarm"):
        (tmp_path / folder).mkdir(parents=True)
    for name, text in {"systemctl": SYSTEMCTL, "curl": CURL, "docker": "#!/bin/sh\n"}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    for name, text in {
        "var/lib/docker/swarm/docker-state.json": "{}",
        "run/docker.pid": "1\n",
        "nodes": ALL,
        "node": as_json(NODES[1]),
        "ingress": as_json(INGRESS),
        "burst": "",
        "log": "",
        "connected": "",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(backup, "PATIENCE", 0, raising=False)
    return Machine(tmp_path)


def test_an_engine_in_no_network_is_started_until_it_is_in_them(machine: Machine) -> None:
    machine.connects_at = 5
    assert machine.save() == ("0", "")
    assert machine.count("start docker") == machine.count("stop docker") == 5
    assert machine.count("start docker.socket") == 5


def test_it_is_not_started_for_ever(machine: Machine) -> None:
    machine.connects_at = 99
    status, said = machine.save()
    assert status == "1"
    assert "it is in no overlay network" in said
    assert machine.count("start docker") == attach.ATTEMPTS + 1


def test_one_that_was_in_no_network_before_is_left_as_it_was(machine: Machine) -> None:
    (machine.here / "connected").unlink()
    machine.connects_at = 99
    assert machine.save() == ("0", "")
    assert machine.count("start docker") == 1


def test_it_is_not_stopped_once_more_while_another_manager_is_lost(machine: Machine) -> None:
    machine.connects_at = 99
    (machine.here / "later").write_text(ONE_LOST)
    status, said = machine.save()
    assert status == "1"
    assert "not done, since too few of the other managers are reachable" in said
    assert machine.count("stop docker") == machine.count("start docker") == 1


LABELS = {"Reachability": "reachable", "State": "ready", "ManagerStatus": "{}", "Leader": "true"}


def in_another_order(nodes: list[Any]) -> list[Any]:
    """What a later release might write: each manager's status and its reachability elsewhere."""
    for one in nodes:
        if status := one.pop("ManagerStatus", None):
            one["ManagerStatus"] = dict(reversed(status.items()))
        for part in ("Version", "Description"):
            one[part] = one.pop(part)
    return nodes


def labelled_by_a_worker(nodes: list[Any]) -> list[Any]:
    """A worker's engine gives itself labels (daemon.json), which the managers repeat."""
    nodes[-1]["Description"]["Engine"]["Labels"] = LABELS
    nodes[-1]["Spec"]["Labels"] = LABELS
    return nodes


@pytest.mark.parametrize("changed", [in_another_order, labelled_by_a_worker])
@pytest.mark.parametrize(("listed", "spared"), [(ALL, True), (ONE_LOST, False)])
def test_who_is_a_reachable_manager_does_not_depend_on_other_words(
    machine: Machine, changed: Callable[[list[Any]], list[Any]], listed: str, spared: bool
) -> None:
    (machine.here / "nodes").write_text(as_json(changed(json.loads(listed))))
    status, said = machine.save()
    assert (status, "too few of the other managers" in said) == ("0" if spared else "1", not spared)


@pytest.mark.parametrize(
    "instead",
    [
        {"Status": {"State": "down"}},
        {"ManagerStatus": {"Reachability": "unreachable", "Addr": "192.168.77.12:2377"}},
        {"ManagerStatus": None},
    ],
)
def test_a_manager_is_back_when_the_others_reach_it(
    machine: Machine, instead: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "BACK_WITHIN", 0)
    node = {key: value for key, value in {**NODES[1], **instead}.items() if value}
    node["Spec"] = {**node["Spec"], "Labels": LABELS}
    (machine.here / "node").write_text(as_json(node))
    status, said = machine.save()
    assert status == "1"
    assert "it is not a reachable manager after 0 s" in said


def test_a_manager_that_is_lost_while_tasks_move_keeps_the_engine_running(
    machine: Machine,
) -> None:
    (machine.here / "nodes").write_text(ONE_LOST)
    status, said = machine.save()
    assert status == "1"
    assert "the engine was not stopped: too few of the other managers are reachable" in said
    assert machine.count("stop docker") == 0


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


def test_a_state_is_put_back_with_no_more_of_it_on_the_disk_than_the_engine_needs(
    machine: Machine,
) -> None:
    """It may be unlocked, and what was on flash once can be read there for long."""
    (machine.here / "var/lib/docker/swarm/docker-state.json").unlink()
    (machine.here / "run/pyinfra-swarm-restore.old").mkdir()
    watch = 'find "$HERE" -type f >> "$HERE/files"\nexec "$HERE/bin/real" "$@"\n'
    (machine.here / "bin/systemctl").rename(machine.here / "bin/real")
    (machine.here / "bin/systemctl").write_text(f"#!/bin/sh\n{watch}")
    (machine.here / "bin/systemctl").chmod(0o755)
    archive = rebuilt(state())
    sent = base64.encodebytes(archive).decode()
    digest = hashlib.sha256(archive).hexdigest()
    done = machine.run(restore.put_back_script(digest), sent)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.count("start docker") == 1
    there = {str(path.relative_to(machine.here)) for path in machine.here.rglob("*")}
    assert {f"var/lib/docker/{name}" for name in NEEDED} < there
    assert not [name for name in there if "restore" in name]
    while_stopped = (machine.here / "files").read_text()
    kept = [line for line in while_stopped.splitlines() if "restore" in line]
    assert kept, "the engine was not stopped while the state was ready beside it"
    assert all("/var/lib/docker/.swarm-restore/swarm/" in line for line in kept)


def test_a_state_that_has_not_arrived_whole_leaves_nothing_behind(machine: Machine) -> None:
    (machine.here / "var/lib/docker/swarm/docker-state.json").unlink()
    digest = hashlib.sha256(b"another").hexdigest()
    done = machine.run(restore.put_back_script(digest), "d2hvbGU=")
    assert done.returncode == 1
    assert "the state has not arrived whole" in done.stderr
    assert not [path for path in machine.here.rglob("*") if "restore" in path.name]
    assert machine.count("stop docker") == 0


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


def test_a_ghost_that_somebody_else_has_removed_is_gone(machine: Machine) -> None:
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


# What cannot be taken back looks once more, on the host, right before
# ---------------------------------------------------------------------

DESTROYING = """\
#!/bin/sh
echo "$*" >> "$HERE/log"
for url; do :; done
case "$*" in
  */nodes) [ -e "$HERE/answers" ] || { printf 'no leader\\n500'; exit; }; cat "$HERE/nodes" ;;
  */swarm/*) echo "$url" >> "$HERE/destroyed" ;;
esac
printf '\\n200'
"""


@pytest.fixture
def engine(machine: Machine) -> Machine:
    """A machine whose engine says what it is asked to, and what it is told to do."""
    (machine.here / "bin/curl").write_text(DESTROYING)
    (machine.here / "bin/sleep").write_text("#!/bin/sh\n")
    (machine.here / "bin/sleep").chmod(0o755)
    (machine.here / "destroyed").touch()
    (machine.here / "bin/docker").write_text("#!/bin/sh\necho abc\n")
    return machine


def forced(engine: Machine, unless: str) -> tuple[int, str, str]:
    script = force.force_script(unless).replace("within 10", "within 1")
    done = engine.run(script, "{}")
    return done.returncode, done.stderr, (engine.here / "destroyed").read_text()


def test_a_manager_that_answers_for_the_swarm_forces_nothing(engine: Machine) -> None:
    (engine.here / "answers").touch()
    status, said, destroyed = forced(engine, force.UNLESS_IT_ANSWERS)
    assert (status, destroyed) == (1, "")
    assert "this manager answers for the swarm, so there is a quorum again" in said


def test_a_manager_without_a_quorum_goes_on_alone(engine: Machine) -> None:
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


@pytest.mark.parametrize(("node", "leaves"), [("abc", True), ("xyz", False), ("ab", False)])
def test_an_engine_that_is_another_node_by_now_does_not_leave(
    engine: Machine, node: str, leaves: bool
) -> None:
    done = engine.run(f"{API}{still_node(node)}api -X POST '{LEAVE}?force=1'")
    assert (done.returncode == 0) == leaves
    assert bool((engine.here / "destroyed").read_text()) == leaves
    assert leaves or f"is no longer node {node}, so nothing was done" in (done.stderr)


@pytest.mark.parametrize(
    ("state", "leaves", "goes_on"),
    [
        ("pending", True, True),
        ("error", True, True),
        ("inactive", False, True),  # it has given up by itself
        ("active", False, False),
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


def test_a_state_that_appears_while_the_engine_is_stopped_is_not_overwritten(
    machine: Machine,
) -> None:
    state = machine.here / "var/lib/docker/swarm/docker-state.json"
    state.write_text("")
    (machine.here / "bin/base64").write_text("#!/bin/sh\ncat\n")
    (machine.here / "bin/tar").write_text("#!/bin/sh\n")
    joined = f'case "$*" in "stop docker") echo joined > {state} ;; esac\n'
    systemctl = SYSTEMCTL.replace("#!/bin/sh\n", f"#!/bin/sh\n{joined}")
    (machine.here / "bin/systemctl").write_text(systemctl)
    for name in ("base64", "tar"):
        (machine.here / "bin" / name).chmod(0o755)
    digest = hashlib.sha256(b"whole").hexdigest()
    done = machine.run(restore.put_back_script(digest), "whole")
    assert done.returncode == 1
    assert "this host already has the state of a swarm" in done.stderr
    assert state.read_text() == "joined\n"
    assert machine.count("start docker") == 1
