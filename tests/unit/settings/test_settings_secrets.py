"""Secrets that somebody writes into settings are refused, and never shown."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from pyinfra_swarm.settings import Settings, SettingsError
from pyinfra_swarm.settings.variables import read_variables
from tests.unit.settings.settings_examples import problems, put, the_problem


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hosts.3.labels", {"join": "SWMTKN-1-abcdef"}),
        ("docker.daemon", {"http-proxy": "http://me:abcdef@proxy.example.org"}),
        ("docker.daemon", {"dns": ["-----BEGIN PRIVATE KEY-----abcdef"]}),
        ("hosts.3.labels", {"SWMTKN-1-abcdef": "join"}),
    ],
)
def test_a_secret_is_refused_whatever_its_key_is_called(field: str, value: Any) -> None:
    problem = the_problem(put(field, value))
    assert problem.reason.endswith("secrets are never settings")
    assert "abcdef" not in str(problem)


SECRETS = [
    "AGE-SECRET-KEY-1HUNTER2",
    "age-secret-key-1hunter2",
    "SWMTKN-1-hunter2",
    "SWMKEY-1-hunter2",
    "b3BlbnNzaC1rZXktdjEAhunter2",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2",
    "https://me:hunter2@example.org",
    "https://hunter2@example.org",
    "ada:hunter2@rk1",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "field",
    [
        "cluster.name",
        "hosts.0.name",
        "hosts.0.address",
        "hosts.0.ssh_host",
        "hosts.0.ssh_key",
        "ssh.user",
        "docker.repository",
        "docker.users",
        "swarm.unlock_key_file",
        "backup.recipients",
        "backup.folder",
    ],
)
def test_a_secret_in_any_field_is_refused_without_a_trace_of_it(field: str, secret: str) -> None:
    for value in (secret, [secret], {secret: "x"}):
        found = problems(put(field, value))
        assert any("secrets are never settings" in problem.reason for problem in found)
        assert "hunter2" not in "\n".join(map(str, found)).lower()


def test_a_secret_that_another_field_is_compared_with_is_not_shown_there() -> None:
    data = put("hosts.0.name", "SWMTKN-1-hunter2", put("swarm.init_without", ["rk9"]))
    data = put("hosts.1.address", "10.200.0.1", put("hosts.1.name", "SWMTKN-1-hunter2", data))
    data = put("access", {"others": "deny", "admins": [{"name": "ada"}]}, data)
    data = put("ssh.user", "SWMTKN-1-hunter2", data)
    assert "hunter2" not in "\n".join(map(str, problems(data)))


@pytest.mark.parametrize(
    ("field", "value", "reason", "instead"),
    [
        ("backup.recipients", ["AGE-SECRET-KEY-1Q"], "is a secret key", "public one"),
        ("ssh.key", "b3BlbnNzaC1rZXktdjE", "is a private key", "the path of the key"),
        ("swarm.unlock_key_file", "SWMKEY-1-Q", "is an unlock key itself", "the path of a file"),
        ("cluster.name", "SWMTKN-1-Q", "is a join token", "tokens are asked of the swarm"),
    ],
)
def test_a_secret_is_told_what_belongs_in_its_place(
    field: str, value: Any, reason: str, instead: str
) -> None:
    problem = the_problem(put(field, value))
    assert reason in problem.reason
    assert instead in problem.instead


@pytest.mark.parametrize(
    "value",
    [
        "SWMTKN-1-abcdef",
        "https://me:hunter2@example.org",
        "-----BEGIN RSA PRIVATE KEY-----",
        ["SWMTKN-1-abcdef"],
        {"password": "hunter2"},
    ],
)
def test_a_value_that_looks_secret_is_never_shown(value: Any) -> None:
    text = "\n".join(str(problem) for problem in problems(put("docker.version", value)))
    assert "hunter2" not in text
    assert "abcdef" not in text
    assert "(not shown)" in text


class _Token(BaseModel):
    name: str
    password_file: str = ""


class _WithTokens(Settings):
    tokens: _Token = _Token(name="")


class TestAFieldThatIsCalledLikeASecret:
    """The model's own names say what a setting is, whatever they are called."""

    def test_is_a_setting(self) -> None:
        assert _WithTokens(**put("tokens", {"name": "x"})).tokens.name == "x"

    def test_still_holds_no_secret(self) -> None:
        with pytest.raises(SettingsError) as caught:
            _WithTokens(**put("tokens", {"name": "x", "password": "hunter2"}))
        [problem] = caught.value.problems
        assert problem.field == "tokens.password"
        assert "secrets are never settings" in problem.reason
        assert "hunter2" not in str(problem)

    def test_is_none_where_the_model_has_it_elsewhere(self) -> None:
        with pytest.raises(SettingsError, match="secrets are never settings"):
            _WithTokens(**put("docker.tokens", "hunter2"))
        with pytest.raises(SettingsError, match="secrets are never settings"):
            Settings(**put("tokens", []))

    def test_can_be_set_by_a_variable(self) -> None:
        read = read_variables(
            _WithTokens, {"SWARM_TOKENS__NAME": "x"}, "the environment", is_file=False
        )
        assert read.values == {"tokens": {"name": "x"}}
        unknown = read_variables(
            _WithTokens,
            {"SWARM_TOKENS__NAMES": "x", "SWARM_TOKENS__PASSWORD": "x"},
            "the environment",
            is_file=False,
        )
        assert [one.reason for one in unknown.problems] == [
            "is not a setting",
            "is not a setting, and settings hold no secrets",
        ]


@pytest.mark.parametrize(
    "written",
    [[{"name": "db_password", "env": "DB_PASSWORD"}], {"name": "db", "command": ["pass", "db"]}],
)
def test_a_table_that_declares_a_secret_is_told_its_name_and_not_that_it_is_one(
    written: Any,
) -> None:
    problem = the_problem(put("secret", written))
    assert (problem.reason, problem.instead) == ("is not a known key", "[[secrets]]")


@pytest.mark.parametrize("written", ["hunter2", {"db": "hunter2"}, [{"db": "hunter2"}]])
def test_a_value_in_a_table_of_that_name_is_a_secret(written: Any) -> None:
    problem = the_problem(put("secret", written))
    assert problem.reason == "looks like a secret, and secrets are never settings"
    assert "hunter2" not in str(problem)
