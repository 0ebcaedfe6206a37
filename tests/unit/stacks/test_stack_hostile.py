"""Whatever a file holds: an answer, no traceback, and nothing that a terminal would obey."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pyinfra_swarm.stacks.compose import Source, named_files, read
from pyinfra_swarm.stacks.lint import Context, Issue, lint, terminal
from pyinfra_swarm.stacks.lint.ignored import KEYS
from pyinfra_swarm.stacks.lint.sarif import sarif
from pyinfra_swarm.stacks.variables import Variables
from tests.tools import hostile
from tests.unit.stacks.stack_examples import GOOD

CONTEXT = Context(stack="x", nodes=(), secrets=frozenset(), existing_secrets=frozenset())
QUICK = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def linted(*contents: bytes, env: dict[str, str] | None = None) -> tuple[Issue, ...]:
    """The issues of these files, taken through everything that prints them."""
    sources = [Source(f"{number}.yml", content) for number, content in enumerate(contents)]
    named_files(sources)
    for context in (Context(), CONTEXT):
        for complete in (False, True):
            merged = read(sources, Variables(env or {}, complete=complete), {})
            found = lint(merged, context)
    files = [source.name for source in sources]
    text = terminal.render(found, files, width=60)
    assert text.replace("\n", "").isprintable()
    json.dumps(sarif(found, "1"))
    return found


@QUICK
@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"a: &a [*a]")
@example(b"? ? ?")
@example(b"!!binary x: 1")
@example(b"%YAML 9.9\n---\na: 1")
@example(b"services: {a: *b}")
@example(b"--- |\n a\n...\n--- x")
def test_any_bytes_have_an_answer(content: bytes) -> None:
    linted(content)


YAML_LETTERS = st.text("abc :-#\n\t{}[]&*!|>'\"%@`?,~<0x.$_\u2028\x85", max_size=120)


@QUICK
@given(YAML_LETTERS)
def test_any_letters_of_yaml_have_an_answer(text: str) -> None:
    linted(text.encode("utf-8", "surrogatepass"))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.sampled_from(
        ["", "0", "1s", "80:80", "${A}", "${A:-b}", "${A:?}", "$", "a=b", "/x:/y", "x"]
    )
    | hostile.texts()
)
WORDS = st.sampled_from(
    [
        *("services", "networks", "volumes", "secrets", "configs", "version", "image", "deploy"),
        *("ports", "environment", "healthcheck", "test", "interval", "placement", "constraints"),
        *("update_config", "order", "failure_action", "resources", "limits", "memory", "external"),
        *("name", "driver", "driver_opts", "encrypted", "source", "target", "published", "mode"),
        *("type", "file", "env_file", "command", "labels", "replicas", "default", "web", "x-y"),
        *("logging", "options", "ulimits", "retries", "monitor", "read_only", "<<"),
        *KEYS,
    ]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=3), inner, max_size=6)
    ),
    max_leaves=25,
)
STACKS = st.fixed_dictionaries(
    {},
    optional={
        "services": st.dictionaries(
            WORDS, st.dictionaries(WORDS, TREES, max_size=8) | TREES, max_size=3
        )
        | TREES,
        "networks": st.dictionaries(WORDS, TREES, max_size=3) | TREES,
        "volumes": TREES,
        "secrets": TREES,
        "configs": TREES,
        "version": SCALARS,
    },
)


def dumped(tree: Any) -> bytes:
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogateescape")


def encodable(tree: Any) -> bool:
    try:
        dumped(tree).decode("utf-8")
    except (UnicodeError, yaml.YAMLError):
        return False
    return True


@QUICK
@given(STACKS, STACKS)
def test_any_two_trees_have_an_answer(first: Any, second: Any) -> None:
    linted(json.dumps(first).encode(), json.dumps(second).encode(), env={"A": "b"})
    if encodable(first):
        linted(dumped(first))


@QUICK
@given(
    hostile.texts(),
    st.sampled_from(["nginx:1.29.1", "front", "web:", "10s", "64M", "rollback", "wget"]),
)
def test_hostile_words_stay_words(text: str, place: str) -> None:
    new = json.dumps(text) + (":" if place.endswith(":") else "")
    for issue in linted(GOOD.replace(place, new).encode("utf-8", "surrogateescape")):
        for said in (issue.file, issue.path, issue.reason, issue.remedy):
            assert said.isprintable()
            assert len(said) <= 2000


@QUICK
@given(hostile.texts(), STACKS)
def test_what_variables_hold_is_never_told(secret: str, tree: Any) -> None:
    canary = f"canary-{secret[:20]}-hunter2"
    text = json.dumps(tree).replace("${A}", "${CANARY}")
    found = linted(text.encode(), env={"CANARY": canary})
    assert "hunter2" not in repr(found)


def test_many_of_everything_take_no_time() -> None:
    many = {f"s{number}": {"image": "a", "ports": [f"{number + 1}:1"]} for number in range(1500)}
    content = json.dumps({"services": many}).encode()
    begun = time.monotonic()
    found = linted(content)
    assert len(found) > 4000
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize(
    "text", ["services:\n  " + "a" * 100_000 + ": {}", "a: '" + "$" * 100_001 + "'"]
)
def test_long_words_are_bounded(text: str) -> None:
    for issue in linted(text.encode()):
        assert len(issue.reason) <= 2000
