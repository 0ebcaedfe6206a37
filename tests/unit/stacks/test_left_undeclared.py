"""Nothing is declared any more, and something of ours is there: every run and check tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.nodes import observing
from pyinfra_swarm.nodes.membership import Membership, Ours
from pyinfra_swarm.run.context import begin_another_run
from pyinfra_swarm.secrets import operations as secrets
from pyinfra_swarm.secrets.facts import Objects
from pyinfra_swarm.stacks import operations as stacks
from pyinfra_swarm.stacks.facts import Stacks
from pyinfra_swarm.stacks.record import Record
from pyinfra_swarm.stacks.seen import Stacks as SeenStacks
from tests.builders import CONVERGED, SETTINGS
from tests.unit.secrets.swarms import SITE, seen, version

SHOP = SeenStacks(records=(Record("shop", "a hash", "28.5.2", id="record1", version=1),))
PARTS: Mapping[Ours, tuple[ModuleType, Any, str]] = {
    "stacks": (stacks, stacks.deployed, "stack shop"),
    "secrets": (secrets, secrets.as_declared, "secret db_password"),
    "configs": (secrets, secrets.as_declared, "config site"),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the manager rk1 is asked beside what all hosts are; it has all of it."""
    begin_another_run()
    questions: list[Any] = []

    def answer(fact: Any) -> Any:
        questions.append(fact)
        return {Stacks: SHOP, Objects: seen(version(1), version(1, SITE))}[fact]

    for module in (stacks, secrets):
        monkeypatch.setattr(module, "current_host", lambda: SimpleNamespace(name="rk1"))
        monkeypatch.setattr(module, "observe", answer, raising=False)
        monkeypatch.setattr(module, "observe_on", lambda _, fact: answer(fact), raising=False)
        monkeypatch.setattr(module, "given", lambda _: None)
        monkeypatch.setattr(module.records, "measure", lambda *_: None)
    monkeypatch.setattr(stacks, "refused_beside", lambda *_: None)
    monkeypatch.setattr(stacks, "_looked", lambda *_: None)
    return questions


def told(monkeypatch: pytest.MonkeyPatch, part: Ours, *ours: Ours) -> list[str]:
    """What a run of the site tells of a part, where the managers have seen this of ours."""
    said: dict[str, Membership | None] = {
        name: replace(one, ours=ours) if one and one.manager else one
        for name, one in CONVERGED.items()
    }
    module, operation, _ = PARTS[part]
    found: list[Any] = []
    monkeypatch.setattr(observing, "memberships", lambda: said)
    monkeypatch.setattr(module, "memberships", lambda: said)
    monkeypatch.setattr(module, "report", lambda _, findings: found.extend(findings))
    assert list(operation._inner.__wrapped__(SETTINGS)) == []
    return [one.what for one in found]


@pytest.mark.parametrize("part", PARTS)
def test_what_is_left_is_told(
    monkeypatch: pytest.MonkeyPatch, asked: list[Any], part: Ours
) -> None:
    assert PARTS[part][2] in told(monkeypatch, part, part)


@pytest.mark.parametrize("part", PARTS)
def test_nothing_more_is_asked_where_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, asked: list[Any], part: Ours
) -> None:
    assert told(monkeypatch, part) == []
    others: dict[Ours, tuple[Ours, ...]] = {"stacks": ("secrets", "configs")}
    assert told(monkeypatch, part, *others.get(part, ("stacks",))) == []
    assert asked == []


def test_no_manager_that_answers_is_no_reason_to_refuse(
    monkeypatch: pytest.MonkeyPatch, asked: list[Any]
) -> None:
    """Where something is declared it is one; what is wrong with the managers others tell."""
    monkeypatch.setattr(observing, "memberships", lambda: dict.fromkeys(CONVERGED))
    assert not observing.may_be_left(SETTINGS, "stacks", "secrets", "configs")
