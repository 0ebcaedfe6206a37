"""What is awaited on a host: by the clock, as long as is announced; run for real with sh."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.docker import operations as docker_operations
from pyinfra_swarm.keys import attach_operations as attach
from pyinfra_swarm.networks import operations as networks
from pyinfra_swarm.nodes.programs import REMOVE_NODE
from pyinfra_swarm.removal import operations as removal
from pyinfra_swarm.run import clock
from pyinfra_swarm.run.shell import with_values
from pyinfra_swarm.swarm import join_operations as join
from pyinfra_swarm.swarm import roles_operations as roles
from tests.builders import node
from tests.tools.go_templates import DOCKER
from tests.tools.hostile import CANARY
from tests.tools.pretended_host import recorded

GONE = "Error response from daemon: node abc not found"


def run(here: Path, script: str, **stubs: str) -> subprocess.CompletedProcess[str]:
    """Run shell whose commands are these."""
    for name, text in stubs.items():
        (here / name).write_text(text if text.startswith("#!") else f"#!/bin/sh\n{text}\n")
        (here / name).chmod(0o755)
    return subprocess.run(
        ["sh", "-c", f"set -eu\n{script}"],
        env={"PATH": f"{here}:{os.environ['PATH']}", "HERE": str(here)},
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )


_, NODES, _ = recorded("swarm-state-manager-28.5.2")
[INGRESS] = recorded("docker-ingress-28.5.2")
MANAGER, WORKER = NODES[1], NODES[3]
NOT_PLAIN = f"x;touch {CANARY};$(touch {CANARY})'\"\n touch {CANARY}"
"""What stands for a node's id here; engines have none such, and it would do no harm."""

CURL = """\
for url; do :; done
case $url in
  */update*) printf '%s\\n' "$url" >> "$HERE/updated" ;;
  */nodes) cat "$HERE/nodes" ;;
  */nodes/*) printf '%s\\n' "$url" >> "$HERE/asked"; cat "$HERE/node" ;;
  */networks/ingress) cat "$HERE/ingress" ;;
esac
printf '\\n200'"""
"""The engine, in the words of a real one: 28.5.2's, recorded."""

UNKNOWN = {**WORKER, "Status": {"State": "unknown", "Addr": "192.168.77.14"}}
NOT_REACHED = {**MANAGER, "ManagerStatus": {"Reachability": "unreachable", "Addr": "10.0.0.2:2377"}}
NO_LEADER = [NODES[1], NODES[2]]


@dataclass(frozen=True)
class Wait:
    """A script that waits, with answers at which it ends well, and answers at which it does not.

    answers: of the engine's API by file, else of Docker's command line.
    """

    script: str
    met: Mapping[str, Any]
    unmet: Mapping[str, Any]


def docker(said: str) -> dict[str, str]:
    return {"docker": f"echo '{said}'"}


WAITS = {
    "promoted": Wait(roles.promote(NOT_PLAIN), {"node": MANAGER}, {"node": NOT_REACHED}),
    "demoted": Wait(
        roles.demotion(NOT_PLAIN, itself=False),
        {"node": WORKER, "nodes": NODES},
        {"node": MANAGER, "nodes": NODES},
    ),
    "no leader": Wait(
        roles.demotion(NOT_PLAIN, itself=False),
        {"node": WORKER, "nodes": NODES},
        {"node": WORKER, "nodes": NO_LEADER},
    ),
    "answers": Wait(roles.AWAIT_MANAGER, {"nodes": NODES}, {"curl": "exit 7"}),
    "worker": Wait(roles.AWAIT_WORKER, docker("active false"), docker("active true")),
    "joined": Wait(join.AWAIT_JOIN, docker("active "), docker("pending ")),
    "empty": Wait(
        removal.wait_until_empty(NOT_PLAIN, 300),
        docker("Shutdown 2 hours ago|web.1"),
        docker("Running 2 hours ago|web.1"),
    ),
    "down": Wait(
        removal.wait_until_down(NOT_PLAIN, NOT_PLAIN, 120), docker("down"), docker("ready")
    ),
    "ingress": Wait(
        networks.ATTACHED + networks.AWAIT_ATTACHED,
        {"ingress": INGRESS},
        {"ingress": {"Containers": {}}},
    ),
    "removed": Wait(
        with_values(f'{REMOVE_NODE}remove_node "$node"', node=NOT_PLAIN),
        docker(NOT_PLAIN.replace("'", "")),
        {"docker": "echo 'node is not down and can'\\''t be removed' >&2; exit 1"},
    ),
    "back as a manager": Wait(
        docker_operations.back_in_swarm("manager"),
        {"docker": "case $1 in info) echo active ;; *) echo reachable ;; esac"},
        {"docker": "case $1 in info) echo active ;; *) echo unreachable ;; esac"},
    ),
}


