"""S7 and S8: secrets in clear text, and Docker's socket."""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks.compose import Source, read
from pyinfra_swarm.stacks.lint import Context, Node, lint
from pyinfra_swarm.stacks.variables import Variables
from tests.unit.stacks.stack_examples import changed, issues, rules, stack

NOTICE, REFUSAL = [("S7", "notice")], [("S7", "refusal")]


def environment(line: str) -> list[tuple[str, str]]:
    return rules(issues(changed(more=f"environment:\n  - {line!r}")))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        *(("DB_PASSWORD=hunter2", NOTICE), ("password=x", NOTICE), ("API_KEY=abc123def", NOTICE)),
        *(("MYSQL_ROOT_PASSWORD=root", NOTICE), ("TOKEN=abcdef", NOTICE), ("SECRET=s", NOTICE)),
        *(("DATABASE_URL=postgres://me:hunter2@db/x", NOTICE), ("X=redis://:pw@cache", NOTICE)),
        *(("DB_PASSWORD=", []), ("DB_PASSWORD", []), ("DB_PASSWORD_FILE=/run/secrets/x", [])),
        *(("DB_PASSWORD=/run/secrets/x", []), ("PASSWORD_MIN_LENGTH=12", []), ("USER=me", [])),
        *(("TOKEN_TTL=3600", []), ("TOKEN_ENABLED=true", []), ("TOKEN_LIFETIME=5m", [])),
        *(("TOKEN_URL=https://id.example.org/token", []), ("PASSWORD_POLICY=strict-one", [])),
        *(("DATABASE_URL=postgres://me@db/x", []), ("URL=http://db:8080/a@b", [])),
        *(("DB_PASSWORD=${PW}", NOTICE), ("URL=postgres://me:${PW}@db/x", NOTICE)),
        ("X=-----BEGIN OPENSSH PRIVATE KEY-----", REFUSAL),
        ("X=AGE-SECRET-KEY-1QQQQQQQQQQQQ", REFUSAL),
        ("X=SWMTKN-1-0123456789abcdefghijklmnop", REFUSAL),
        ("X=SWMKEY-1-0123456789abcdefghijklmnop", REFUSAL),
        (f"X=ghp_{'a1' * 18}", REFUSAL),
        (f"X=github_pat_{'a1' * 18}", REFUSAL),
        (f"X=glpat-{'a1' * 10}", REFUSAL),
        (f"X=xoxb-{'1' * 24}", REFUSAL),
        ("X=AKIAABCDEFGHIJKLMNOP", REFUSAL),
        (f"X=sk_live_{'a' * 24}", REFUSAL),
    ],
)
def test_an_environment_is_no_place_for_a_secret(
    line: str, expected: list[tuple[str, str]]
) -> None:
    assert environment(line) == expected


def test_where_a_secret_stands_is_told_and_numbers_are_looked_at_too() -> None:
    (issue,) = issues(changed(more="environment: { DB_PASSWORD: 12345678901 }"))
    assert (issue.rule, issue.path) == ("S7", "services.web.environment.DB_PASSWORD")


@pytest.mark.parametrize(
    "more",
    [
        *(
            "environment: { API_TOKEN: true, DB_PASSWORD: abc }",
            "labels: [1, x=AKIAABCDEFGHIJKLMNOP]",
        ),
        *(
            "environment: { A: [x], DB_PASSWORD: abc }",
            "labels: { a: [x], b: AKIAABCDEFGHIJKLMNOP }",
        ),
        *("command: [1, --password=abc]", "command: [[x], --password=abc]"),
    ],
)
def test_what_docker_refuses_hides_no_secret_beside_it(more: str) -> None:
    assert {issue.rule for issue in issues(changed(more=more))} == {"S0", "S7"}


def test_what_a_variable_holds_is_no_better_and_never_told() -> None:
    text = changed(more="environment: { DB_PASSWORD: '${PW}', OTHER: '${TOKEN}' }")
    found = issues(text, env={"PW": "hunter2-canary", "TOKEN": f"ghp_{'a1' * 18}"})
    assert rules(found) == [*NOTICE, *REFUSAL]
    assert "canary" not in repr(found)
    assert "ghp_" not in repr(found)


def test_an_environment_file_is_no_place_either() -> None:
    text = changed(more="env_file: secret.env")
    merged = read([Source("a.yml", text.encode())], Variables(), {"secret.env": "PASSWORD=abc\n"})
    (issue,) = lint(merged, Context())
    assert (issue.rule, issue.file, issue.line) == ("S7", "secret.env", 1)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        *(("redis-server --requirepass hunter2", NOTICE), ("app --password=hunter2", NOTICE)),
        *(("app --db-password hunter2", NOTICE), ("app --token abc", NOTICE)),
        *(("app --url=postgres://me:pw@db", NOTICE), ("app --password-file=/run/secrets/x", [])),
        *(("app --password=/run/secrets/x", []), ("app --token-ttl 5m", []), ("app", [])),
        *(("app --password=${PW}", NOTICE), ("app --no-password", [])),
        *(("sh -c 'app --password=$$(cat /x)'", []), ("sh -c 'app --password=$$PW'", [])),
        (f"app {'ghp_' + 'a1' * 18}", REFUSAL),
    ],
)
@pytest.mark.parametrize("key", ["command", "entrypoint"])
def test_words_of_a_command_are_no_place_either(
    key: str, command: str, expected: list[tuple[str, str]]
) -> None:
    assert rules(issues(changed(more=f"{key}: {command!r}"))) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        *(('["redis-server", "--requirepass", "hunter2"]', NOTICE),),
        *(('["app", "--db-password", "abc", "run"]', NOTICE), ('["app", "-token", "x"]', NOTICE)),
        *(('["app", "--TOKEN", "abc"]', NOTICE), ('["app", "--token", "${PW}"]', NOTICE)),
        *(('["app", "--token", "a", "--secret", "b"]', NOTICE * 2),),
        *(('["app", "--token=a", "b"]', NOTICE), ('["app --token", "b"]', [])),
        *(('["app", "--password-file", "/x"]', []), ('["app", "--password", "/run/x"]', [])),
        *(('["app", "--token", "--verbose"]', []), ('["app", "--token", "$$(cat /x)"]', [])),
        *(('["app", "--password", ""]', []), ('["app", "--password"]', []), ("[app, x]", [])),
        *(('["--token"]', []), ('["token", "abc"]', []), ('["app", "--token-ttl", "5m"]', [])),
        (f'["app", "--token", "ghp_{"a1" * 18}"]', REFUSAL),
    ],
)
@pytest.mark.parametrize("key", ["command", "entrypoint"])
def test_the_value_of_an_option_may_be_a_word_of_its_own(
    key: str, words: str, expected: list[tuple[str, str]]
) -> None:
    assert rules(issues(changed(more=f"{key}: {words}"))) == expected


