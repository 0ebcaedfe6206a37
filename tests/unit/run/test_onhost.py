"""Programs for a host: found beside their room, with their values quoted at the head."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.run.onhost import program, source

TEXT = """\
#!/bin/sh
# What it is for.

: "${node?}"
# Why.
greet "$node"
"""


@pytest.fixture
def room(tmp_path: Path) -> str:
    (tmp_path / "onhost").mkdir()
    (tmp_path / "onhost" / "greet.sh").write_text(TEXT)
    return str(tmp_path / "operations.py")


def test_values_come_in_as_variables(room: str) -> None:
    text = program(room, "greet.sh", using=['greet() { echo "hello $1"; }\n'], node="a'b $(id)")
    said = subprocess.run(["sh", "-euc", text], capture_output=True, text=True, check=True).stdout
    assert said == "hello a'b $(id)\n"


def test_a_value_that_is_missing_ends_it(room: str) -> None:
    text = program(room, "greet.sh", using=['greet() { echo "hello $1"; }\n'])
    ended = subprocess.run(["sh", "-euc", text], capture_output=True, text=True)
    assert (ended.returncode != 0, ended.stdout) == (True, "")
    assert "node" in ended.stderr


def test_only_the_head_is_left_out(room: str) -> None:
    assert program(room, "greet.sh") == TEXT[TEXT.index(":") :]
    assert source(room, "greet.sh") == TEXT
