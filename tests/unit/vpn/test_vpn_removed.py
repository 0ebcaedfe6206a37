"""What a run does to take an interface off a host."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.run.findings import Change, Finding, changes
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.vpn import operations
from pyinfra_swarm.vpn.plan import Apply, Remove
from pyinfra_swarm.vpn.state import Vpns
from pyinfra_swarm.vpn.wireguard import config_path, key_path, link
from tests.unit.vpn.vpn_examples import CONVERGED, SETTINGS, WANTED


def carried_out(monkeypatch: pytest.MonkeyPatch, *steps: Change) -> tuple[dict[str, Any], str]:
    """The reversible change that is made of the steps, and the scripts before and after it."""
    changed: dict[str, Any] = {}
    scripts: list[str] = []

    def with_rollback(subject: str, **given: Any) -> Generator[Any, None, None]:
        assert not any("rm -f" in script for script in scripts)
        changed.update(given)
        yield subject

    monkeypatch.setattr(operations, "with_rollback", with_rollback)
    monkeypatch.setattr(operations, "script", scripts.append)
    monkeypatch.setattr(operations, "progress", lambda _: None)
    list(operations._carried_out(SETTINGS, WANTED, list(steps)))
    return changed, "\n".join(scripts)


GONE = Remove("wg9", "is not declared any more", expected="gone", interface="wg9")


def test_its_key_goes_with_it_and_comes_back_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks after the change leaves no private key behind."""
    changed, after = carried_out(monkeypatch, GONE)
    assert set(changed["files"]) == {config_path("wg9"), key_path("wg9"), link("wg9")}
    [command] = changed["apply"]
    assert key_path("wg9") in command
    assert key_path("wg9") not in after


def test_what_runs_without_a_configuration_has_one_before_anything_can_be_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that what is undone brings it up again."""
    up = Apply(config_path("wg0"), "is missing", restart=True, unwritten=True)
    _, written = carried_out(monkeypatch, GONE, up)
    assert written.startswith(operations._write_down("wg0"))
    _, written = carried_out(monkeypatch, GONE, replace(up, unwritten=False))
    assert "showconf" not in written


IP = """\
7: wg0    inet 10.202.0.1/24 scope global wg0\\       valid_lft forever preferred_lft forever
7: wg0    inet6 fd00::1/64 scope global \\       valid_lft forever preferred_lft forever"""


@pytest.mark.parametrize(
    ("ip", "written"),
    [
        (f"echo '{IP}'", ["Address = 10.202.0.1/24", "Address = fd00::1/64"]),
        (":", []),
        ("exit 1", None),
    ],
)
def test_it_is_written_down_whole_or_not_at_all(
    ip: str, written: list[str] | None, tmp_path: Path
) -> None:
    """Without its addresses, it would come up again and reach nobody."""
    for name, text in {"wg": "printf '[Interface]\nListenPort = 51820\n'", "ip": ip}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    config = tmp_path / "wg0.conf"
    words = {"interface": "wg0", "config": str(config), "mark": "# ours"}
    script = program(operations.__file__, "write_down.sh", **words)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-euc", script], env={**os.environ, "PATH": path}, check=False)
    assert (done.returncode == 0) is (written is not None)
    if written is None:
        assert not config.exists()
    else:
        lines = ["# ours", "[Interface]", *written, "", "ListenPort = 51820"]
        assert config.read_text().splitlines() == lines


def test_the_key_of_one_that_stays_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    changed, _ = carried_out(monkeypatch, GONE, Apply("wg0", "is not up", restart=True))
    assert key_path("wg0") not in changed["files"]
    assert key_path("wg9") in changed["files"]


def taken_off(monkeypatch: pytest.MonkeyPatch, *looks: Vpns) -> tuple[list[str], list[str]]:
    """What is reported, and what is done, where the host looks like this time after time."""
    told: list[str] = []
    left = iter(looks)

    def report(_: str, findings: list[Finding]) -> bool:
        told.extend(type(one).__name__ for one in findings)
        return bool(changes(findings))

    monkeypatch.setattr(operations, "observe", lambda _: next(left))
    monkeypatch.setattr(operations, "report", report)
    monkeypatch.setattr(operations, "rolled_back_first", lambda: iter(["undone"]))
    monkeypatch.setattr(operations, "with_rollback", lambda subject, **_: iter([subject]))
    monkeypatch.setattr(operations, "script", lambda _: "script")
    monkeypatch.setattr(operations, "progress", lambda _: None)
    operation: Any = operations.removed
    settings: Any = SimpleNamespace(ssh=SimpleNamespace(rollback_after=60))
    return told, list(operation._inner.__wrapped__(settings))


def test_a_reset_names_what_has_no_configuration_and_does_nothing_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = replace(CONVERGED, configs={})
    assert taken_off(monkeypatch, left) == (["Notice"], [])


def test_a_removal_that_was_never_confirmed_is_undone_before_one_looks_what_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the host brings it all back, once the reset has passed it by."""
    half = replace(CONVERGED, configs={}, running={}, unconfirmed=True)
    told, done = taken_off(monkeypatch, half, CONVERGED)
    assert told == ["RollBackFirst", "Notice", "Remove"]
    assert done == ["undone", "vpn", "script"]
