"""Hosts and registries asked for what the lint wants to know, and what is not known left out."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.script import Outcome
from pyinfra_swarm.stacks import looking_operations
from pyinfra_swarm.stacks.lint import Platform
from pyinfra_swarm.stacks.looking_operations import missing_paths, parse_platforms, platforms

SECTION = "section() { :; }\n"


def said(**parts: list[str]) -> Outcome:
    found = Sections()
    found.update(parts)
    return Outcome(said=found)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Who was asked what; each host lacks the paths that have its name in them."""
    found: list[tuple[str, str]] = []

    def quietly(host: Any, text: str, *, timeout: int) -> Outcome:
        found.append((host.name, text))
        if host.name == "silent":
            return Outcome("no answer (timed out)", silent=True)
        done = subprocess.run(
            ["sh", "-eu", "-c", SECTION + text], capture_output=True, text=True, check=True
        )
        return said(missing=done.stdout.splitlines())

    monkeypatch.setattr(looking_operations, "quietly", quietly)
    return found


def host(name: str) -> Any:
    return SimpleNamespace(name=name)


def missing(hosts: list[Any], paths: set[str]) -> dict[str, frozenset[str]]:
    run: Any = SimpleNamespace()
    return missing_paths(run, host("rk1"), hosts, paths)


def test_paths_are_looked_at_on_every_host_at_once(
    asked: list[tuple[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "a b").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "to nowhere").symlink_to(tmp_path / "gone")
    there = {str(tmp_path / "a b"), str(tmp_path / "file"), "/"}
    lacking = {str(tmp_path / name) for name in ("to nowhere", "$(touch x)", "it's", "-e")}
    found = missing([host("rk1"), host("silent"), host("rk2")], there | lacking)
    assert found == {"rk1": frozenset(lacking), "rk2": frozenset(lacking)}
    assert sorted(name for name, _ in asked) == ["rk1", "rk2", "silent"]


def test_where_no_path_is_named_nobody_is_asked(asked: list[tuple[str, str]]) -> None:
    assert missing([host("rk1")], set()) == {}
    assert missing([host("rk1")], {"/a\nb"}) == {}
    assert platforms(host("rk1"), set()) == {}
    assert platforms(host("rk1"), {"a b", "-x", "a/../../info", "a?b", "a\nb"}) == {}
    assert asked == []


def test_a_registry_is_asked_for_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    def quietly(host: Any, text: str, *, timeout: int) -> Outcome:
        assert "app:1\nreg.example:5000/x/y@sha256:0" in text
        return said(platforms=['app:1 {"Platforms":[{"architecture":"arm64","os":"linux"}]}'])

    monkeypatch.setattr(looking_operations, "quietly", quietly)
    found = platforms(host("rk1"), {"reg.example:5000/x/y@sha256:0", "app:1"})
    assert found == {"app:1": (Platform("linux", "arm64"),)}


def test_a_manager_that_says_nothing_leaves_it_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking_operations, "quietly", lambda *_, **__: Outcome("no answer"))
    assert platforms(host("rk1"), {"app:1"}) == {}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('a {"Platforms":[]}', {"a": ()}),
        ('a {"Platforms":[{"os":"linux"}]}', {"a": (Platform("linux", ""),)}),
        ("a {}", {}),
        ("a []", {}),
        ('a {"Platforms":["linux"]}', {}),
        ('a {"Platforms":{}}', {}),
        ('a {"Platfo', {}),
        ("a", {}),
        ("", {}),
    ],
)
def test_what_is_no_answer_is_left_out(line: str, found: dict[str, tuple[Platform, ...]]) -> None:
    assert parse_platforms([line, "", 'b {"Platforms":[]}']) == {**found, "b": ()}
