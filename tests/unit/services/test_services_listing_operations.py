"""What a manager lists is waited for: an answer without a list is not taken for an empty one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.run import clock
from pyinfra_swarm.run.converge import Unobserved
from pyinfra_swarm.secrets.facts import Objects
from pyinfra_swarm.secrets.objects import Seen
from pyinfra_swarm.services import listing_operations
from pyinfra_swarm.services.listing_operations import as_listed
from pyinfra_swarm.services.operations import PAUSE, SILENT

HOST: Any = SimpleNamespace(name="rk1")
NO_LEADER = Seen(problem="The swarm does not have a leader.")
SILENCE = Unobserved("rk1 did not answer", silent=True)

Says = Callable[..., list[str]]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """Has the manager answer so, one after the other, the last for ever; what is done is noted."""
    now, done = [0.0], list[str]()

    def answering(*answers: Seen | Unobserved) -> list[str]:
        left = [*answers]

        def observe_on(name: str, fact: type[Objects]) -> Seen:
            assert (name, fact) == ("rk1", Objects)
            done.append("look")
            now[0] += 1
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Unobserved):
                raise answer
            return answer

        monkeypatch.setattr(listing_operations, "observe_on", observe_on)
        return done

    def pause(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(clock, "now", lambda: now[0])
    monkeypatch.setattr(listing_operations, "pause", pause)
    monkeypatch.setattr(listing_operations, "forget_observations", lambda: done.append("forget"))
    monkeypatch.setattr(listing_operations, "log_in_again", lambda host: done.append("log in"))
    return answering


def test_each_look_is_a_new_one(says: Says) -> None:
    """Between the plan and a step's turn anybody may have changed something."""
    done = says(Seen())
    assert as_listed(HOST, Objects) == Seen()
    assert done == ["forget", "look"]


def test_a_manager_that_cannot_list_is_listing_operations(says: Says) -> None:
    done = says(NO_LEADER, SILENCE, Seen())
    assert as_listed(HOST, Objects) == Seen()
    assert done == ["forget", "look", "forget", "look", "log in", "forget", "look"]


@pytest.mark.parametrize("answer", [NO_LEADER, SILENCE])
def test_one_that_cannot_for_long_has_not_listed_nothing(
    says: Says, answer: Seen | Unobserved
) -> None:
    done = says(answer)
    with pytest.raises(Unobserved, match=r"does not have a leader|did not answer"):
        as_listed(HOST, Objects)
    looks = done.count("look")
    assert SILENT < looks * (PAUSE + 1) <= SILENT + 2 * (PAUSE + 1)
