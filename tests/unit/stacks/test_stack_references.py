"""S14 and S15: secrets, configs, volumes and variables that are not there; S0: undeclared ones."""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks.lint import Context
from tests.unit.stacks.stack_examples import GOOD, changed, issues, rules

KNOWN = Context(
    secrets=frozenset({"db_password"}),
    configs=frozenset({"site"}),
    existing_secrets=frozenset({"by_hand", "db_password_v3"}),
    existing_configs=frozenset(),
)
REFUSED, TOLD = [("S14", "refusal")], [("S14", "notice")]


def declared(section: str, text: str, context: Context = KNOWN) -> list[tuple[str, str]]:
    return rules(issues(f"{GOOD}{section}: {text}\n", context=context))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("{ db_password: { external: true } }", []), ("{ by_hand: { external: true } }", [])),
        *(
            ("{ x: { external: true, name: db_password } }", []),
            ("{ x: { external: true } }", REFUSED),
        ),
        *(("{ x: { external: { name: db_password } } }", []),),
        *(("{ db_password: { external: true, name: other } }", REFUSED),),
        *(("{ x: { external: true, name: db_password_v3 } }", TOLD),),
        *(("{ x: { external: true, name: db_password_v9 } }", TOLD),),
        *(("{ x: { external: true, name: other_v3 } }", REFUSED),),
        *(("{ x: { external: true, name: '${N}' } }", []), ("{ x: { external: '${E}' } }", [])),
        *(("{ x: { file: ./x } }", TOLD), ("{ x: { file: ./x, name: x-1 } }", TOLD)),
        *(("{ x: { driver: vault } }", []), ("{ site: { external: true } }", REFUSED)),
        *(("{ x: { external: false, file: ./x } }", TOLD),),
        *(("{ x: { external: '${E}', file: ./x } }", []),),
    ],
)
def test_a_secret_is_declared_or_there(text: str, expected: list[tuple[str, str]]) -> None:
    assert declared("secrets", text) == expected


def test_configs_are_not_secrets() -> None:
    assert declared("configs", "{ site: { external: true } }") == []
    assert declared("configs", "{ db_password: { external: true } }") == REFUSED
    assert declared("configs", "{ x: { external: true, name: site_v1 } }") == TOLD
    assert declared("configs", "{ x: { file: ./x } }") == []
    assert declared("configs", "{ x: { file: ./x } }", Context()) == TOLD


def test_what_is_in_the_swarm_is_unknown_without_a_swarm() -> None:
    alone = Context(secrets=frozenset({"db_password"}))
    assert declared("secrets", "{ x: { external: true } }", alone) == []
    assert declared("secrets", "{ x: { external: true, name: db_password_v1 } }", alone) == TOLD
    assert declared("secrets", "{ x: { external: true, name: db_password_v1 } }", Context()) == []


def test_what_is_declared_is_unknown_without_settings() -> None:
    for alone in (True, False):
        undeclared = Context(existing_secrets=frozenset({"by_hand"}), alone=alone)
        assert declared("secrets", "{ x: { external: true } }", undeclared) == []


def test_beside_the_settings_alone_what_is_not_declared_is_told() -> None:
    alone = Context(secrets=frozenset({"db_password"}), configs=frozenset(), alone=True)
    assert declared("secrets", "{ db_password: { external: true } }", alone) == []
    assert declared("secrets", "{ x: { external: true } }", alone) == TOLD
    (found,) = issues(f"{GOOD}configs: {{ x: {{ external: true }} }}\n", context=alone)
    assert (found.path, found.rule, found.severity) == ("configs.x", "S14", "notice")
    assert found.reason.startswith("the config x is not declared")


def test_a_file_with_a_name_of_its_own_can_be_deployed_again() -> None:
    (first,) = issues(f"{GOOD}secrets: {{ x: {{ file: ./x }} }}\n")
    assert "clear text beside the stack" in first.reason
    assert "refuses every deploy" in first.reason
    (second,) = issues(f"{GOOD}secrets: {{ x: {{ file: ./x, name: x-1 }} }}\n")
    assert second.reason == "lies in clear text beside the stack"
    assert (first.path, second.path) == ("secrets.x", "secrets.x")
    (config,) = issues(f"{GOOD}configs: {{ x: {{ file: ./x, name: x-1 }} }}\n")
    assert config.reason == "is made from a file"


@pytest.mark.parametrize(
    "lines",
    [
        *("secrets: [some]", "configs: [some]", "volumes: ['some:/x']"),
        "secrets: [{ source: some }]",
        "volumes: [{ type: volume, source: some, target: /x, read_only: true }]",
    ],
)
def test_what_a_service_uses_is_declared_in_the_file(lines: str) -> None:
    assert rules(issues(changed(more=lines))) == [("S0", "refusal")]
    section = lines.partition(":")[0]
    value = "{ driver: nfs }" if section == "volumes" else "{ external: true }"
    assert issues(f"{changed(more=lines)}{section}: {{ some: {value} }}\n") == ()


def test_a_variable_without_a_value_is_told_where_all_are_known() -> None:
    text = changed(("nginx:1.29.1", "nginx:1.29.1${SUFFIX}"))
    assert issues(text) == ()
    (issue,) = issues(text, complete=True)
    assert (issue.rule, issue.severity, issue.path) == ("S15", "notice", "services.web.image")
    assert "SUFFIX" in issue.reason
    assert issues(text, env={"SUFFIX": ""}, complete=True) == ()
    assert issues(changed(("1.29.1", "${TAG:-1}")), complete=True) == ()
    assert rules(issues(changed(("1.29.1", "${TAG:?say it}")), complete=True)) == [
        ("S0", "refusal")
    ]


@pytest.mark.parametrize(
    ("more", "path", "remedy"),
    [
        ("secrets: [x]", "services.web.secrets[0]", "secrets: { NAME: { external: true } }"),
        ("configs: [x]", "services.web.configs[0]", "configs: { NAME: { external: true } }"),
        ("volumes: ['named:/v']", "services.web.volumes[0]", "volumes: { NAME: {} }"),
    ],
)
def test_what_nothing_declares_is_refused_with_what_to_write(
    more: str, path: str, remedy: str
) -> None:
    [found] = [one for one in issues(changed(more=more)) if one.rule == "S0"]
    assert (found.severity, found.path) == ("refusal", path)
    assert remedy in found.remedy


def test_an_image_that_nobody_knows_is_one() -> None:
    assert issues(changed(("nginx:1.29.1", "${IMAGE}"))) == ()


@pytest.mark.parametrize(
    "more",
    ["secrets: ['${S}']", "volumes: ['${V}:/v']", "volumes: ['/v']", "secrets: [{ target: x }]"],
)
def test_what_is_unknown_or_has_no_name_is_not_asked_for(more: str) -> None:
    assert [one for one in issues(changed(more=more)) if one.rule == "S0"] == []
