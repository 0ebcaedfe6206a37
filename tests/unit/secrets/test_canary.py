"""A value is seen nowhere on this computer but where it was, whatever its source, whatever fails.

Hosts are looked at by `tests/engines/test_engines_canary.py` and, with all of a run, by
`tests/scenarios/test_no_secret_leaks.py`; what they look for is in `tests/canary.py`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.settings.paths import ROOT
from tests.canary import KINDS, canary, files_with, lay, seen


@dataclass(frozen=True)
class Shown:
    """What a process has shown of values, and where it could have left them."""

    output: str
    events: list[dict[str, Any]]
    project: Path
    elsewhere: Path

    @property
    def read(self) -> list[str]:
        """The names of the values that it has read."""
        return re.findall("^READ (.+)$", self.output, re.MULTILINE)

    def no_trace(self, values: list[bytes], kept_in: set[Path]) -> None:
        """The values are where they were laid, and nowhere else."""
        assert "logs are at their most talkative" in self.output
        assert seen(self.output, values) == []
        assert seen(json.dumps(self.events), values) == []
        assert files_with(values, self.project, self.elsewhere) == kept_in
        assert (self.elsewhere / "reasons").stat().st_size


def work(folder: Path, declared: list[dict[str, Any]]) -> Shown:
    """Read values laid into `folder/project`, with homes and folders for temporary files."""
    elsewhere = folder / "elsewhere"
    for name in ("home", "tmp", "state", "run"):
        (elsewhere / name).mkdir(parents=True)
    project = folder / "project"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("worker.py")), json.dumps(declared)],
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(elsewhere / "home"),
            "TMPDIR": str(elsewhere / "tmp"),
            "XDG_STATE_HOME": str(elsewhere / "state"),
            "XDG_RUNTIME_DIR": str(elsewhere / "run"),
            "SWARM_REASONS": str(elsewhere / "reasons"),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
    )
    output = done.stdout.decode(errors="surrogateescape")
    assert done.returncode == 0, "it ended early"  # never what it has printed
    events = [json.loads(line) for line in (project / "events").read_text().splitlines()]
    return Shown(output, events, project, elsewhere)


@dataclass(frozen=True)
class Laid:
    """Values in their sources: what is declared, the values, and the files that hold them."""

    declared: list[dict[str, Any]]
    values: list[bytes]
    files: set[Path]


def laid(
    project: Path,
    *,
    kinds: Iterable[str] = KINDS,
    sections: Iterable[str] = ("secrets",),
    before: bytes = b"",
    behind: bytes = b"",
) -> Laid:
    """A value for each kind of source, with something before and behind it."""
    declared, values = [], []
    for section in sections:
        for kind in kinds:
            name = f"{kind}_{section}"
            values.append(canary())
            fields = lay(kind, project, before + values[-1] + behind, name.replace("-", "_"))
            declared.append({"section": section, "name": name.replace("secrets", "x"), **fields})
    return Laid(declared, values, files_with(values, project))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PATH", "SOPS_AGE_KEY_FILE"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # what a source sets goes again
    for section in ("secrets", "configs"):
        monkeypatch.setenv(f"VALUE_OF_env_{section}", "")
        monkeypatch.delenv(f"VALUE_OF_env_{section}")
    folder = tmp_path / "project"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / ".gitignore").write_text("*\n!*.age\n!*.whole\n")
    return folder


def names(values: Laid) -> list[str]:
    return [one["name"] for one in values.declared]


def test_values_that_are_read_are_seen_nowhere(project: Path, tmp_path: Path) -> None:
    values = laid(project, sections=("secrets", "configs"))
    shown = work(tmp_path, values.declared)
    assert shown.read == names(values)
    assert (tmp_path / "elsewhere/state/pyinfra-swarm/seals").exists()
    shown.no_trace(values.values, values.files)


def test_values_that_are_too_long_are_seen_nowhere(project: Path, tmp_path: Path) -> None:
    kinds = [kind for kind in KINDS if kind not in ("env", "dotenv")]  # they hold 128 KiB at most
    values = laid(project, kinds=kinds, behind=b"x" * 600_000)
    shown = work(tmp_path, values.declared)
    assert shown.read == []
    shown.no_trace(values.values, values.files)


def test_values_that_are_refused_as_configs_are_seen_nowhere(project: Path, tmp_path: Path) -> None:
    values = laid(project, sections=("configs",), before=b"-----BEGIN PRIVATE KEY-----")
    shown = work(tmp_path, values.declared)
    assert shown.read == []
    assert "the text is a private key" in shown.output
    shown.no_trace(values.values, values.files)


def test_values_that_git_would_keep_are_seen_nowhere(project: Path, tmp_path: Path) -> None:
    values = laid(project, kinds=("dotenv", "file", "age"))
    (project / ".gitignore").unlink()
    shown = work(tmp_path, values.declared)
    assert shown.read == []
    assert "git repository" in shown.output
    shown.no_trace(values.values, values.files)
    for identity in project.glob("*.identity"):
        assert identity.read_text().strip() not in shown.output


def test_values_that_failing_programs_print_are_seen_nowhere(project: Path, tmp_path: Path) -> None:
    scripts = [
        'cat "$1"; exit 3',
        'cat "$1" >&2; cat "$1"; exit 3',
        'cat "$1"; kill -9 $$',
        'printf "bad: "; cat "$1" "$1" "$1" >&2; cat "$1"; exit 1',
        "exec /no/such/program",
    ]
    value = canary()
    (project / "stored").write_bytes(value)
    declared: list[dict[str, Any]] = []
    for number, script in enumerate(scripts):
        path = project / f"get{number}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        command = [f"./{path.name}", "stored"]
        declared.append({"section": "secrets", "name": path.name, "command": command})
    shown = work(tmp_path, declared)
    assert shown.read == []
    assert all(f"./get{number} stored" in shown.output for number in range(len(scripts)))
    shown.no_trace([value], {project / "stored"})


def test_no_program_is_given_one(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither as an argument nor in its environment, beyond what this process had itself."""
    values = laid(project)
    watch = tmp_path / "bin"
    watch.mkdir()
    for name in ("git", "cat", "sops"):
        see = f'tr "\\0" "\\n" < /proc/$$/environ > {tmp_path}/environ-{name}-$$'
        (watch / name).write_text(f'#!/bin/sh\n{see}\nexec {shutil.which(name)} "$@"\n')
        (watch / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{watch}:{os.environ['PATH']}")
    shown = work(tmp_path, values.declared)
    assert shown.read == names(values)
    environments = [*tmp_path.glob("environ-*")]
    assert {path.name.split("-")[1] for path in environments} == {"git", "cat", "sops"}
    assert len(shown.events) >= len(environments)
    # The variable is in our own environment, where the user has put it.
    own = values.values[KINDS.index("env")]
    others = [value for value in values.values if value != own]
    for environment in environments:
        assert not seen(environment.read_bytes(), others)
    arguments = json.dumps([event["arguments"][1] for event in shown.events])
    assert "check-ignore" in arguments
    assert not seen(arguments, values.values)


def test_the_canary_is_found_where_it_is(tmp_path: Path) -> None:
    """The search itself, in every spelling."""
    value = canary()
    for text in (
        value,
        value.hex().encode(),
        json.dumps({"x": value.decode()}).encode(),
        repr(value).encode(),
        *(base64.b64encode(b"y" * before + value + b"tail") for before in range(7)),
    ):
        assert seen(b"before " + text + b" after", [value]), text
        (tmp_path / "x").write_bytes(text)
        assert files_with([value], tmp_path) == {tmp_path / "x"}
    assert not seen(b"before after", [value])
    assert not seen(base64.b64encode(canary()), [value])
