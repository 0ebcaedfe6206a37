"""The command that a run shows again holds no password."""

from __future__ import annotations

import pytest

from pyinfra_swarm.run import own_words


@pytest.mark.parametrize(
    "words",
    [
        ["--ssh-password", "hunter2"],
        ["--ssh-password=hunter2"],
        ["--password", "hunter2"],
        ["--key-password=hunter2"],
        ["--ssh-key-password", "hunter2"],
        ["--data", "_sudo_password=hunter2"],
        ["--data=ssh_password=hunter2"],
        ["--data", "api_token=hunter2"],
        ["--data", "_su_password=hunter2\nhunter2"],
    ],
)
def test_a_password_is_not_shown(words: list[str]) -> None:
    shown = own_words.shown(["-y", *words, "inventory.py", "deploys/site.py"])
    assert "hunter2" not in " ".join(shown)
    assert shown[0] == "-y"
    assert shown[-2:] == ["inventory.py", "deploys/site.py"]
    assert own_words.HIDDEN in "".join(shown)


@pytest.mark.parametrize(
    "words",
    [
        ["--use-sudo-password", "inventory.py", "deploys/site.py"],
        ["--same-sudo-password", "--data", "host=rk1", "inventory.py"],
        ["--ssh-password-prompt", "inventory.py"],
        ["--data", "secret=db_password", "--data", "back=yes"],
        ["--data", "wait=900"],
    ],
)
def test_all_else_is_shown_as_it_was_typed(words: list[str]) -> None:
    assert own_words.shown(words) == words


def test_a_command_of_ours_is_shown_as_it_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["apply", "ssh", "--data", "api_token=hunter2", "--", "--ssh-password", "hunter2"]
    [(name, value)] = own_words.handed_on(typed).items()
    assert "hunter2" not in value
    monkeypatch.setenv(name, value)
    assert own_words.command("-y") == (
        "pyinfra-swarm apply ssh --data 'api_token=…' -y -- --ssh-password '…'"
    )


def test_the_command_is_this_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["pyinfra", "--ssh-password", "a b", "in ventory.py"])
    assert own_words.command("-y") == "pyinfra -y --ssh-password '…' 'in ventory.py'"


TOLD = {
    "run `pyinfra inventory.py deploys/unlock.py`": "run `pyinfra-swarm apply unlock`",
    "`pyinfra inventory.py deploys/swarm.py --dry` says why": "`pyinfra-swarm plan swarm` says why",
    "pyinfra -y inventory.py deploys/remove.py --data host=rk4": (
        "pyinfra-swarm apply -y remove --data host=rk4"
    ),
    "`pyinfra inventory.py deploys/site.py`": "`pyinfra-swarm apply`",
    "`pyinfra inventory.py fact facts.vpn.State` shows": "`pyinfra-swarm fact vpn.State` shows",
    "deploys/upgrade.py upgrades the nodes": "deploys/upgrade.py upgrades the nodes",
    "pyinfra inventory.py deploys/a.py deploys/b.py": (
        "pyinfra inventory.py deploys/a.py deploys/b.py"
    ),
}


@pytest.mark.parametrize("text", [*TOLD])
def test_a_remedy_is_in_the_language_that_was_typed(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(own_words.TYPED, raising=False)
    assert own_words.as_typed(text) == text
    for name, value in own_words.handed_on(["plan"]).items():
        monkeypatch.setenv(name, value)
    assert own_words.as_typed(text) == TOLD[text]