def test_a_secret_of_two_words_is_told_at_the_line_of_the_secret() -> None:
    text = changed(more="command:\n  - redis-server\n  - --requirepass\n  - hunter2")
    (issue,) = issues(text)
    assert issue.line == text.splitlines().index("      - hunter2") + 1
    assert "hunter2" not in repr(issue)


@pytest.mark.parametrize("where", ["labels", "deploy"])
def test_labels_are_no_place_either(where: str) -> None:
    label = "{ token: AKIAABCDEFGHIJKLMNOP, password: hunter2 }"
    limits = "resources: { limits: { memory: 64M } }"
    text = (
        changed(more=f"labels: {label}")
        if where == "labels"
        else changed((limits, f"{limits}\n      labels: {label}"))
    )
    assert rules(issues(text)) == REFUSAL


def test_no_comment_silences_what_is_surely_a_secret() -> None:
    text = changed(
        more="environment:\n"
        "  PASSWORD: abc # pyinfra-swarm: ignore S7 because it is a test\n"
        "  X: AKIAABCDEFGHIJKLMNOP # pyinfra-swarm: ignore S7 because it is a test"
    )
    assert rules(issues(text)) == [*REFUSAL, ("S16", "notice")]


# S8
# --


def mounted(mount: str, more: str = "", context: Context | None = None) -> list[str]:
    limits = "resources: { limits: { memory: 64M } }"
    text = changed(
        (limits, f"{limits}\n      {more}" if more else limits), more=f"volumes: [{mount}]"
    )
    return [issue.reason for issue in issues(text, context=context) if issue.rule == "S8"]


@pytest.mark.parametrize(
    "mount",
    [
        *("'/var/run/docker.sock:/x'", "'/run/docker.sock:/x:ro'", "'/run/../run/docker.sock:/x'"),
        *("'/:/host:ro'", "'/var/run:/var/run'", "'/run:/run'", "'/var:/var'"),
        "{ type: bind, source: /var/run/docker.sock, target: /x, read_only: true }",
    ],
)
def test_dockers_socket_in_a_container_is_told(mount: str) -> None:
    (reason,) = mounted(mount)
    assert "whole swarm" in reason
    assert ("read_only changes nothing" in reason) is (":ro'" in mount or "true" in mount)


@pytest.mark.parametrize(
    ("mount", "reason"),
    [
        (
            "'/var/run/docker.sock:/x'",
            "has Docker's socket: whoever takes over the program is root",
        ),
        (
            "'/var/run:/x'",
            "has Docker's socket (/var/run holds it): whoever takes over the program",
        ),
    ],
)
def test_by_what_it_has_the_socket_is_told(mount: str, reason: str) -> None:
    (found,) = mounted(mount)
    assert found.startswith(reason)
    assert found.endswith("wherever it runs on a manager")


@pytest.mark.parametrize(
    "mount",
    [
        *("'/var/lib:/x'", "'/run/secrets:/x'", "'sock:/var/run/docker.sock'", "'/srv:/x'"),
        *("{ type: volume, source: /run, target: /x }", "'/x'"),
    ],
)
def test_other_mounts_are_not(mount: str) -> None:
    assert mounted(mount) == []


ON_A_WORKER = "placement: { constraints: [node.role == worker] }"


@pytest.mark.parametrize(
    ("more", "managers"),
    [
        ("", True),
        (ON_A_WORKER, False),
        ("placement: { constraints: [node.role != manager] }", False),
        ("placement: { constraints: [node.role != worker] }", True),
        ("placement: { constraints: [Node.Role == Worker] }", False),
    ],
)
def test_on_a_manager_the_socket_is_the_whole_swarm(more: str, managers: bool) -> None:
    (reason,) = mounted("'/run/docker.sock:/x'", more)
    assert ("whole swarm" in reason) is managers


def test_whether_it_can_be_on_a_manager_is_asked_of_the_nodes() -> None:
    nodes = (Node("rk1", role="manager", labels={}), Node("rk2", role="worker", labels={"a": "b"}))
    pinned = "placement: { constraints: [node.labels.a == b] }"
    (reason,) = mounted("'/run/docker.sock:/x'", pinned, Context(nodes=nodes))
    assert "of that node" in reason
    (reason,) = mounted("'/run/docker.sock:/x'", "", Context(nodes=nodes))
    assert "whole swarm" in reason


def test_a_stack_without_services_says_nothing() -> None:
    assert not stack("services: {}").problems
    assert issues("services: {}") == ()
