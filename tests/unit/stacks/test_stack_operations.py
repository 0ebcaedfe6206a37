"""What a run is told while stacks are planned and deployed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.converge import Unobserved
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.run.script import Outcome
from pyinfra_swarm.stacks import deploying_operations, operations
from pyinfra_swarm.stacks.inputs import Inputs
from pyinfra_swarm.stacks.plan import DeployStack
from pyinfra_swarm.stacks.reading import Declared


def test_a_refused_stack_holds_up_nothing_and_ends_the_run_as_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusal = Refusal("stack hello", "8081/tcp is not open")
    told: list[Any] = []
    for name, value in {
        "memberships": dict,
        "acting_manager": lambda *_: "rk1",
        "current_host": lambda: SimpleNamespace(name="rk1"),
        "_observed": lambda *_: SimpleNamespace(seen=None),
        "_look": lambda *_: {"hello": [refusal]},
        "refused_beside": lambda *said: told.append(said),
        "report": lambda *said: told.append(said),
        "is_executing": lambda: False,
    }.items():
        monkeypatch.setattr(operations, name, value)
    settings: Any = None
    assert list(operations.kept_deployed(settings, "exposure", {}, alone=False)) == []
    assert told == [("exposure", [refusal]), ("exposure", [])]


@pytest.mark.parametrize("planned", [True, False])
def test_a_stack_whose_file_cannot_be_read_is_told_before_there_is_a_swarm(
    monkeypatch: pytest.MonkeyPatch, planned: bool
) -> None:
    no_manager = Refusal("the swarm", "no declared manager answers for one")
    told: list[Any] = []
    for name, value in {
        "memberships": dict,
        "acting_manager": lambda *_: None,
        "without_a_manager": lambda *said: said[3]() if planned else [no_manager],
        "refused_beside": lambda *said: told.append(said),
        "report": lambda *said: told.append(said),
    }.items():
        monkeypatch.setattr(operations, name, value)
    settings: Any = None
    broken = Declared(Inputs("shop", problem="shop.yml does not exist"))
    stacks = {"shop": broken, "hello": Declared(Inputs("hello"))}
    assert list(operations.kept_deployed(settings, "stacks", stacks, alone=False)) == []
    (_, beside), (_, found) = told
    if planned:
        assert beside == [Refusal("stack shop", "shop.yml does not exist")]
        assert [one.what for one in found] == ["stack hello"]
    else:
        assert (beside, found) == ([], [no_manager])


def test_a_stack_counts_as_deployed_before_its_services_are_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[str] = []

    def interrupted(*_: Any) -> None:
        happened.append("awaiting")
        raise KeyboardInterrupt

    said = Sections()
    said["words"] = []
    done = Outcome(said=said)
    for name, value in {
        "progress": lambda _: None,
        "still_ours": lambda: None,
        "resolved": lambda *_: {},
        "as_yaml": lambda _: "",
        "quietly": lambda *_, **__: done,
        "_services": interrupted,
    }.items():
        monkeypatch.setattr(deploying_operations, name, value)
    stack: Any = SimpleNamespace(
        stack="hello", files={}, packed=lambda **_: "", compose={}, records={}, of=lambda _: {}
    )
    host: Any = None
    with pytest.raises(KeyboardInterrupt):
        deploying_operations.deploy(
            *(host, host, host, stack, stack, stack, {}),
            anew=False,
            made=lambda: happened.append("deployed"),
        )
    assert happened == ["deployed", "awaiting"]


def test_a_run_that_removes_a_stack_deploys_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: Any) -> Any:
        raise AssertionError("something was looked at")

    said: list[str] = []
    monkeypatch.setattr(operations, "given", {"remove": "shop"}.get)
    monkeypatch.setattr(operations, "current_host", lambda: SimpleNamespace(noop=said.append))
    monkeypatch.setattr(operations, "memberships", asked)
    monkeypatch.setattr(operations, "_declared", asked)
    settings: Any = SimpleNamespace(stacks=["hello"])
    made: Any = operations.deployed
    assert list(made._inner.__wrapped__(settings)) == []
    assert said == ["stacks: nothing is deployed in a run that removes a stack"]


def test_a_stack_of_which_nothing_can_be_seen_has_failed_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def deploy(*said: Any) -> str:
        if said[-1].stack == "hello":
            raise Unobserved("rk1 cannot list them: the swarm does not have a leader")
        done.append(said[-1].stack)
        return ""

    done: list[str] = []
    failed: list[str] = []
    monkeypatch.setattr(operations, "still_ours", lambda: None)
    monkeypatch.setattr(operations, "_deploy", deploy)
    monkeypatch.setattr(operations, "await_stack", deploy)
    monkeypatch.setattr(reporting, "failed", lambda host, words, **_: failed.append(words))
    steps = [DeployStack(f"stack {name}", "", stack=name) for name in ("hello", "shop")]
    host: Any = SimpleNamespace(log_styled=lambda *_, **__: None)
    run: Any = SimpleNamespace(inventory=SimpleNamespace(get_host=lambda name: host))
    now: Any = SimpleNamespace(acting="rk1", findings=steps)
    assert not operations._carry_out(run, host, now)
    assert done == ["shop"]
    assert failed == [
        "stack hello: what has become of it could not be seen: rk1 cannot list them: the swarm "
        "does not have a leader"
    ]
