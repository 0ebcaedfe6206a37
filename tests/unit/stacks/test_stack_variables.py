"""Variables are put in as docker does.

``tests/engines/test_engines_stack_files.py`` gives the same texts to ``docker stack config``.
"""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks import variables as variables_module
from pyinfra_swarm.stacks.compose import at
from pyinfra_swarm.stacks.document import Scalar, parse
from pyinfra_swarm.stacks.variables import Path, Variables, is_number, is_truth, is_whole
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
    assert put_in("${OTHER?needed}", Variables()).unknown
    assert put_in("${OTHER-default}", Variables()).value == "default"


@pytest.mark.parametrize("text", ["${OTHER:?needed}", "${OTHER?needed}", "${OTHER}"])
def test_a_variable_that_must_be_there_may_be_where_it_is_deployed(text: str) -> None:
    assert not stack(f"services: {{}}\nx-a: '{text}'\n").problems


@pytest.mark.parametrize("text", ["${TAG:?needed}", "${TAG?needed}", "${TAG:-x}", "${TAG-x}"])
def test_a_variable_that_is_known_is_put_in_where_others_are_not(text: str) -> None:
    assert put_in(text, Variables({"TAG": "1.27"})).value == "1.27"


def test_what_was_refused_is_unknown_to_whoever_reads_on() -> None:
    assert put_in("a $ b").unknown


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
    replicas = at(web, "deploy", "replicas")
    assert isinstance(replicas, Scalar)
    assert replicas.shown == "${N}"
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


# docker/cli, ``cli/compose/loader/interpolate.go``, with a service called web and one of each else.
WHOLE = """\
services.web.configs.[].mode services.web.secrets.[].mode services.web.healthcheck.retries
services.web.deploy.replicas services.web.deploy.update_config.parallelism
services.web.deploy.rollback_config.parallelism services.web.deploy.restart_policy.max_attempts
services.web.deploy.placement.max_replicas_per_node services.web.ports.[].target
services.web.ports.[].published services.web.ulimits.nofile services.web.ulimits.nofile.hard
services.web.ulimits.nofile.soft services.web.oom_score_adj
"""
NUMBERS = """\
services.web.deploy.update_config.max_failure_ratio
services.web.deploy.rollback_config.max_failure_ratio
"""
TRUTHS = """\
services.web.healthcheck.disable services.web.privileged services.web.read_only
services.web.stdin_open services.web.tty services.web.volumes.[].read_only
services.web.volumes.[].volume.nocopy networks.n.external volumes.v.external secrets.s.external
configs.c.external networks.n.internal networks.n.attachable
"""
TEXTS = """\
services.web.image services.web.environment.A services.web.deploy.replicas.x services.web
services.web.volumes.[].source services.web.deploy networks.n.name x-a web.deploy.replicas
"""


def ways(text: str) -> list[Path]:
    return [tuple(0 if one == "[]" else one for one in way.split(".")) for way in text.split()]


def test_where_a_variable_is_no_text() -> None:
    for text, kinds in (
        *((WHOLE, (True, False, False)), (NUMBERS, (False, True, False))),
        *((TRUTHS, (False, False, True)), (TEXTS, (False, False, False))),
    ):
        for way in ways(text):
            assert (is_whole(way), is_number(way), is_truth(way)) == kinds, way


def test_a_key_with_dots_is_several_parts_to_docker() -> None:
    assert is_whole(("services", "web.deploy", "replicas"))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        *(("oom_score_adj", "+3", 3), ("oom_score_adj", "-3", -3)),
        *(("oom_score_adj", "9" * 19, 10**19 - 1), ("oom_score_adj", "9" * 20, None)),
        *(("tty", word, True) for word in ("y", "Yes", "true", "ON")),
        *(("tty", word, False) for word in ("n", "NO", "False", "off")),
        *(("tty", word, None) for word in ("1", "0", "", "t", "yes ")),
    ],
)
def test_what_a_number_or_a_truth_value_may_be_called(key: str, text: str, value: object) -> None:
    found = stack(f"services: {{web: {{image: 'a:1', {key}: '${{V}}'}}}}", env={"V": text})
    node = at(found.root, "services", "web", key)
    assert isinstance(node, Scalar)
    assert (node.unknown, [one.path for one in found.problems]) == (
        (True, [f"services.web.{key}"]) if value is None else (False, [])
    )
    assert value is None or node.value == value


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), ("1e-1", 0.1), ("1.5.5", None), ("x", None), ("0" * 41, None)]
)
def test_a_share_is_a_number(text: str, value: float | None) -> None:
    deploy = "deploy: {update_config: {max_failure_ratio: '${V}'}}"
    found = stack(f"services: {{web: {{image: 'a:1', {deploy}}}}}", env={"V": text})
    node = at(found.root, "services", "web", "deploy", "update_config", "max_failure_ratio")
    assert isinstance(node, Scalar)
    assert node.unknown is (value is None)
    assert value is None or node.value == value


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
