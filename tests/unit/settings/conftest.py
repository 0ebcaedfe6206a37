"""A settings file for each test, with no variable of this machine beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyinfra_swarm import settings
from pyinfra_swarm.settings import SettingsError
from pyinfra_swarm.settings import lab as lab_source

BOARDS = """
[[hosts]]
name = "rk1"
address = "192.168.1.11"
role = "manager"
"""

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in os.environ:
        if name.startswith("SWARM_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(lab_source, "running", lambda: None)
    settings.forget()
    yield
    settings.forget()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a settings file, which is the one in force then, and `.env` beside it."""

    def written(text: str = BOARDS, *, env: str = "") -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        (tmp_path / ".env").write_text(env, encoding="utf-8")
        monkeypatch.setenv("SWARM_SETTINGS", str(path))
        settings.forget()
        return path

    return written


def refused() -> str:
    with pytest.raises(SettingsError) as caught:
        settings.load()
    return str(caught.value)
