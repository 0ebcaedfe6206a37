"""What a manager is asked about the ways in, and what it cannot say."""

from __future__ import annotations

from typing import Any

import pytest

from pyinfra_swarm.exposure import operations
from pyinfra_swarm.run.converge import Unobserved
from pyinfra_swarm.services.service import Service, parse_service
from pyinfra_swarm.settings.exposure_modes import OWN_STACK
from pyinfra_swarm.stacks.facts import Stacks
from pyinfra_swarm.stacks.seen import Stacks as SeenStacks
from tests.builders import CONVERGED, SETTINGS
from tests.unit.services import described


def left(monkeypatch: pytest.MonkeyPatch, said: SeenStacks) -> list[str]:
    """What is told of a tunnel or dynamic DNS that nobody declares any more."""

    def observe_on(name: str, fact: Any) -> SeenStacks:
        assert (name, fact) == ("rk1", Stacks)
        return said

    monkeypatch.setattr(operations, "observe_on", observe_on)
    monkeypatch.setattr(operations, "is_run_of", lambda name: False)
    monkeypatch.setattr(operations, "may_be_left", lambda *of: True)
    return [one.what for one in operations._seen(SETTINGS, CONVERGED, "rk1")]


def of_stack(name: str, stack: str) -> Service:
    labels = {"com.docker.stack.namespace": stack}
    return parse_service(described.service(of=described.spec(name, Labels=labels)))


def test_our_stack_that_nobody_declares_any_more_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    other, tunnel = of_stack("web_app", "web"), of_stack(f"{OWN_STACK}_cloudflared", OWN_STACK)
    assert len(left(monkeypatch, SeenStacks(services=(other, tunnel)))) == 1
    assert left(monkeypatch, SeenStacks(services=(other,))) == []


def test_a_manager_that_cannot_list_is_not_taken_for_one_without_a_tunnel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_leader = SeenStacks(problem="The swarm does not have a leader.")
    with pytest.raises(Unobserved, match=r"rk1 cannot say what is deployed: The swarm does not"):
        left(monkeypatch, no_leader)
