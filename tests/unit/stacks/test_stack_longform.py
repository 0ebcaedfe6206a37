"""Short ways of writing things, brought into the long one as docker does it.

The same is held against ``docker stack config`` by ``tests/engines/test_engines_stack_files.py``.
"""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks import mounts, ports
from pyinfra_swarm.stacks.compose import Source, at, named_files, read
from pyinfra_swarm.stacks.document import Scalar, Table
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
        *(("5ss", None), ("-", None), ("1m-3s", None), ("five", None)),
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
