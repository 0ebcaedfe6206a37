"""What a shell completes, asked as it asks: by variables."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyinfra_swarm import cli
from pyinfra_swarm.commands.completion import PROGRAM, VARIABLE
from pyinfra_swarm.settings import forget
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.project.test_inventory import BOARDS


@pytest.fixture(autouse=True)
def _boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BOARDS)
    monkeypatch.setenv("SWARM_SETTINGS", str(path))
    monkeypatch.chdir(ROOT)
    forget()


def completed(
    line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """What fish is offered for the last word of a line."""
    words = line.split(" ")
    monkeypatch.setenv(VARIABLE, "fish_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", words[-1])
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 0
    rows = [row.split("\t")[0] for row in capsys.readouterr().out.splitlines()]
    return [row.split(",", 1)[1] for row in rows if "," in row]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("pyinfra-swarm st", ["status"]),
        ("pyinfra-swarm s", ["status", "schedule"]),
        ("pyinfra-swarm plan up", ["updates", "upgrade"]),
        ("pyinfra-swarm plan --limit r", ["rk1", "rk2", "rk3"]),
        ("pyinfra-swarm apply --limit m", ["managers"]),
        ("pyinfra-swarm apply --y", ["--yes"]),
        ("pyinfra-swarm apply remove --data h", ["host=rk1", "host=rk2", "host=rk3"]),
        ("pyinfra-swarm apply --data ref", ["refresh=now"]),
        ("pyinfra-swarm drift --limit rk", ["rk1", "rk2", "rk3"]),
        ("pyinfra-swarm drift --js", ["--json"]),
        ("pyinfra-swarm drift sch", ["schedule"]),
        ("pyinfra-swarm schedule in", ["install"]),
        ("pyinfra-swarm lab power", ["power-cut", "power-on"]),
        ("pyinfra-swarm fact swarm.N", ["swarm.Nodes"]),
        ("pyinfra-swarm completion f", ["fish"]),
    ],
)
def test_what_is_offered(
    line: str,
    offered: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert completed(line, capsys, monkeypatch) == offered


def test_a_mistake_in_the_settings_completes_to_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.toml").write_text("hosts = 3")
    assert completed("pyinfra-swarm plan --limit r", capsys, monkeypatch) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert PROGRAM in script
    assert f"{VARIABLE}={shell}_complete" in script
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def test_bash_itself_completes(tmp_path: Path) -> None:
    """The real shell, with the real script and the real command."""
    (tmp_path / PROGRAM).write_text(
        f'#!/bin/sh\nexec {sys.executable} -P -c "import sys; from pyinfra_swarm.cli import main; '
        f'sys.exit(main())" "$@"\n'
    )
    (tmp_path / PROGRAM).chmod(0o755)
    asked = (
        f'eval "$({PROGRAM} completion bash)"; COMP_WORDS=({PROGRAM} sched); COMP_CWORD=1; '
        f"_pyinfra_swarm_completion {PROGRAM}; echo ${{COMPREPLY[@]}}"
    )
    done = subprocess.run(
        ["bash", "-c", asked],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["schedule"], done.stderr
