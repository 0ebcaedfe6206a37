"""The port of a demoted manager is closed, unless the firewall may not be changed on the host."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.firewall import facts, operations
from pyinfra_swarm.firewall.state import Host
from pyinfra_swarm.firewall.wanted import Wanted, wanted
from pyinfra_swarm.run.converge import Refused
from pyinfra_swarm.run.findings import Change, Finding, Refusal, refusals
from tests.builders import declared, node, swarm
from tests.unit.firewall.test_firewall_plan import CONVERGED
from tests.unit.rollback.test_rolled_back_first import body

SETTINGS = declared(1, 1)
WORKER = "rk2"
DEMOTED = swarm([node(1), node(2, "worker")])
MANAGING = swarm([node(1), node(2)])
BROKEN = replace(CONVERGED, ssh_ports=(22,), ssh_problem="line 3: Bad configuration option")
"""sshd listens on 2222 as well, and only the port of this login is known."""
CLOSED = replace(CONVERGED, tables={f: replace(t, chains={}) for f, t in CONVERGED.tables.items()})


class OnTheWorker:
    """The firewall's operations as they see this one host.

    looks: one after the other, the last one for ever
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *looks: Host, executing: bool = True
    ) -> None:
        self.looks = [*looks]
        self.executing = executing
        self.told: list[Finding] = []
        self.loaded: list[Any] = []
        for name, value in {
            "this_host": lambda settings: settings.hosts[1],
            "current_host": lambda: SimpleNamespace(name=WORKER),
            "memberships": lambda: DEMOTED if executing else MANAGING,
            "observe": self.observe,
            "observe_on": lambda *_: (),
            "observe_all": lambda _: {},
            "report": self.report,
            "is_executing": lambda: executing,
            "progress": lambda _: None,
            "rolled_back_first": self.rolled_back_first,
            "with_rollback": self.with_rollback,
        }.items():
            monkeypatch.setattr(operations, name, value)

    def observe(self, fact: Any) -> Any:
        if fact is not facts.State:
            return SimpleNamespace(manager=False)
        return self.looks[0]

    def report(self, _: str, findings: list[Finding]) -> bool:
        self.told += findings
        if refusals(findings):
            raise Refused
        return bool(findings)

    def rolled_back_first(self) -> Generator[str, None, None]:
        yield "undone"
        self.looks.pop(0)

    def with_rollback(self, subject: str, **change: Any) -> Generator[str, None, None]:
        self.loaded.append(change)
        yield f"{subject} changed"

    def closing_the_port(self) -> list[Any]:
        """What is carried out until the rules are loaded, or until something is refused."""
        done: list[Any] = []
        try:
            for command in body(operations.management_port_closed)(SETTINGS):
                done.append(command)
                if command == "firewall changed":
                    break
        except Refused:
            done.append("refused")
        return done


def test_the_port_of_a_demoted_manager_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    host = OnTheWorker(monkeypatch, CONVERGED)
    assert host.closing_the_port() == ["firewall changed"]
    assert [type(one) for one in host.told] == [Change]


@pytest.mark.parametrize("executing", [True, False], ids=["in a run", "in its plan"])
def test_no_rules_are_loaded_where_sshd_does_not_say_where_it_listens(
    monkeypatch: pytest.MonkeyPatch, executing: bool
) -> None:
    """They would let in nothing but the port of this login."""
    host = OnTheWorker(monkeypatch, BROKEN, executing=executing)
    assert host.closing_the_port() == ["refused"]
    assert not host.loaded
    [refusal] = refusals(host.told)
    assert "sshd does not say where it listens" in refusal.reason


def test_what_is_refused_once_an_earlier_change_is_undone_is_not_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = OnTheWorker(monkeypatch, replace(CONVERGED, unconfirmed=True), BROKEN)
    assert host.closing_the_port() == ["undone", "refused"]
    assert not host.loaded


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        (declared(2), CONVERGED),
        (declared(1, 1, firewall={"enabled": False}), CONVERGED),
        (SETTINGS, CLOSED),
    ],
    ids=["a manager", "no firewall", "closed"],
)
def test_a_port_that_is_not_left_open_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, settings: Any, seen: Host
) -> None:
    OnTheWorker(monkeypatch, seen)
    assert not operations._port_left_open(settings)


@pytest.mark.parametrize("executing", [True, False])
def test_a_port_that_a_worker_has_open_is_left_open(
    monkeypatch: pytest.MonkeyPatch, executing: bool
) -> None:
    OnTheWorker(monkeypatch, CONVERGED, executing=executing)
    assert operations._port_left_open(SETTINGS)


def test_nobody_gets_past_what_the_plan_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    host = OnTheWorker(monkeypatch, BROKEN)
    rules: Wanted = wanted(SETTINGS, WORKER, BROKEN, DEMOTED, {})
    with pytest.raises(Refused):
        next(operations._changed(SETTINGS, rules, BROKEN))
    assert [type(one) for one in host.told] == [Refusal]
