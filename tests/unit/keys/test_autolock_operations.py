"""Autolock is on only with its key kept: what happens where the key cannot be written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.keys import autolock_operations as autolock
from pyinfra_swarm.keys import unlock_key_file as key_file
from pyinfra_swarm.keys import unlock_operations as unlock
from pyinfra_swarm.run import reporting
from tests.tools.answers import encoded

KEY = f"SWMKEY-1-{'A' * 43}"


class Manager:
    """A host that does what scripts ask of it, as far as autolock is concerned."""

    name = "rk1"

    def __init__(self, *, answers_off: bool = True, silent: bool = False) -> None:
        self.on, self.answers_off, self.silent = False, answers_off, silent
        self.arrives = 10_000
        self.printed: list[bool] = []

    def run_shell_command(self, command: Any, **options: Any) -> tuple[bool, Any]:
        text = str(command)
        self.printed.append(options.get("print_output", False))
        if "update swarm update --autolock=true" in text:
            self.on = True
        if "update swarm update --autolock=false" in text:
            if self.silent:
                raise TimeoutError
            if not self.answers_off:
                return False, SimpleNamespace(stdout_lines=[], stderr="no answer")
            self.on = False
        said = encoded(f"#> said\n{KEY}")
        return True, SimpleNamespace(stdout_lines=[*said[:2], said[2][: self.arrives]], stderr="")


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(reporting, "failed", lambda host, message: told.append(message))
    return told


def fail_to_keep(*_: object) -> None:
    raise OSError(28, "No space left on device")


def turn_on(manager: Manager, path: Path) -> bool:
    return autolock._turn_on(None, manager, path)  # type: ignore[arg-type]


def test_it_is_on_with_its_key_kept(tmp_path: Path, failures: list[str]) -> None:
    manager = Manager()
    assert turn_on(manager, tmp_path / "key")
    assert manager.on
    assert (tmp_path / "key").read_text() == f"{KEY}\n"
    assert not any(manager.printed)
    assert failures == []


def test_a_key_that_was_cut_on_the_way_is_not_kept(tmp_path: Path, failures: list[str]) -> None:
    """It would look like one: keys of several lengths do."""
    whole = len(encoded(f"#> said\n{KEY}")[2])
    for arrives in range(whole):
        manager = Manager()
        manager.arrives = arrives
        assert not turn_on(manager, tmp_path / "key")
        assert not (tmp_path / "key").exists()
    assert len(failures) == whole
    assert "cut short" in failures[-1]
    assert not any(KEY[:30] in told for told in failures)


def test_it_is_not_turned_on_where_there_is_no_place(tmp_path: Path, failures: list[str]) -> None:
    manager = Manager()
    assert not turn_on(manager, tmp_path / "none/key")
    assert not manager.on
    assert manager.printed == [], "nothing was asked of the manager"
    assert "turning autolock on was not begun" in failures[0]


def test_it_is_off_again_where_the_key_could_not_be_kept(
    tmp_path: Path, failures: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_file.PlaceForKey, "keep", fail_to_keep)
    manager = Manager()
    assert not turn_on(manager, tmp_path / "key")
    assert not manager.on
    assert "No space left on device" in failures[0]
    assert "autolock is off again" in failures[0]


@pytest.mark.parametrize("how", [{"answers_off": False}, {"silent": True}])
def test_where_that_fails_too_it_says_what_to_type_and_not_the_key(
    tmp_path: Path, failures: list[str], monkeypatch: pytest.MonkeyPatch, how: dict[str, bool]
) -> None:
    monkeypatch.setattr(key_file.PlaceForKey, "keep", fail_to_keep)
    assert not turn_on(Manager(**how), tmp_path / "key")
    assert len(failures) == 1
    assert "autolock is on. Keep the key now, by hand" in failures[0]
    assert "“sudo docker swarm unlock-key” on rk1" in failures[0]
    assert KEY not in failures[0]


def test_a_file_that_is_not_text_is_reported_and_autolock_is_off_again(
    tmp_path: Path, failures: list[str]
) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"\xff\xfe\x00")
    manager = Manager()
    assert not turn_on(manager, path)
    assert not manager.on
    assert f"could not be written to {path} (key: it is not text)" in failures[0]


@pytest.mark.parametrize("name", ["key", "key.old"])
def test_no_key_is_sent_from_a_file_that_is_not_text(
    tmp_path: Path, failures: list[str], name: str
) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    manager = Manager()
    assert not unlock.send_keys(None, manager, tmp_path / "key")  # type: ignore[arg-type]
    assert manager.printed == [], "nothing was asked of the manager"
    assert failures == [f"{tmp_path / 'key'} cannot be read: {name}: it is not text"]
