"""How a run says a host was left whose change did not stay."""

from __future__ import annotations

from typing import Any

import pytest

from pyinfra_swarm.rollback import operations
from pyinfra_swarm.rollback.plan import ReversibleChange


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("restored", "has put back what was there before; a new login confirmed it"),
        (
            "retrying",
            "could not read them yet: the host tries that again every 30 seconds for an hour",
        ),
        ("unread", "they are not in force: they were broken before, or the program that reads"),
        ("waiting", "Could not confirm that the host has put back what was there before"),
    ],
)
def test_it_is_what_the_host_says_of_itself(
    monkeypatch: pytest.MonkeyPatch, says: str, words: str
) -> None:
    monkeypatch.setattr(operations, "_log_in", lambda *_: (True, says))
    nothing: Any = None
    change = ReversibleChange("firewall", ("/etc/x",), ("true",))
    assert words in operations._ending(nothing, nothing, change, {}, deadline=0)
