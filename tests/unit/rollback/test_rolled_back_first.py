"""Operations that find an unconfirmed change: it is undone, then they look and plan anew."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.access import operations as access
from pyinfra_swarm.access.plan import Account, Accounts
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.model import Ssh
from pyinfra_swarm.ssh import operations as ssh
from tests.unit.ssh.servers import FRESH

Body = Callable[[Settings], Generator[Any, None, None]]


def body(operation: Any) -> Body:
    """An operation without pyinfra around it."""
    made: Body = operation._inner.__wrapped__
    return made


def carried_out(
    monkeypatch: pytest.MonkeyPatch, module: Any, operation: Any, looks: list[Any], settings: Any
) -> list[Any]:
    """What an operation yields, and what it changes, if these are its looks at the host."""
    happened: list[Any] = []

    def rolled_back_first() -> Generator[Any, None, None]:
        yield "undone"

    def with_rollback(subject: str, **change: Any) -> Generator[Any, None, None]:
        happened.append(change)
        yield f"{subject} changed"

    def observe(fact: Any, **arguments: Any) -> Any:
        assert arguments == {"users": "ann"}, "a declared system account is not told of else"
        return looks.pop(0) if len(looks) > 1 else looks[0]

    monkeypatch.setattr(module, "observe", observe)
    monkeypatch.setattr(module, "report", lambda _, findings: bool(findings))
    monkeypatch.setattr(module, "rolled_back_first", rolled_back_first)
    monkeypatch.setattr(module, "with_rollback", with_rollback)
    monkeypatch.setattr(module, "progress", lambda _: None)
    found: list[Any] = []
    for command in body(operation)(settings):
        found.append(command)
        if command == f"{module.__name__.split('.')[-2]} changed":
            break
    return [*found, *happened]


ANN = Account("ann", 1000, "/home/ann", "/bin/bash", "star", ("sudo",), ("ssh-ed25519 AAAAold",))
SETTINGS: Any = SimpleNamespace(
    access=SimpleNamespace(
        admins=[SimpleNamespace(name="ann", keys=("ssh-ed25519 AAAAnew",))], others="report"
    ),
    ssh=Ssh(crypto="system"),
    admins=lambda _: [SimpleNamespace(name="ann", keys=("ssh-ed25519 AAAAnew",))],
)


def test_keys_are_planned_on_what_is_there_once_all_is_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As long as it waits the host looks converged; the declared key is part of what goes."""
    monkeypatch.setattr(access, "current_host", lambda: None)
    monkeypatch.setattr(access, "this_host", lambda _: None)
    monkeypatch.setattr(access, "used_key", lambda _: None)
    rule = "# Written by pyinfra-swarm from access.admins.\nann ALL=(ALL:ALL) NOPASSWD: ALL\n"
    seen = Accounts("ann", (replace(ANN, keys=("ssh-ed25519 AAAAnew",)),), rule, unconfirmed=True)
    then = Accounts("ann", (replace(ANN, password="locked"),), None)
    undone, changed, change = carried_out(
        monkeypatch, access, access.admins, [seen, then], SETTINGS
    )
    assert (undone, changed) == ("undone", "access changed")
    assert change["passwords"] == ["ann"]
    assert ("ann", "/home/ann/.ssh/authorized_keys") in change["in_homes"]
    assert all(not path.startswith("/home") for path in change["files"])


def test_what_needs_no_change_any_more_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "current_host", lambda: None)
    monkeypatch.setattr(access, "this_host", lambda _: None)
    monkeypatch.setattr(access, "used_key", lambda _: None)
    rule = "# Written by pyinfra-swarm from access.admins.\nann ALL=(ALL:ALL) NOPASSWD: ALL\n"
    then = Accounts("ann", (replace(ANN, keys=("ssh-ed25519 AAAAnew",)),), rule)
    looks = [replace(then, unconfirmed=True), then]
    assert carried_out(monkeypatch, access, access.admins, looks, SETTINGS) == ["undone"]


def test_sshd_is_planned_on_what_is_there_once_all_is_undone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ssh, "this_host", lambda _: None)
    monkeypatch.setattr(ssh, "_client", lambda: None)
    accounts = Accounts(FRESH.login_user, (replace(ANN, name=FRESH.login_user, password="locked"),))
    looks = [
        replace(FRESH, unconfirmed=True),
        replace(accounts, accounts=()),
        FRESH,
        accounts,
    ]
    undone, changed, change = carried_out(monkeypatch, ssh, ssh.hardened, looks, SETTINGS)
    assert (undone, changed) == ("undone", "ssh changed")
    assert change["passwords"] == [FRESH.login_user]
