"""Sources of values, as people have them."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.secrets import seal_cache
from pyinfra_swarm.settings import Config, Secret

Program = Callable[[str, str], Path]


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    seal_cache.forget()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a shell script in the search path."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def made(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return made


def secret(**fields: Any) -> Secret:
    return Secret(name="db", **fields)


def config(**fields: Any) -> Config:
    return Config(name="traefik", **fields)


def git(folder: Path, *words: str) -> None:
    """Runs git as nobody in particular."""
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"},
    )


def private(path: Path) -> bool:
    """Whether nobody but the owner may read or write a file."""
    return not stat.S_IMODE(path.stat().st_mode) & 0o077
