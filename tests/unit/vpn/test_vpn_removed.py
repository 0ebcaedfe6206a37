"""What a run does to take an interface off a host."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.vpn import operations
from pyinfra_swarm.vpn.plan import Apply, Remove
from pyinfra_swarm.vpn.wireguard import config_path, key_path, link
from tests.unit.vpn.vpn_examples import SETTINGS, WANTED


def carried_out(monkeypatch: pytest.MonkeyPatch, *steps: Change) -> tuple[dict[str, Any], str]:
    """The reversible change that is made of the steps, and the script after it."""
    changed: dict[str, Any] = {}
    after: list[str] = []

    def with_rollback(subject: str, **given: Any) -> Generator[Any, None, None]:
        assert not after
        changed.update(given)
        yield subject

    monkeypatch.setattr(operations, "with_rollback", with_rollback)
    monkeypatch.setattr(operations, "script", after.append)
    monkeypatch.setattr(operations, "progress", lambda _: None)
    list(operations._carried_out(SETTINGS, WANTED, list(steps)))
    return changed, "\n".join(after)


GONE = Remove("wg9", "is not declared any more", expected="gone", interface="wg9")


def test_its_key_goes_with_it_and_comes_back_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that breaks after the change leaves no private key behind."""
    changed, after = carried_out(monkeypatch, GONE)
    assert set(changed["files"]) == {config_path("wg9"), key_path("wg9"), link("wg9")}
    [command] = changed["apply"]
    assert key_path("wg9") in command
    assert key_path("wg9") not in after


def test_the_key_of_one_that_stays_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    changed, _ = carried_out(monkeypatch, GONE, Apply("wg0", "is not up", restart=True))
    assert key_path("wg0") not in changed["files"]
    assert key_path("wg9") in changed["files"]
