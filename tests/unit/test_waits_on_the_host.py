"""What is awaited on a host: by the clock, as long as is announced; run for real with sh."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from operations import autolock, docker, networks, removal, swarm
from operations.engine_api import UNLESS_GONE, WITHIN
from tests.unit.test_swarm_plan import node

GONE = "Error response from daemon: node abc not found"


def run(here: Path, script: str, **stubs: str) -> subprocess.CompletedProcess[str]:
    """Run shell whose commands are these."""
    for name, text in stubs.items():
        (here / name).write_text(f"#!/bin/sh\n{text}\n")
        (here / name).chmod(0o755)
    return subprocess.run(
        ["sh", "-c", f"set -eu\n{script}"],
        env={"PATH": f"{here}:{os.environ['PATH']}", "HERE": str(here)},
        capture_output=True,
        text=True,
        timeout=60,
    )


SCRIPTS = (
    WITHIN,
    docker._BACK_IN_SWARM,
    networks._JOIN_INGRESS,
    networks.MISSES_INGRESS,
    networks._REPLACE_INGRESS,
    removal._DOWN,
    removal._EMPTY,
    swarm._DEMOTE + swarm._DEMOTED,
    swarm._IS_MANAGER,
    swarm._JOINED,
    swarm._PROMOTE,
    swarm._remove_script(node(1)),
    swarm.IS_WORKER,
)


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_is_what_a_shell_understands(tmp_path: Path, script: str) -> None:
    done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_takes_long_to_answer_is_not_asked_more_often_than_there_is_time(
    tmp_path: Path,
) -> None:
    script = removal._EMPTY.replace("300", "2")
    begun = time.monotonic()
    done = run(
        tmp_path, script, docker='echo asked >> "$HERE/asked"; sleep 1; echo "Running 1|web"'
    )
    assert done.returncode == 1
    assert "these have not ended after 2 s: web" in done.stderr
    assert time.monotonic() - begun < 10
    assert len((tmp_path / "asked").read_text().splitlines()) <= 3


def test_what_comes_true_is_not_waited_for_any_longer(tmp_path: Path) -> None:
    flag = '[ -e "$HERE/there" ] && echo "active " || { : > "$HERE/there"; echo pending; }'
    assert run(tmp_path, swarm._JOINED, docker=flag).returncode == 0


def test_networks_that_do_not_come_are_waited_for_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each look at a busy board may take longer than the pause between two."""
    now, looks = [0.0], []

    def look(fact: object) -> object:
        now[0] += 4
        looks.append(now[0])
        return type("Own", (), {"controls": True, "in_ingress": False})

    monkeypatch.setattr(autolock, "observe", look)
    monkeypatch.setattr(autolock, "forget_observations", lambda: None)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    assert not autolock.wait_for_networks()
    assert len(looks) == 3


@pytest.mark.parametrize("script", [f"{UNLESS_GONE}remove_node abc", swarm._remove_script(node(1))])
def test_an_entry_that_somebody_else_has_removed_is_gone(tmp_path: Path, script: str) -> None:
    done = run(tmp_path, script, docker=f'echo "{GONE}" >&2; exit 1')
    assert (done.returncode, done.stderr) == (0, "")


def test_an_entry_that_cannot_be_removed_is_told_in_the_engines_words(tmp_path: Path) -> None:
    script = f"{UNLESS_GONE}remove_node abc".replace("within 90", "within 1")
    done = run(tmp_path, script, docker='echo "node abc is not down" >&2; exit 1')
    assert (done.returncode, done.stderr) == (1, "node abc is not down\n")
    (tmp_path / "docker").unlink()
    done = run(tmp_path, f"docker() {{ nowhere; }}\n{script}")
    assert done.returncode == 1
    assert "nowhere: not found" in done.stderr
