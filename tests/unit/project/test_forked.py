"""Runs in forks, which the tests take for runs of an interpreter of their own."""

from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked

BOARDS = """
[[hosts]]
name = "rk1"
address = "192.168.1.11"
ssh_host = "127.0.0.1"
ssh_port = 1
role = "manager"
"""


def test_a_fork_says_what_an_interpreter_of_its_own_says(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(BOARDS)
    argv = [sys.executable, "-P", "-m", "pyinfra", "--dry", "inventory.py", "deploys/site.py"]
    env = {**os.environ, "SWARM_SETTINGS": str(tmp_path / "cluster.toml")}
    alone = subprocess.run(
        argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    fork = forked.run(argv, cwd=ROOT, env=env)
    assert "Could not connect" in fork.stderr
    took = re.compile(r"after \d+:\d\d")
    told = [(each.returncode, each.stdout, took.sub("", each.stderr)) for each in (alone, fork)]
    assert told[0] == told[1]


CALLED = {
    *("os.getenv", "os.getcwd", "os.getpid", "Path.cwd", "Path.home", "time.time"),
    *("sys.stdout.isatty", "sys.stderr.isatty", "sys.stdin.isatty"),
}
LOOKED_INTO = {"os.environ", "sys.argv", "sys.path"}


def test_nothing_of_ours_asks_who_runs_it_while_it_is_imported() -> None:
    """A fork could not tell it anything else: there it has been imported before."""
    asks = []
    for path in (ROOT / "pyinfra_swarm").rglob("*.py"):
        for node in _at_once(ast.parse(path.read_text(encoding="utf-8"))):
            if (isinstance(node, ast.Call) and ast.unparse(node.func) in CALLED) or (
                isinstance(node, ast.Attribute | ast.Subscript)
                and ast.unparse(node.value) in LOOKED_INTO
            ):
                asks.append((path.relative_to(ROOT).as_posix(), ast.unparse(node)))
    assert asks == []


def _at_once(node: ast.AST) -> list[ast.AST]:
    """What an import carries out: all but the bodies of functions."""
    found = [node]
    for inner in ast.iter_child_nodes(node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and inner in node.body:
            continue
        if not (isinstance(node, ast.Lambda) and inner is node.body):
            found += _at_once(inner)
    return found


SAYS = """
import os, signal, sys, time
print(os.getcwd(), os.environ["WORD"], *sys.argv[1:], flush=True)
if sys.argv[1] == "exits":
    sys.exit(3)
if sys.argv[1] == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
signal.signal(signal.SIGINT, signal.SIG_DFL)  # gevent loses one that comes before its first wait
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.fixture
def says(tmp_path: Path) -> Path:
    (tmp_path / "says.py").write_text(SAYS)
    return tmp_path


def _program(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [forked.python(), "-m", "says", *words],
        cwd=folder,
        env={**os.environ, "WORD": "so"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("how", "code"), [("exits", 3), ("dies", -signal.SIGKILL)])
def test_what_stands_in_for_an_interpreter_ends_as_one(says: Path, how: str, code: int) -> None:
    process = _program(says, how, "a b")
    assert process.communicate(timeout=30)[0] == f"{says} so {how} a b\n"
    assert process.returncode == code
    env = {**os.environ, "WORD": "so"}
    ran = forked.run([sys.executable, "-m", "says", how], cwd=says, env=env)
    assert (ran.returncode, ran.stdout) == (code, f"{says} so {how}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_for_what_stands_in_for_an_interpreter_ends_the_run(
    says: Path, number: signal.Signals
) -> None:
    process = _program(says, "waits")
    assert process.stdout is not None
    assert process.stdout.readline() == f"{says} so waits\n"
    process.stdout.readline()
    process.send_signal(number)
    assert process.stdout.read() == "", "the run has let go of its output"
    assert process.wait(timeout=30) == -number


def test_a_run_that_takes_too_long_is_ended(says: Path) -> None:
    env = {**os.environ, "WORD": "so"}
    with pytest.raises(subprocess.TimeoutExpired):
        forked.run([sys.executable, "-m", "says", "waits"], cwd=says, env=env, timeout=0.2)
