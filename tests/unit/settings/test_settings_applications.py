"""`[[secrets]]`, `[[configs]]` and `[[stacks]]`: what they accept, refuse, and in which words."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm import settings
from pyinfra_swarm.settings import Settings, SettingsError
from pyinfra_swarm.settings.applications import SOURCES, Stack
from pyinfra_swarm.settings.paths import project
from pyinfra_swarm.settings.values.applications import FromVariable, sops_path
from tests.unit.settings.conftest import BOARDS, Write, refused
from tests.unit.settings.settings_examples import problems, the_problem

HOSTS: Any = [{"name": "rk1", "address": "192.168.1.11", "role": "manager"}]
AGE = {"file": "secrets/db.age", "identity": "~/.ssh/id_ed25519"}
SOPS = {"file": "secrets.yaml", "key": "db.password"}
EACH_SOURCE: dict[str, Any] = {
    "command": ["pass", "show", "lab/db"],
    "env": "DB_PASSWORD",
    "file": "secrets/db",
    "age": AGE,
    "sops": SOPS,
}


def given_as(section: str, **fields: Any) -> dict[str, Any]:
    return {"hosts": HOSTS, section: [{"name": "db", **fields}]}


def stack(**fields: Any) -> dict[str, Any]:
    return {"hosts": HOSTS, "stacks": [{"name": "web", "files": ["web.yml"], **fields}]}


class TestAValue:
    @pytest.mark.parametrize("section", ["secrets", "configs"])
    @pytest.mark.parametrize("source", SOURCES)
    def test_comes_from_one_source(self, section: str, source: str) -> None:
        made = Settings(**given_as(section, **{source: EACH_SOURCE[source]}))
        (declared,) = getattr(made, section)
        assert declared.name == "db"
        assert declared.source == source
        assert Settings(**made.model_dump()) == made

    def test_of_a_command_or_a_variable_loses_its_line_end_and_no_other_does(self) -> None:
        strips = {
            source: Settings(**given_as("secrets", **{source: one})).secrets[0].strips
            for source, one in EACH_SOURCE.items()
        }
        assert strips == {
            "command": True,
            "env": True,
            "file": False,
            "age": False,
            "sops": False,
        }

    @pytest.mark.parametrize("source", SOURCES)
    def test_keeps_or_loses_its_line_end_as_declared(self, source: str) -> None:
        for newline, strips in (("keep", False), ("strip", True)):
            data = given_as("secrets", newline=newline, **{source: EACH_SOURCE[source]})
            assert Settings(**data).secrets[0].strips is strips

    def test_may_have_a_greatest_age(self) -> None:
        assert Settings(**given_as("secrets", env="X", max_age="2d")).secrets[
            0
        ].max_age_seconds == (2 * 86400)
        assert Settings(**given_as("secrets", env="X")).secrets[0].max_age_seconds is None

    def test_is_called_a_secret_or_a_config(self) -> None:
        assert Settings(**given_as("secrets", env="X")).secrets[0].kind == "secret"
        assert Settings(**given_as("configs", env="X")).configs[0].kind == "config"

    @pytest.mark.parametrize("section", ["secrets", "configs"])
    def test_without_a_source_is_told_which_there_are(self, section: str) -> None:
        problem = the_problem(given_as(section))
        assert problem.field == f'{section}[0] "db"'
        assert problem.reason == "does not say where its value comes from"
        assert problem.instead.startswith("one of command, env, file, age, sops: command = [")

    @pytest.mark.parametrize("empty", [{"env": ""}, {"file": ""}, {"command": []}])
    def test_with_an_empty_source_has_none(self, empty: dict[str, Any]) -> None:
        assert "does not say where" in the_problem(given_as("secrets", **empty)).reason

    def test_with_several_sources_is_told_which(self) -> None:
        problem = the_problem(given_as("secrets", env="X", file="x", sops=SOPS))
        assert problem.reason == "has 3 sources: env, file, sops"
        assert problem.instead == "one of them only"

    @pytest.mark.parametrize(("section", "key"), [("secrets", "name"), ("configs", "name")])
    def test_has_a_name_of_its_own(self, section: str, key: str) -> None:
        data = {"hosts": HOSTS, section: [{"name": "db", "env": "X"}, {"name": "db", "env": "Y"}]}
        problem = the_problem(data)
        assert problem.field == f'{section}[1] "db".{key}'
        assert problem.reason == f'is used twice: {section}[0] "db" has it as well'

    def test_of_a_secret_and_of_a_config_may_have_one_name(self) -> None:
        declared: Any = [{"name": "x", "env": "X"}]
        Settings(hosts=HOSTS, secrets=declared, configs=declared)

    @pytest.mark.parametrize("name", ["db_password", "app_vault", "A.b-c", "x", "v1", "a_v1b"])
    def test_is_named_as_the_engine_takes_it(self, name: str) -> None:
        declared: Any = [{"name": name, "env": "X"}]
        Settings(hosts=HOSTS, secrets=declared)


REFUSED = [
    ("name", "db password", "is not a name that the engine takes", '"db_password"'),
    ("name", "_db", "is not a name that the engine takes", '"db"'),
    ("name", "", "is not a name that the engine takes", 'a name such as "'),
    ("name", "ü", "is not a name that the engine takes", 'a name such as "'),
    ("name", "a" * 57, "has 57 letters", "a shorter name"),
    ("name", "db_v2", "ends in _v2, as versions do", '"db"'),
    ("name", "db_v1_v2", "ends in _v2, as versions do", '"db"'),
    ("name", "pyinfra-swarm.x", "begins with pyinfra-swarm.", 'a name such as "'),
    ("name", 5, "is not a text", "in quotes"),
    ("command", "pass show 'lab/db x'", "is one text", '["pass", "show", "lab/db x"]'),
    ("command", "it's", "is one text", '["pass", "show", "lab/db"]'),
    ("command", ["", "x"], "names no program", '["pass", "show", "lab/db"]'),
    ("command", ["a", "b\0"], "zero byte", "without it"),
    ("command", ["/bin/echo", "x"], "prints its own words", '["pass", "show", "lab/db"]'),
    ("command", 5, "is not a list", '["pass", "show", "lab/db"]'),
    ("env", "DB-PASSWORD", "is not the name of a variable", '"DB_PASSWORD"'),
    ("env", "${DB}", "is not the name of a variable", '"DB"'),
    ("env", "swarm_db", "begins with SWARM_", '"db"'),
    ("env", ["X"], "is not a text", '"DB_PASSWORD"'),
    ("file", " secrets/db", "has a space before or after it", '"secrets/db"'),
    ("file", "secrets/", "is a folder", '"secrets/db"'),
    ("file", "a\nb", "is not a path", '"secrets/db"'),
    ("file", "~nobodyhere/db", 'the home of "nobodyhere"', '"~/db"'),
    ("file", 5, "is not a text", '"secrets/db"'),
    ("age", "secrets/db.age", "is not a table", '{ file = "secrets/db.age", identity = '),
    ("sops", "secrets.yaml", "is not a table", '{ file = "secrets.yaml", key = "db.password" }'),
    ("newline", "trim", 'is not one of "keep" or "strip"', '"strip"'),
    ("adopt", "perhaps", "is not true or false", "without quotes"),
    ("max_age", "soon", "is not a duration", '"90d"'),
    ("max_age", "5m", "is shorter than an hour", '"90d"'),
    ("colour", "red", "is not a known key", "one of name, command"),
]


@pytest.mark.parametrize("section", ["secrets", "configs"])
@pytest.mark.parametrize(("key", "value", "reason", "instead"), REFUSED)
def test_a_wrong_value_is_refused_with_its_reason_and_what_to_write(
    section: str, key: str, value: Any, reason: str, instead: str
) -> None:
    source = {} if key in EACH_SOURCE else {"env": "X"}
    problem = the_problem(given_as(section, **{**source, key: value}))
    assert problem.field.startswith(f"{section}[0]")
    assert f".{key}" in problem.field
    assert reason in problem.reason
    assert instead in problem.instead


@pytest.mark.parametrize(
    ("source", "field", "reason", "instead"),
    [
        ({"age": {"file": "x"}}, "age.identity", "is missing", '"~/.ssh/id_ed25519"'),
        ({"age": {"identity": "x"}}, "age.file", "is missing", 'file = "secrets/db"'),
        ({"age": {**AGE, "identity": "~/k.pub"}}, "age.identity", "public half", '"~/k"'),
        ({"age": {**AGE, "identity": "age1xyz"}}, "age.identity", "public key", "keys.txt"),
        ({"age": {**AGE, "identity": ""}}, "age.identity", "is empty", '"~/.ssh/id_ed25519"'),
        ({"age": {**AGE, "file": ""}}, "age.file", "is empty", '"secrets/db"'),
        ({"age": {**AGE, "files": "x"}}, "age.files", "is not a known key", '"file"'),
        ({"sops": {"key": "x"}}, "sops.file", "is missing", 'file = "secrets/db"'),
        ({"sops": {**SOPS, "key": "a..b"}}, "sops.key", "is not a place", '"db.password"'),
        ({"sops": {**SOPS, "key": "a b"}}, "sops.key", "is not a place", '"db.password"'),
        ({"sops": {**SOPS, "key": "[db]"}}, "sops.key", "as sops writes it", '["db"]'),
        ({"sops": {**SOPS, "key": '["a"'}}, "sops.key", "as sops writes it", '["db"]'),
    ],
)
def test_what_is_wrong_in_an_encrypted_source_is_named_by_its_place(
    source: dict[str, Any], field: str, reason: str, instead: str
) -> None:
    problem = the_problem(given_as("secrets", **source))
    assert problem.field == f'secrets[0] "db".{field}'
    assert reason in problem.reason
    assert instead in problem.instead


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("db.password", '["db"]["password"]'),
        ("users.0.name", '["users"][0]["name"]'),
        ("größe", '["größe"]'),
        ('["db"]["the.password"]', '["db"]["the.password"]'),
        ("['db'][0]", "['db'][0]"),
    ],
)
def test_a_key_of_sops_is_given_as_the_program_takes_it(key: str, path: str) -> None:
    made = Settings(**given_as("secrets", sops={"file": "x", "key": key}))
    assert made.secrets[0].sops
    assert sops_path(made.secrets[0].sops.key) == path


class TestASecretItself:
    @pytest.mark.parametrize("section", ["secrets", "configs"])
    @pytest.mark.parametrize("key", ["value", "content", "text", "Data", "literal"])
    def test_stands_in_no_setting(self, section: str, key: str) -> None:
        problem = the_problem(given_as(section, **{key: "hunter2"}))
        assert problem.field == f'{section}[0] "db".{key}'
        assert problem.reason == "would hold the value itself, which is never a setting"
        assert problem.instead.startswith("one of command, env, file, age and sops")
        assert "hunter2" not in str(problem)

    def test_stands_in_no_key_that_is_called_like_one(self) -> None:
        problem = the_problem(given_as("secrets", password="hunter2"))
        assert problem.field == 'secrets[0] "db".password'
        assert problem.reason == "looks like a secret, and secrets are never settings"
        assert problem.instead.startswith("one of command, env, file, age and sops")
        assert "hunter2" not in str(problem)

    def test_is_not_shown_where_names_and_values_are_one_table(self) -> None:
        for table in ({"db": "hunter2"}, {"db_password": "hunter2"}, "hunter2", ["hunter2"]):
            found = problems({"hosts": HOSTS, "secrets": table})
            assert not isinstance(table, dict) or "hunter2" not in "\n".join(map(str, found))
        assert (
            "[[secrets]], in double brackets"
            in problems({"hosts": HOSTS, "secrets": {"db": "hunter2"}})[0].instead
        )

    @pytest.mark.parametrize(
        "value",
        [
            {"command": ["curl", "-u", "me", "https://me:hunter2@example.org"]},
            {"command": "curl https://me:hunter2@example.org"},
            {"command": ["age", "AGE-SECRET-KEY-1HUNTER2"]},
            {"env": "SWMTKN-1-hunter2"},
            {"file": "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2"},
            {"age": {"file": "x", "identity": "AGE-SECRET-KEY-1HUNTER2"}},
            {"age": "AGE-SECRET-KEY-1HUNTER2"},
            {"sops": {"file": "x", "key": "https://me:hunter2@example.org"}},
            {"name": "SWMKEY-1-hunter2", "env": "X"},
        ],
    )
    def test_is_refused_in_every_field_without_a_trace_of_it(self, value: dict[str, Any]) -> None:
        for section in ("secrets", "configs"):
            found = problems(given_as(section, **value))
            assert any("secrets are never settings" in one.reason for one in found)
            assert "hunter2" not in "\n".join(map(str, found)).lower()

    def test_is_no_config(self) -> None:
        problem = the_problem({"hosts": HOSTS, "configs": [{"name": "db_password", "env": "X"}]})
        assert problem.field == 'configs[0] "db_password".name'
        assert "whoever may ask the engine can read a config" in problem.reason
        assert problem.instead.startswith("[[secrets]]")


class TestAStack:
    def test_has_files_and_variables(self) -> None:
        made = Settings(**stack(env={"TAG": "1.27", "DOMAIN": {"env": "MY_DOMAIN"}}))
        assert made.stacks == (
            Stack(
                name="web",
                files=("web.yml",),
                env={"TAG": "1.27", "DOMAIN": FromVariable(env="MY_DOMAIN")},
            ),
        )
        assert Settings(**made.model_dump()) == made

    @pytest.mark.parametrize(
        ("key", "value", "field", "reason", "instead"),
        [
            ("name", "my web", "name", "cannot begin the names of services", '"my_web"'),
            ("name", "a.b", "name", "cannot begin the names of services", '"a_b"'),
            ("name", "x" * 37, "name", "more than 36", "a shorter name"),
            ("files", "web.yml", "files", "is not a list", '["web.yml"]'),
            ("files", [], "files", "is empty", '["stacks/web.yml"]'),
            ("files", ["a", "a"], "files", "names a file twice", "each file once"),
            ("files", [""], "files[0]", "is empty", '"stacks/web.yml"'),
            ("files", [1], "files[0]", "is not a text", "in quotes"),
            ("env", ["TAG=1"], "env", "is not a table", "a table"),
            ("env", {"A-B": "x"}, "env.A-B", "not the name of a variable", '"DB_PASSWORD"'),
            ("env", {"PORT": 80}, "env.PORT", "is not a text", 'in quotes: "80"'),
            ("env", {"ON": True}, "env.ON", "is not a text", 'in quotes: "true"'),
            ("env", {"A": ["x"]}, "env.A", "is not a text", "{ env = "),
            ("env", {"A": {"file": "x"}}, "env.A", "table of another kind", "{ env = "),
            ("env", {"A": {"env": 5}}, "env.A", "table of another kind", "{ env = "),
            ("env", {"A": {"env": "a b"}}, "env.A", "not the name of a variable", "DB_PASSWORD"),
            ("env", {"A": {"env": "SWARM_X"}}, "env.A", "begins with SWARM_", '"X"'),
            ("env", {"A": "x\ny"}, "env.A", "cannot be printed", "{ env = "),
            ("file", "web.yml", "file", "is not a known key", '"files"'),
        ],
    )
    def test_is_refused_with_the_reason_and_what_to_write(
        self, key: str, value: Any, field: str, reason: str, instead: str
    ) -> None:
        problem = the_problem(stack(**{key: value}))
        assert problem.field.startswith("stacks[0]")
        assert problem.field.endswith(f".{field}")
        assert reason in problem.reason
        assert instead in problem.instead

    def test_without_files_is_told_so(self) -> None:
        problem = the_problem({"hosts": HOSTS, "stacks": [{"name": "web"}]})
        assert problem.field == 'stacks[0] "web".files'
        assert problem.instead == 'files = ["stacks/web.yml"]'

    def test_has_a_name_of_its_own(self) -> None:
        data = stack()
        assert "is used twice: " in the_problem({**data, "stacks": data["stacks"] * 2}).reason

    @pytest.mark.parametrize("value", ["hunter2", {"env": "DB_PASSWORD"}])
    def test_is_given_secrets_by_reference_only(self, value: Any) -> None:
        problem = the_problem(stack(env={"DB_PASSWORD": value}))
        assert problem.field == 'stacks[0] "web".env.DB_PASSWORD'
        assert "looks like a secret" in problem.reason
        assert problem.instead.startswith("a secret of its own in [[secrets]]")
        assert "hunter2" not in str(problem)

    def test_may_name_the_file_of_a_secret(self) -> None:
        Settings(**stack(env={"DB_PASSWORD_FILE": "/run/secrets/db_password"}))


class TestAllOfThem:
    def test_can_be_set_by_variables_as_json(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(env=f"SWARM_STACKS='{json.dumps(stack()['stacks'])}'\n")
        monkeypatch.setenv("SWARM_SECRETS", '[{"name": "db", "command": ["pass", "show", "db"]}]')
        monkeypatch.setenv("SWARM_CONFIGS", '[{"name": "traefik", "file": "t.toml"}]')
        made = settings.load()
        assert made.secrets[0].command == ("pass", "show", "db")
        assert made.configs[0].file == "t.toml"
        assert made.stacks[0].files == ("web.yml",)
        assert made.folder == path.parent

    def test_are_told_of_the_variable_that_they_come_from(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write()
        monkeypatch.setenv("SWARM_SECRETS", '[{"name": "db", "password": "hunter2"}]')
        text = refused()
        assert 'secrets[0] "db".password (from SWARM_SECRETS in the environment)' in text
        assert "hunter2" not in text
        monkeypatch.setenv("SWARM_SECRETS", "hunter2")
        settings.forget()
        text = refused()
        assert "secrets (from SWARM_SECRETS in the environment) = (not shown)" in text
        assert 'JSON, in which texts are in double quotes: ["one", "two"]' in text
        assert "hunter2" not in text

    def test_are_read_from_the_file(self, write: Write) -> None:
        path = write(BOARDS + '[[secrets]]\nname = "db"\nage = { file = "a", identity = "b" }\n')
        made = settings.load()
        assert made.secrets[0].source == "age"
        assert made.folder == path.parent

    def test_start_from_the_project_where_there_is_no_file(self) -> None:
        assert Settings(hosts=HOSTS).folder == project()

    @given(st.text(max_size=80))
    def test_have_no_name_that_the_engine_refuses(self, name: str) -> None:
        declared: Any = [{"name": name, "env": "X"}]
        try:
            made = Settings(hosts=HOSTS, secrets=declared)
        except SettingsError as error:
            refused = error.problems
        else:
            refused = ()
            version = f"{made.secrets[0].name}_v999999"
            assert re.fullmatch("[a-zA-Z0-9]+(?:[a-zA-Z0-9-_.]*[a-zA-Z0-9])?", version)  # its own
            assert len(version) <= 64
        assert all(one.field.startswith("secrets[0]") for one in refused)
