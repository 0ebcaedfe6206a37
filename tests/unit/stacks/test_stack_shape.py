"""How it is told that a part of a file is not as it may be: what it is, what is wanted, what helps.

Which parts there are, and of which kinds, is held against docker's schema by another test:
``test_stack_accepted.py``.
"""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks.accepted import refused
from pyinfra_swarm.stacks.document import parse
from pyinfra_swarm.stacks.shape import Listed, Mapped, Value, Violation
from pyinfra_swarm.stacks.variables import Variables, put_in


def found(text: str) -> list[Violation]:
    root, _ = put_in(parse("a.yml", text.encode()).root, Variables())
    return [*refused(root)]


def told(service: str) -> list[tuple[str, str]]:
    """Reason and remedy of what is refused in a service."""
    return [(one.reason, one.remedy) for one in found(f"services: {{a: {{{service}}}}}")]


@pytest.mark.parametrize(
    ("service", "what", "wanted", "remedy"),
    [
        ("cap_add: x", "a text", "a list", "write a list"),
        ("cap_add: {}", "a mapping", "a list", "write a list"),
        ("healthcheck: {retries: x}", "a text", "a number", "write a number"),
        ("healthcheck: {retries: '3'}", "a text", "a number", "write it without quotes"),
        ("healthcheck: {retries: [3]}", "a list", "a number", "write a number"),
        ("healthcheck: x", "a text", "a mapping", "write a mapping"),
        ("deploy: x", "a text", "a mapping", "write a mapping"),
        ("deploy: {replicas: 1.5}", "a number", "a whole number", "write a whole number"),
        ("deploy: {replicas: x}", "a text", "a whole number", "write a whole number"),
        ("deploy: {replicas: '3'}", "a text", "a whole number", "write it without quotes"),
        ("pid: 5", "a whole number", "a text", 'quote it: "5"'),
        ("hostname: ", "nothing", "a text", "write a text"),
        ("hostname: []", "a list", "a text", "write a text"),
        ("hostname: 1.50", "a number", "a text", 'quote it: "1.5"'),
        ("hostname: true", "true or false", "a text", 'quote it: "true"'),
        ("read_only: 1", "a whole number", "true or false", "write true or false"),
        ("read_only: '80'", "a text", "true or false", "write true or false"),
        ("build: {shm_size: true}", "true or false", "a whole number or a text", None),
        ("dns: {}", "a mapping", "a text or a list", "write a text or a list"),
        ("labels: {a: []}", "a list", "a text or a number", "write a text or a number"),
    ],
)
def test_a_part_of_another_kind(service: str, what: str, wanted: str, remedy: str | None) -> None:
    [(reason, instead)] = told(service)
    assert reason == f"is {what}, where docker stack wants {wanted}"
    assert remedy is None or instead == remedy


TWICE = ("is there twice", "delete one of the two")


@pytest.mark.parametrize(
    ("ports", "twice"),
    [
        ("{target: 1, published: 2}, {published: 2, target: 1}", True),
        ("{target: 1, published: 2}, {target: 2, published: 1}", False),
        ("{target: 1}, {target: 1, published: 1}", False),
        ("80, '80'", False),
        ("[80], [80]", True),
        ("[80], [81]", False),
    ],
)
def test_two_entries_are_equal_where_all_in_them_is(ports: str, twice: bool) -> None:
    assert (TWICE in told(f"ports: [{ports}]")) is twice


def test_what_is_unknown_is_of_the_kind_that_it_becomes() -> None:
    update = "{parallelism: '${P}', max_failure_ratio: '${M}', delay: '${D}', order: '${O}'}"
    assert told(f"deploy: {{update_config: {update}}}, read_only: '${{R}}', image: '${{I}}'") == []
    [(reason, _)] = told("healthcheck: '${H}'")
    assert reason == "is a text, where docker stack wants a mapping"


def test_an_extension_hides_no_key_behind_it() -> None:
    assert [one.path for one in found("x-a: 1\nzzz: 2\nx-b: 3\nyyy: 4\n")] == [("zzz",), ("yyy",)]


def test_a_key_that_is_no_name_may_hold_what_it_likes() -> None:
    assert told("labels: {'a b é': x}, environment: {'': x}, ulimits: {'a b': 5}") == []


@pytest.mark.parametrize("name", ["''", "'a b'", "é", "a/b", "²"])
def test_what_is_no_name(name: str) -> None:
    [one] = found(f"services: {{{name}: {{}}}}")
    assert one.reason.startswith("docker allows letters, digits, dots")


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "X", "0"])
def test_what_is_a_name(name: str) -> None:
    assert found(f"services: {{'{name}': {{}}}}") == []


def test_a_key_that_is_nearly_right_is_named_and_another_is_to_go() -> None:
    assert told("imagee: x")[0][1] == "did you mean image?"
    assert told("zzzzzz: x")[0][1] == "delete it"


def test_a_shape_asks_for_no_more_than_it_says() -> None:
    text = Value(("text",))
    assert (Listed(text).unique, Listed(text).instead) == (False, "")
    assert (Mapped().named, Mapped().extensions, Mapped().required) == (False, False, ())
