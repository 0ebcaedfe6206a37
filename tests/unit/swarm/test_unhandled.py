"""A step that an operation does not know ends it on this host, and is not passed over."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from pyinfra_swarm.nodes.steps import Step
from pyinfra_swarm.swarm import join_operations, labels_operations, networks_operations
from tests.builders import CONVERGED, SETTINGS

OPERATIONS = {
    "joined": join_operations,
    "labelled": labels_operations,
    "ingress_encrypted": networks_operations,
}


@pytest.mark.parametrize(("name", "module"), OPERATIONS.items())
def test_a_step_that_nobody_carries_out_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, module: ModuleType
) -> None:
    monkeypatch.setattr(module, "memberships", lambda: CONVERGED)
    monkeypatch.setattr(module, "to_do", lambda *_: [Step("the swarm", "is to do something new")])
    if hasattr(module, "this_host"):
        monkeypatch.setattr(module, "this_host", lambda settings: settings.hosts[0])
    body: Callable[..., Any] = getattr(module, name)._inner.__wrapped__
    with pytest.raises(NotImplementedError, match="nothing carries out a Step"):
        list(body(SETTINGS))