def ends(here: Path, script: str, answers: Mapping[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run a wait, where all of the time is over when its condition has been looked at."""
    programs = {"curl": CURL, "sleep": ":", "date": _CLOCK, "docker": DOCKER}
    (here / "clock").write_text("0")
    for name, said in answers.items():
        if isinstance(said, str):
            programs[name] = said
        else:
            (here / name).write_text(json.dumps(said, separators=(",", ":")))
    return run(here, script, **programs)


_CLOCK = 'read -r now < "$HERE/clock"; echo $now; echo $((now + 100)) > "$HERE/clock"'


@pytest.mark.parametrize("name", WAITS)
def test_a_wait_ends_when_it_is_so_and_says_so_when_it_is_not(tmp_path: Path, name: str) -> None:
    wait = WAITS[name]
    done = ends(tmp_path, wait.script, wait.met)
    assert (done.returncode, done.stderr) == (0, "")
    done = ends(tmp_path, wait.script, wait.unmet)
    assert done.returncode != 0
    assert done.stderr
    assert not list(tmp_path.glob(f"**/{CANARY}"))


def test_a_node_is_asked_for_by_the_id_that_was_given(tmp_path: Path) -> None:
    assert ends(tmp_path, WAITS["promoted"].script, {"node": MANAGER}).returncode == 0
    said = (tmp_path / "updated").read_text()
    assert (
        said == f"http://localhost/nodes/{NOT_PLAIN}/update?version={MANAGER['Version']['Index']}\n"
    )
    assert set((tmp_path / "inspected").read_text().split("\n")) == {*NOT_PLAIN.split("\n"), ""}


def test_what_dockers_command_line_says_beside_its_answer_is_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text(DOCKER)
    warns = 'echo "WARNING: Error loading config file" >&2; sh "$HERE/answers" "$@"'
    done = ends(tmp_path, WAITS["promoted"].script, {"node": MANAGER, "docker": warns})
    assert done.returncode == 0, done.stderr


def test_labels_that_are_called_as_what_is_awaited_are_not_taken_for_it(tmp_path: Path) -> None:
    """A worker's engine gives itself labels, which the managers repeat."""
    labels = {"Reachability": "reachable", "ManagerStatus": "{", "State": "unknown"}
    promoted, demoted = WAITS["promoted"].script, WAITS["demoted"].script
    for where in ("Spec", "Description"):
        named = {**NOT_REACHED, where: {**NOT_REACHED[where], "Labels": labels}}
        assert ends(tmp_path, promoted, {"node": named}).returncode != 0
        named = {**WORKER, where: {**WORKER[where], "Labels": labels}}
        assert ends(tmp_path, demoted, {"node": named, "nodes": [*NODES, named]}).returncode == 0


def test_who_the_new_leader_has_not_heard_of_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    done = ends(tmp_path, WAITS["demoted"].script, {"node": WORKER, "nodes": [*NODES, UNKNOWN]})
    assert (done.returncode, done.stderr) == (0, "")


def test_every_node_is_told_of_the_new_ingress_network_and_nothing_else_is(tmp_path: Path) -> None:
    """By entries' own ids: an engine may label itself with anything, and the managers repeat it."""
    nodes = json.loads(json.dumps(NODES))
    nodes[3]["Description"]["Engine"]["Labels"] = {"ID": "../services/web", "x": '{"ID":"evil"'}
    (tmp_path / "gone").touch()
    curl = f"""\
case "$*" in
  *networks/ingress)
    if [ -e "$HERE/gone" ]; then printf '\\n404'; exit; fi
    cat "$HERE/ingress" ;;
  *networks/create) rm "$HERE/gone" ;;
  *) {CURL}; exit ;;
esac
printf '\\n200'"""
    answers = {"curl": curl, "nodes": nodes, "node": MANAGER, "ingress": INGRESS}
    done = ends(tmp_path, f"pause=0\n{networks.REPLACE_INGRESS}", answers)
    assert (done.returncode, done.stderr) == (0, "")
    told = {url.split("/")[-2] for url in (tmp_path / "updated").read_text().splitlines()}
    assert told == {node["ID"] for node in NODES}


def test_nodes_that_cannot_be_listed_are_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text(DOCKER)
    docker = 'case "$*" in "node ls"*) exit 1 ;; esac; sh "$HERE/answers" "$@"'
    curl = f"""\
case "$*" in
  *networks/ingress) [ -e "$HERE/made" ] && cat "$HERE/ingress" || {{ printf '\\n404'; exit; }} ;;
  *networks/create) : > "$HERE/made" ;;
  *) {CURL}; exit ;;
esac
printf '\\n200'"""
    answers = {"curl": curl, "docker": docker, "node": MANAGER, "ingress": INGRESS}
    assert ends(tmp_path, networks.REPLACE_INGRESS, answers).returncode == 1
    assert (tmp_path / "made").exists()


def test_what_takes_long_to_answer_is_not_asked_more_often_than_there_is_time(
    tmp_path: Path,
) -> None:
    script = removal.wait_until_empty("abc", 2)
    begun = time.monotonic()
    done = run(
        tmp_path, script, docker='echo asked >> "$HERE/asked"; sleep 1; echo "Running 1|web"'
    )
    assert done.returncode == 1
    assert "tasks that have not ended after 2 s: web." in done.stderr
    assert time.monotonic() - begun < 10
    assert len((tmp_path / "asked").read_text().splitlines()) <= 3


def test_what_comes_true_is_not_waited_for_any_longer(tmp_path: Path) -> None:
    flag = '[ -e "$HERE/there" ] && echo "active " || { : > "$HERE/there"; echo pending; }'
    assert run(tmp_path, join.AWAIT_JOIN, docker=flag).returncode == 0


def test_networks_that_do_not_come_are_waited_for_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each look at a busy board may take longer than the pause between two."""
    now, looks = [0.0], []

    def look(fact: object) -> object:
        now[0] += 4
        looks.append(now[0])
        return type("Own", (), {"controls": True, "in_ingress": False})

    monkeypatch.setattr(attach, "observe", look)
    monkeypatch.setattr(attach, "forget_observations", lambda: None)
    monkeypatch.setattr(clock, "now", lambda: now[0])
    monkeypatch.setattr(attach, "pause", lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert not attach.wait_for_networks()
    assert len(looks) == 3


@pytest.mark.parametrize(
    "script", [f"{REMOVE_NODE}remove_node abc", join.clear_dead_entry(node(1))]
)
def test_an_entry_that_somebody_else_has_removed_is_gone(tmp_path: Path, script: str) -> None:
    done = run(tmp_path, script, docker=f'echo "{GONE}" >&2; exit 1')
    assert (done.returncode, done.stderr) == (0, "")


def test_an_entry_that_cannot_be_removed_is_told_in_the_engines_words(tmp_path: Path) -> None:
    script = f"{REMOVE_NODE}remove_node abc".replace("within 90", "within 1")
    done = run(tmp_path, script, docker='echo "node abc is not down" >&2; exit 1')
    assert (done.returncode, done.stderr) == (1, "node abc is not down\n")
    (tmp_path / "docker").unlink()
    done = run(tmp_path, f"docker() {{ nowhere; }}\n{script}")
    assert done.returncode == 1
    assert "nowhere: not found" in done.stderr


@pytest.mark.parametrize(("at", "asked"), [("10.0.0.4", True), ("10.0.0.2", False), ("", False)])
def test_a_host_that_has_joined_has_only_its_own_node_looked_at_again(
    tmp_path: Path, at: str, asked: bool
) -> None:
    """It says itself which node it is; the managers know where that is."""
    script = join.attach_again(WORKER["ID"], "10.0.0.4")
    found = {**WORKER, "Status": {**WORKER["Status"], "Addr": at}}
    done = ends(tmp_path, script, {"node": found})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "updated").exists() == asked
