"""Variables are put in as docker does.

``tests/engines/test_engines_stack_files.py`` gives the same texts to ``docker stack config``.
"""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks import variables as variables_module
from pyinfra_swarm.stacks.compose import at
from pyinfra_swarm.stacks.document import Scalar, parse
from pyinfra_swarm.stacks.variables import Variables
from tests.unit.stacks.stack_examples import stack

KNOWN = Variables({"TAG": "1.27", "EMPTY": ""}, complete=True)


def put_in(text: str, variables: Variables = KNOWN) -> Scalar:
    root, _ = variables_module.put_in(parse("a.yml", f"x: '{text}'\n".encode()).root, variables)
    node = root.entries["x"]
    assert isinstance(node, Scalar)
    return node


PUT_IN = (
    *(
        ("plain", "plain"),
        ("", ""),
        ("v$TAG", "v1.27"),
        ("v${TAG}!", "v1.27!"),
        ("$TAG$TAG", "1.271.27"),
    ),
    *(("$$TAG", "$TAG"), ("$$$TAG", "$1.27"), ("$${TAG}", "${TAG}"), ("$$", "$"), ("$$$$", "$$")),
    *(("<${NONE}>", "<>"), ("<${EMPTY}>", "<>"), ("<$NONE>", "<>")),
    *(("${NONE:-x}", "x"), ("${NONE-x}", "x"), ("${EMPTY:-x}", "x"), ("<${EMPTY-x}>", "<>")),
    *(
        ("${TAG:-x}", "1.27"),
        ("${TAG-x}", "1.27"),
        ("<${NONE:-}>", "<>"),
        ("${NONE:-/a:-b}", "/a:-b"),
    ),
    *(("${TAG:?say it}", "1.27"), ("${TAG?say it}", "1.27"), ("<${EMPTY?say it}>", "<>")),
    *(("$TAG-x", "1.27"), ("${TAG}-x", "1.27-x"), ("$TAG_x$tag", "")),
    # docker looks for :- first, wherever it stands, and then for -
    *(("${TAG:?a:-b}", "b"), ("${TAG?not-there}", "there")),
)
"""Texts, and what docker makes of them where TAG is 1.27, EMPTY is "" and no other is known."""

REFUSED = (
    *("$", "a$", "$1", "$ TAG", "${", "${}", "${ TAG}", "${TAG }", "${TAG!}", "${1}", "$}"),
    *("${NONE:?say it}", "${EMPTY:?say it}", "${NONE?}", "${NONE:?}", "${NONE?say it}"),
)
"""Texts that docker refuses then."""


@pytest.mark.parametrize(("text", "expected"), PUT_IN)
def test_what_docker_puts_in(text: str, expected: str) -> None:
    assert put_in(text).value == expected


@pytest.mark.parametrize("text", REFUSED)
def test_what_docker_refuses(text: str) -> None:
    merged = stack(f"services: {{}}\nx-a: '{text}'\n", env=KNOWN.values, complete=True)
    (problem,) = merged.problems
    assert (problem.path, problem.place.line) == ("x-a", 2)
    assert problem.remedy


def test_a_variable_that_nobody_knows_leaves_its_text_unknown() -> None:
    node = put_in("${TAG}/${OTHER}", Variables({"TAG": "1.27"}))
    assert node.unknown
    assert node.shown == "${TAG}/${OTHER}"
    assert put_in("${OTHER:-default}", Variables()).value == "default"
    assert put_in("${OTHER:?needed}", Variables()).unknown


def test_what_a_variable_holds_is_never_shown() -> None:
    assert put_in("x${TAG}").value == "x1.27"
    assert put_in("x${TAG}").shown == "x${TAG}"


def test_a_variable_becomes_a_number_or_a_truth_value_where_docker_makes_it_one() -> None:
    merged = stack(
        """\
        services:
          web:
            image: nginx:1
            deploy: { replicas: "${N}" }
            ports: [{ target: 80, published: "${P}" }]
            read_only: ${YES}
            environment: { A: "${N}" }
        networks:
          front: { external: "${YES}" }
        """,
        env={"N": "3", "P": "8080", "YES": "yes"},
        complete=True,
    )
    assert not merged.problems
    web = at(merged.root, "services", "web")

    def said(*path: str) -> object:
        node = at(web, *path)
        return node.value if isinstance(node, Scalar) else node

    assert said("deploy", "replicas") == 3
    assert said("read_only") is True
    assert said("environment", "A") == "3"
    external = at(merged.root, "networks", "front", "external")
    assert isinstance(external, Scalar)
    assert external.value is True


@pytest.mark.parametrize("value", ["", "two", "1.5", " 3", "3 ", "1_0", "³", "0x1"])
def test_a_variable_that_does_not_become_a_number_is_refused(value: str) -> None:
    merged = stack("services: {web: {image: 'a:1', deploy: {replicas: '${N}'}}}", env={"N": value})
    (problem,) = merged.problems
    assert problem.path == "services.web.deploy.replicas"
    assert value.strip() == "" or value not in problem.reason


def test_keys_hold_no_variables() -> None:
    merged = stack("services: {}\nx-$A: 1\n", complete=True)
    assert not merged.problems
    assert not merged.missing


def test_a_missing_variable_is_told_once_for_each_place() -> None:
    merged = stack("services: {}\nx-a: $A$A$B\nx-b: $A\n", complete=True)
    assert [(one.name, one.place.line) for one in merged.missing] == [
        ("A", 2),
        ("B", 2),
        ("A", 3),
    ]
