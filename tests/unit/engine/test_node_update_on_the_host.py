"""A node's specification, written anew by the shell on a manager: only a role stays changed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.nodes.programs import UPDATE_NODE
from tests.tools.go_templates import DOCKER

SPEC = {
    "Labels": {
        "Role": "db",
        "Description": "x",
        "note": 'a "quoted", "Description":1, "Role":"worker" \\n é',
    },
    "Role": "worker",
    "Availability": "pause",
}
NODE = {"ID": "abc", "Version": {"Index": 17}, "Spec": SPEC, "Description": {"Hostname": "rk2"}}

ENGINE = """\
#!/bin/sh
case "$*" in
*version=17) echo refused >> "$HERE/asked"; sed -i s/17/18/ "$HERE/node"
  printf '{"message":"update out of sequence"}\\n500' ;;
*version=18) for word; do case $word in '{'*) printf '%s\n' "$word" >> "$HERE/sent" ;; esac; done
  printf '{"ID":"abc","Version":{"Index":18},"Spec":%s,"Description":{}}' \
    "$(tail -n 1 "$HERE/sent")" > "$HERE/node"
  printf '\\n200' ;;
*) cat "$HERE/node"; printf '\\n200' ;;
esac
"""


def updated(here: Path, arguments: str) -> list[dict[str, object]]:
    """What an engine is sent that has changed the node while it was looked at, in order."""
    (here / "node").write_text(json.dumps(NODE, separators=(",", ":"), ensure_ascii=False))
    for name, text in {"curl": ENGINE, "docker": DOCKER}.items():
        (here / name).write_text(text)
        (here / name).chmod(0o755)
    subprocess.run(
        ["sh", "-c", f"set -eu\n{UPDATE_NODE}update_node {arguments}"],
        env={"PATH": f"{here}:{os.environ['PATH']}", "HERE": str(here)},
        check=True,
        timeout=30,
    )
    assert (here / "asked").read_text() == "refused\n"
    return [json.loads(line) for line in (here / "sent").read_text().splitlines()]


def test_an_engine_is_made_to_look_again_by_a_change_that_is_taken_back(tmp_path: Path) -> None:
    assert updated(tmp_path, "abc") == [{"Name": "again", **SPEC}, SPEC]


def test_a_promotion_changes_the_role_alone(tmp_path: Path) -> None:
    assert updated(tmp_path, "abc manager") == [{"Name": None, **SPEC, "Role": "manager"}]


@pytest.mark.parametrize(("answer", "code"), [(404, "404"), (503, "503"), (200, "503")])
def test_why_a_node_cannot_be_read_is_known_to_the_caller(
    tmp_path: Path, answer: int, code: str
) -> None:
    """One that is gone is not asked for again and again, as a swarm without a leader is."""
    programs = {
        "docker": "echo 'Error response from daemon' >&2; exit 1",
        "curl": f"printf 'said\\n{answer}'",
        "sleep": ":",
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", f'set -eu\n{UPDATE_NODE}update_node abc worker || echo "$code"'],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout == f"{code}\n"
    assert done.stderr
