"""Join tokens: when they are replaced, and by whom."""

from __future__ import annotations

from typing import Any

import pytest

from pyinfra_swarm.keys.join_tokens import plan_tokens
from pyinfra_swarm.keys.root_ca import plan_ca_rotation
from pyinfra_swarm.run.findings import Change, Refusal
from tests.builders import the
from tests.unit.keys.clusters import CONVERGED, NO_MANAGER, RK1, RK2, RK3, RK4, SETTINGS


def test_the_acting_manager_replaces_both_tokens_and_says_what_that_means() -> None:
    sentence = the(Change, plan_tokens(SETTINGS, CONVERGED, RK1))
    assert "the old ones let nobody in any more; nodes that have joined stay" in sentence
    assert [plan_tokens(SETTINGS, CONVERGED, host) for host in (RK2, RK3, RK4)] == [[]] * 3


@pytest.mark.parametrize("plan", [plan_tokens, plan_ca_rotation])
def test_nothing_is_replaced_where_no_manager_answers(plan: Any) -> None:
    for host in SETTINGS.hosts:
        sentence = the(Refusal, plan(SETTINGS, NO_MANAGER, host))
        assert "no declared manager answers for one" in sentence
