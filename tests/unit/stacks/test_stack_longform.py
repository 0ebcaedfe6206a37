"""Short ways of writing things, brought into the long one as docker does it.

The same is held against ``docker stack config`` by ``tests/engines/test_engines_stack_files.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pyinfra_swarm.stacks import mounts, ports
from pyinfra_swarm.stacks.compose import Source, at, named_files, read
from pyinfra_swarm.stacks.document import Items, Node, Scalar, Table
from pyinfra_swarm.stacks.longform import PORTS_LIMIT, said, seconds
from pyinfra_swarm.stacks.variables import Variables
from tests.unit.stacks.stack_examples import stack


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [(80, 0, "tcp", "")]),
        ("65535", [(65535, 0, "tcp", "")]),
        ("8080:80", [(80, 8080, "tcp", "")]),
        ("8080:80/UDP", [(80, 8080, "udp", "")]),
        ("53:53/sctp", [(53, 53, "sctp", "")]),
        ("127.0.0.1:8080:80", [(80, 8080, "tcp", "127.0.0.1")]),
        ("127.0.0.1::80", [(80, 0, "tcp", "127.0.0.1")]),
        ("[::1]:8080:80", [(80, 8080, "tcp", "::1")]),
        ("::1:8080:80", [(80, 8080, "tcp", "::1")]),
        ("3000-3001", [(3000, 0, "tcp", ""), (3001, 0, "tcp", "")]),
        ("9000-9001:80-81", [(80, 9000, "tcp", ""), (81, 9001, "tcp", "")]),
        ("9000-9001:80", [(80, 9000, "tcp", ""), (80, 9001, "tcp", "")]),
    ],
)
def test_ports(text: str, expected: list[tuple[int, int, str, str]]) -> None:
    found = ports.parse(text)
    assert [(one.target, one.published, one.protocol, one.address) for one in found] == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "/tcp", "80/gopher", "a:80", "80:b", "65536", "80:65536", "-1", "1-", "2-1", "80:"),
        *("1-3:1-2", "localhost:80:80", "1.2.3:80:80", "²", " 80", "80 "),
        *("[::12:80:80", "2::1]:80:80"),
    ],
)
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ports.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", ("volume", "", "/data", False)),
        ("data:/data", ("volume", "data", "/data", False)),
        ("data:/data:ro", ("volume", "data", "/data", True)),
        ("data:/data:ro,rw", ("volume", "data", "/data", False)),
        ("data:/data:nocopy,z", ("volume", "data", "/data", False)),
        ("./data:/data", ("bind", "./data", "/data", False)),
        ("/srv:/data:ro,rslave", ("bind", "/srv", "/data", True)),
        ("~/srv:/data", ("bind", "~/srv", "/data", False)),
        ("..:/data", ("bind", "..", "/data", False)),
        ("c:\\data:/data", ("bind", "c:\\data", "/data", False)),
        ("a", ("volume", "", "a", False)),
        ("a:", ("volume", "", "a:", False)),
        ("/:", ("volume", "", "/:", False)),
        ("/:b", ("bind", "/", "b", False)),
        ("\\\\server\\share:/data", ("bind", "\\\\server\\share", "/data", False)),
        ("data\\\\:/data", ("volume", "data\\\\", "/data", False)),
        ("X1:/data", ("volume", "X1", "/data", False)),
        ("1:/data", ("volume", "1", "/data", False)),
    ],
)
def test_mounts(text: str, expected: tuple[str, str, str, bool]) -> None:
    found = mounts.parse(text)
    assert (found.kind, found.source, found.target, found.read_only) == expected


@pytest.mark.parametrize("text", ["", ":/data", "data::ro", "aa:bb:ro:x", "data:/data:"])
def test_what_is_no_mount(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        mounts.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("10s", 10.0), ("1m30s", 90.0), ("1h", 3600.0), ("1.5m", 90.0), ("0", 0.0), ("0s", 0.0)),
        *(("500ms", 0.5), ("-5s", -5.0), ("+5s", 5.0), ("1us", 1e-6), (".5s", 0.5)),
        *(("10", None), ("", None), ("s", None), ("5 s", None), ("5d", None), (".s", None)),
        *(("5ss", None), ("-", None), ("1m-3s", None), ("five", None), ("+0", 0.0), ("1.", None)),
        *(("1ns", 1e-9), ("2us", 2e-6), ("2µs", 2e-6), ("2μs", 2e-6), ("1h1m1s", 3661.0)),
        *(("0" * 98 + "5s", 5.0), ("0" * 99 + "5s", None)),
    ],
)
def test_lengths_of_time(text: str, expected: float | None) -> None:
    found = seconds(text)
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((1, "1"), (True, "true"), (None, "<nil>"), ("x", "x"), (1.0, "1"), (0.5, "0.5")),
        *((1e21, "1e+21"), (1e6, "1e+06"), (999999.0, "999999"), (0.0001, "0.0001")),
        *((1e-05, "1e-05"), (float("inf"), "+Inf"), (123456.789, "123456.789"), (0.0, "0")),
        *((-1234567.5, "-1.2345675e+06"), (-1.5e-05, "-1.5e-05"), (-2.0, "-2")),
        *((float("-inf"), "-Inf"), (float("nan"), "NaN"), (False, "false"), (-0.5, "-0.5")),
    ],
)
def test_values_are_written_as_go_writes_them(value: object, expected: str) -> None:
    assert said(value) == expected


def environment(text: str, texts: dict[str, str], **values: str) -> dict[str, object]:
    merged = read([Source("a.yml", text.encode())], Variables(values, complete=True), texts)
    table = at(merged.root, "services", "web", "environment")
    assert isinstance(table, Table)
    return {key: node.value for key, node in table.entries.items() if isinstance(node, Scalar)}


def test_an_environment_file_comes_before_the_environment() -> None:
    text = "services: {web: {image: 'a:1', env_file: [a.env, b.env], environment: {B: own, N: 1}}}"
    texts = {"a.env": "# comment\nA=a\nB=file\n\n  C=c=d\n", "b.env": "A=later\nD\nE=\n"}
    assert environment(text, texts, D="known", E="too") == {
        **{"A": "later", "B": "own", "C": "c=d", "D": "known", "E": "too", "N": "1"}
    }
    assert named_files([Source("a.yml", text.encode())]) == ("a.env", "b.env")


def test_what_comes_from_an_environment_file_stands_there() -> None:
    text = "services: {web: {image: 'a:1', env_file: a.env}}"
    merged = read([Source("a.yml", text.encode())], Variables(), {"a.env": "\nA=a\n"})
    table = at(merged.root, "services", "web", "environment")
    assert isinstance(table, Table)
    assert (table.keys["A"].file, table.keys["A"].line) == ("a.env", 2)


def web(text: str, texts: dict[str, str] | None = None, variables: Variables = Variables()) -> Any:  # noqa: B008
    """What a service of this text becomes, as plain data; an unknown value with its mark."""
    merged = read([Source("a.yml", f"services: {{web: {text}}}".encode())], variables, texts)
    return plain(at(merged.root, "services", "web"))


def plain(node: Node | None) -> Any:
    match node:
        case Table():
            return {key: plain(value) for key, value in node.entries.items()}
        case Items():
            return [plain(item) for item in node.items]
        case Scalar():
            return Unknown(node.shown) if node.unknown else node.value


@dataclass(frozen=True)
class Unknown:
    shown: str


def test_each_short_way_has_its_long_one() -> None:
    mount = {"type": "volume", "source": "data", "target": "/v", "read_only": True}
    port = {"published": 8080, "target": 80, "protocol": "tcp", "mode": "ingress"}
    for short, long in (
        ("ports: ['8080:80']", {"ports": [port]}),
        ("ports: ['127.0.0.1:8080:80']", {"ports": [{**port, "address": "127.0.0.1"}]}),
        ("ports: ['${P}']", {"ports": [{"unknown": Unknown("${P}")}]}),
        ("ports: [{target: 1}]", {"ports": [{"target": 1}]}),
        ("ports: [http, '8080:80']", {"ports": [port]}),
        ("volumes: ['data:/v:ro']", {"volumes": [mount]}),
        ("volumes: [{type: bind}]", {"volumes": [{"type": "bind"}]}),
        ("secrets: [a, {source: b}]", {"secrets": [{"source": "a"}, {"source": "b"}]}),
        ("configs: [a, {source: b}]", {"configs": [{"source": "a"}, {"source": "b"}]}),
        ("networks: [a, b]", {"networks": {"a": None, "b": None}}),
        ("networks: {a: {aliases: [x]}}", {"networks": {"a": {"aliases": ["x"]}}}),
        ("labels: [a=b, c, d=]", {"labels": {"a": "b", "c": "", "d": ""}}),
        ("labels: {a: 1, b: }", {"labels": {"a": 1, "b": ""}}),
        ("labels: ['a=${A}']", {"labels": {"a": Unknown("${A}")}}),
        ("labels: {a: '${A}'}", {"labels": {"a": Unknown("${A}")}}),
        ("labels: ['${A}', b]", {"labels": {"${A}": "", "b": ""}}),
        ("labels: {a: [x]}", {"labels": {"a": ["x"]}}),
        ("sysctls: [a=b]", {"sysctls": {"a": "b"}}),
        ("deploy: {labels: [a=b], replicas: 2}", {"deploy": {"labels": {"a": "b"}, "replicas": 2}}),
        ("dns: 1.1.1.1", {"dns": ["1.1.1.1"]}),
        ("dns_search: [a]", {"dns_search": ["a"]}),
        ("dns_search: a", {"dns_search": ["a"]}),
        ("tmpfs: /tmp", {"tmpfs": ["/tmp"]}),
        ("healthcheck: {test: a b}", {"healthcheck": {"test": ["CMD-SHELL", "a b"]}}),
        ("healthcheck: {test: [CMD, a]}", {"healthcheck": {"test": ["CMD", "a"]}}),
        ("healthcheck: {disable: true}", {"healthcheck": {"disable": True}}),
        (
            "healthcheck: {test: a, retries: 2}",
            {"healthcheck": {"test": ["CMD-SHELL", "a"], "retries": 2}},
        ),
    ):
        assert web(f"{{{short}}}") == long, short


def test_a_mount_with_a_variable_is_unknown_and_what_nobody_can_read_is_left_out() -> None:
    [mount] = web("{volumes: ['${A}:/v']}")["volumes"]
    assert mount["source"] == mount["target"] == Unknown("${A}:/v")
    [known] = web("{volumes: ['${A}:/v:ro:x', 'data:/w']}")["volumes"]
    assert known["source"] == "data"
    merged = stack(
        "services: {web: {image: 'a:1', volumes: ['${A}:/v:ro:x', 'data:/v:ro:x', 'data:/w']}}"
    )
    [problem] = merged.problems
    assert problem.path == "services.web.volumes[1]"
    assert problem.reason.startswith("is no mount: ")
    [left] = plain(at(merged.root, "services", "web", "volumes"))
    assert left["target"] == "/w"


def test_labels_of_sections_have_their_long_form() -> None:
    for section in ("networks", "volumes", "secrets", "configs"):
        found = stack(f"{section}: {{a: {{labels: [x=y]}}, b: {{name: z}}}}").section(section)
        assert plain(found) == {"a": {"labels": {"x": "y"}}, "b": {"name": "z"}}
    assert plain(stack("networks: {a: }").section("networks")) == {"a": {}}


def test_what_is_no_service_is_none() -> None:
    assert plain(stack("services: {web: nginx, db: {image: 'a:1'}}").section("services")) == {
        "db": {"image": "a:1"}
    }
    sections = ("services", "networks", "volumes", "secrets", "configs")
    found = plain(stack("services: [a]\nnetworks: b\n").root)
    assert found == {section: {} for section in sections}


def test_a_section_stands_where_it_is_written_and_else_where_the_file_begins() -> None:
    root = stack("# a comment\nx-a: 1\nvolumes:\n  v: {}\n").root
    assert {key: (node.place.line, node.place.column) for key, node in root.entries.items()} == {
        **dict.fromkeys(("services", "networks", "secrets", "configs"), (2, 1)),
        "volumes": (4, 3),
    }


def test_a_value_of_the_environment_is_a_text() -> None:
    text = "{environment: {A: 1.50, B: 1e6, C: true, D: x, E: , F: ''}}"
    assert web(text, variables=Variables({"B": "other"}, complete=True))["environment"] == {
        **{"A": "1.5", "B": "1e+06", "C": "true", "D": "x", "E": None, "F": ""}
    }
    odd = web("{environment: {A: [x], B: {c: d}}}", variables=Variables({}, complete=True))
    assert odd["environment"] == {"A": None, "B": None}
    assert "environment" not in web("{environment: {}}")
    assert "environment" not in web("{image: x}")


def test_an_entry_without_a_value_is_what_the_run_has_by_that_name() -> None:
    known = Variables({"A": "hunter2", "B": "hunter2"})
    merged = read(
        [Source("a.yml", b"services: {web: {environment: [A, B=, C, D=, 'E=${X}', 'F${X}']}}")],
        known,
    )
    environment = at(merged.root, "services", "web", "environment")
    assert isinstance(environment, Table)
    found = {
        key: (node.value, node.unknown, node.shown)
        for key, node in environment.entries.items()
        if isinstance(node, Scalar)
    }
    assert found == {
        "A": ("hunter2", False, "${A}"),
        "B": ("hunter2", False, "${B}"),
        "C": (None, True, "None"),
        "D": ("", False, ""),
        "E": ("${X}", True, "${X}"),
        "F${X}": (None, True, "None"),
    }


@pytest.mark.parametrize("text", ["{A: '<${V}>', B: plain}", "['A=<${V}>', B=plain]"])
def test_of_a_value_that_a_variable_is_in_the_variable_alone_is_shown(text: str) -> None:
    source = Source("a.yml", f"services: {{web: {{environment: {text}, env_file: c}}}}".encode())
    merged = read([source], Variables({"V": "hunter2"}), {"c": "C=from a file"})
    environment = at(merged.root, "services", "web", "environment")
    assert isinstance(environment, Table)
    assert {
        key: (node.value, node.shown)
        for key, node in environment.entries.items()
        if isinstance(node, Scalar)
    } == {
        "A": ("<hunter2>", "<${V}>"),
        "B": ("plain", "plain"),
        "C": ("from a file", "from a file"),
    }


def test_lines_of_an_environment_file() -> None:
    lines = ["\ufeffA=1", "  # B=no", "\tC= x # y ", "D==", "KNOWN", "OTHER", "", "E=2\r", "F=\t"]
    found = web("{env_file: a.env}", {"a.env": "\n".join(lines)}, Variables({"KNOWN": "k"}))
    assert found["environment"] == {
        **{"A": "1", "C": " x # y ", "D": "=", "KNOWN": "k", "E": "2", "F": "\t"}
    }


def test_environment_files_that_are_no_names_or_that_nobody_knows_bring_nothing() -> None:
    for text in ("{env_file: 5}", "{env_file: '${A}'}", "{env_file: [{path: a}]}", "{env_file: b}"):
        assert "environment" not in web(text, {"5": "A=1", "${A}": "A=1", "a": "A=1"})


def test_an_environment_stands_where_it_is_written_or_where_its_file_is_named() -> None:
    text = "services:\n  web:\n    env_file:\n      - a.env\n"
    for more, line in (("", 4), ("    environment:\n      B: 1\n", 5)):
        merged = read([Source("a.yml", (text + more).encode())], Variables(), {"a.env": "A=1"})
        service = at(merged.root, "services", "web")
        assert isinstance(service, Table)
        assert service.keys["environment"].line == line


def test_once_there_are_too_many_ports_no_more_is_said_of_the_rest() -> None:
    [problem] = stack(
        f"services: {{web: {{image: 'a:1', ports: ['1-{PORTS_LIMIT}', '9000', '9001']}}}}"
    ).problems
    assert problem.path == "services.web.ports[1]"
    assert PORTS_LIMIT == 2000
    mounts = ["data:/data"] * (PORTS_LIMIT + 1)
    assert not stack(f"services: {{web: {{image: 'a:1', volumes: {mounts}}}}}").problems


def test_a_service_does_not_publish_more_ports_than_the_limit() -> None:
    assert not stack(f"services: {{web: {{image: 'a:1', ports: ['1-{PORTS_LIMIT}']}}}}").problems
    (problem,) = stack(
        f"services: {{web: {{image: 'a:1', ports: ['1-{PORTS_LIMIT}', '9000']}}}}"
    ).problems
    assert str(PORTS_LIMIT) in problem.reason


def test_the_old_way_to_name_something_external() -> None:
    merged = stack("networks: {a: {external: {name: real}}, b: {external: true}}")
    assert not merged.problems
    for name, real in (("a", "real"), ("b", None)):
        external = at(merged.root, "networks", name, "external")
        assert isinstance(external, Scalar)
        assert external.value is True
        named = at(merged.root, "networks", name, "name")
        assert (named.value if isinstance(named, Scalar) else None) == real
