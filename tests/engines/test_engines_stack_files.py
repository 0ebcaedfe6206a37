"""Stack files, read and joined by us and by the docker CLI itself: both come to the same.

``docker stack config`` asks no engine, so these tests need the programs alone.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyinfra_swarm.stacks import document
from pyinfra_swarm.stacks.compose import Merged, Source, read
from pyinfra_swarm.stacks.document import Items, Node, Scalar, Table
from pyinfra_swarm.stacks.lint.ignored import KEYS
from pyinfra_swarm.stacks.longform import said, seconds
from pyinfra_swarm.stacks.variables import Variables
from tests.engines import programs
from tests.unit.stacks.stack_examples import GOOD, changed
from tests.unit.stacks.test_stack_ignored import VALUES
from tests.unit.stacks.test_stack_variables import KNOWN, PUT_IN, REFUSED

CORPUS = Path(__file__).resolve().parents[1] / "unit/stacks/corpus"


@cache
def clis() -> tuple[str, ...]:
    """The docker CLI of each version that the machine's archives carry, the oldest first."""
    return tuple(str(programs.programs(one) / "usr/bin/docker") for one in programs.versions())


@pytest.fixture(params=[0, 1], ids=["this release's", "the next one's"])
def cli(request: pytest.FixtureRequest) -> str:
    """The docker CLI of each version that the machine's archives carry."""
    if request.param >= len(clis()):
        pytest.skip("the machine's apt archives carry one docker only")
    found: str = clis()[request.param]
    return found


@pytest.fixture
def newest() -> str:
    return clis()[-1]


def config(
    cli: str, folder: Path, *texts: str | bytes, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``docker stack config`` of these files."""
    names = []
    for number, text in enumerate(texts):
        path = folder / f"{number}.yml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        names += ["-c", str(path)]
    return subprocess.run(
        [cli, "stack", "config", *names],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


def ours(*texts: str | bytes, env: Mapping[str, str] | None = None) -> Merged:
    values = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **(env or {})}
    sources = [
        Source(f"{number}.yml", text.encode() if isinstance(text, str) else text)
        for number, text in enumerate(texts)
    ]
    return read(sources, Variables(values, complete=True))


# What a stack is, whoever has read it
# ------------------------------------

_KEPT = {"replicas", "retries", "parallelism", "max_attempts"}
"""Numbers of which docker knows whether they are there."""

_TEXTS = {"environment", "labels", "sysctls", "options", "driver_opts", "args"}
"""Mappings of texts, in which nothing is something."""

_LENGTHS = {"interval", "timeout", "start_period", "start_interval", "delay", "monitor", "window"}


def essence(node: Node, key: str = "") -> Any:
    """A part without what says nothing, with lengths of time and numbers of bytes as numbers."""
    match node:
        case Table():
            if key in _TEXTS:
                return {name: _said(value) for name, value in node.entries.items()}
            parts = {name: essence(value, name) for name, value in node.entries.items()}
            names = key in ("services", "networks", "volumes", "secrets", "configs", "ulimits")
            return {
                name: value
                for name, value in parts.items()
                if names or name in _KEPT or value not in ("", 0, False, None, [], {})
            }
        case Items():
            return [essence(item) for item in node.items]
        case Scalar(value=value):
            if key in _LENGTHS or key == "stop_grace_period":
                return seconds(str(value))
            if key == "memory":
                return _bytes(str(value))
            return said(value) if isinstance(value, float) else value


def _said(node: Node) -> object:
    value = node.value if isinstance(node, Scalar) else None
    return None if value is None else said(value)


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9]+)([kmgKMG]?)[bB]?", text)
    assert match, text
    return int(match[1]) << 10 * " kmg".index((match[2] or " ").lower())


SECTIONS = ("services", "networks", "volumes", "secrets", "configs")


def sections(root: Table) -> dict[str, Any]:
    found = {
        name: essence(root.entries.get(name, Table({}, root.place)), name) for name in SECTIONS
    }
    for service in found["services"].values():
        service.pop("env_file", None)
        # docker splits a command's text into words; the files below have lists.
        for port in service.get("ports", ()):
            port.setdefault("mode", "ingress")
            port.setdefault("protocol", "tcp")
        for mount in service.get("volumes", ()):
            mount.pop("volume", None)  # options that no rule asks for
        if "networks" in service:
            service["networks"] = {name: value or {} for name, value in service["networks"].items()}
    for name in ("secrets", "configs"):
        for one in found[name].values():
            one.pop("file", None)  # made absolute
    for name in SECTIONS[1:]:
        for key, one in found[name].items():
            if one.get("external") and "name" not in one:
                one["name"] = key
    return found


def dockers(text: str) -> dict[str, Any]:
    return sections(document.parse("docker", text.encode()).root)


def mine(merged: Merged) -> dict[str, Any]:
    return sections(merged.root)


# Whole files
# -----------


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*-good.yml")), ids=lambda path: path.stem)
def test_a_good_stack_is_the_same_to_both(cli: str, tmp_path: Path, path: Path) -> None:
    done = config(cli, tmp_path, path.read_bytes())
    assert done.returncode == 0, done.stderr
    theirs, found = dockers(done.stdout), mine(ours(path.read_bytes()))
    for one in (*theirs["services"].values(), *found["services"].values()):
        for key in ("command", "entrypoint"):
            if key in one:
                one[key] = " ".join(one[key]) if isinstance(one[key], list) else one[key]
    assert found == theirs


SERVICE_PARTS: dict[str, st.SearchStrategy[Any]] = {
    "image": st.sampled_from(["a:1", "b:2", ""]),
    "user": st.sampled_from(["0", "me", ""]),
    "read_only": st.booleans(),
    "init": st.booleans(),
    "hostname": st.sampled_from(["", "h1", "h2"]),
    "stop_grace_period": st.sampled_from(["0s", "10s", "1m30s"]),
    "command": st.lists(st.sampled_from(["run", "-v", "x"]), max_size=2),
    "cap_add": st.lists(st.sampled_from(["A", "B", "C"]), unique=True, max_size=2),
    "dns": st.sampled_from(["1.1.1.1", ["8.8.8.8", "9.9.9.9"]]),
    "depends_on": st.lists(st.sampled_from(["db", "web"]), unique=True, max_size=2),
    "environment": st.sampled_from(
        [{"A": "1"}, {"A": ""}, {"A": None}, ["A=2", "B="], ["A", "C"], {"B": 3, "C": 1.5}, []]
    ),
    "labels": st.sampled_from([{"a": "1"}, {"a": ""}, ["a=2", "b"], {"b": 3, "c": None}]),
    "sysctls": st.sampled_from([{"net.a": 1}, ["net.a=2", "net.b=0"]]),
    "ports": st.lists(
        st.sampled_from(
            [
                *("80:80", "8080:80", "53:53", "53:53/udp", 9000, "7000-7001:7000-7001"),
                *({"target": 80, "published": 80, "mode": "host"}, {"target": 5}),
                {"target": 1, "published": 8080, "protocol": "udp"},
            ]
        ),
        max_size=4,
        unique_by=json.dumps,
    ),
    "volumes": st.lists(
        st.sampled_from(
            [
                *("data:/a", "/srv:/b:ro", "data:/b", "/c", "data:/a:nocopy"),
                *({"type": "tmpfs", "target": "/t"},),
                {"type": "bind", "source": "/x", "target": "/a", "read_only": True},
            ]
        ),
        max_size=3,
    ),
    "secrets": st.lists(
        st.sampled_from(["s1", "s2", {"source": "s1", "target": "t", "uid": "5", "mode": 0o400}]),
        max_size=2,
        unique_by=json.dumps,
    ),
    "configs": st.lists(
        st.sampled_from(["c1", {"source": "c2", "target": "/t"}]), max_size=2, unique_by=json.dumps
    ),
    "networks": st.sampled_from(
        [
            *(["n1"], ["n1", "n2"], {"n1": None}, {"n1": {"aliases": ["x"]}}),
            *({"n1": {"aliases": ["y", "z"]}, "n2": None}, []),
        ]
    ),
    "healthcheck": st.fixed_dictionaries(
        {},
        optional={
            "test": st.sampled_from(["true", ["CMD", "true"], ["NONE"]]),
            "interval": st.sampled_from(["10s", "0s"]),
            "retries": st.integers(0, 3),
            "disable": st.booleans(),
        },
    ),
    "logging": st.sampled_from(
        [
            {"driver": "json-file", "options": {"max-size": "1m"}},
            {"driver": "json-file", "options": {"max-file": 3}},
            {"driver": "journald", "options": {"tag": "x"}},
        ]
    ),
    "ulimits": st.sampled_from([{"nproc": 5}, {"nproc": {"soft": 1, "hard": 2}, "core": 7}]),
    "deploy": st.fixed_dictionaries(
        {},
        optional={
            "mode": st.sampled_from(["global", "replicated", ""]),
            "replicas": st.integers(0, 3),
            "labels": st.sampled_from([{"a": "1"}, ["a=", "b=2"]]),
            "update_config": st.fixed_dictionaries(
                {},
                optional={
                    "parallelism": st.integers(0, 2),
                    "monitor": st.sampled_from(["0s", "20s"]),
                    "failure_action": st.sampled_from(["", "rollback"]),
                    "order": st.sampled_from(["start-first", "stop-first"]),
                    "max_failure_ratio": st.sampled_from([0, 0.5]),
                },
            ),
            "resources": st.fixed_dictionaries(
                {},
                optional={
                    "limits": st.fixed_dictionaries(
                        {},
                        optional={
                            "memory": st.sampled_from(["0", "64M", "1g"]),
                            "cpus": st.sampled_from(["0", "0.5"]),
                        },
                    )
                },
            ),
            "restart_policy": st.fixed_dictionaries(
                {},
                optional={
                    "condition": st.sampled_from(["any", ""]),
                    "delay": st.sampled_from(["0s", "5s"]),
                    "max_attempts": st.integers(0, 2),
                },
            ),
            "placement": st.fixed_dictionaries(
                {},
                optional={
                    "constraints": st.lists(st.sampled_from(["node.role == a", "x == y"])),
                    "max_replicas_per_node": st.integers(0, 2),
                },
            ),
        },
    ),
}

SERVICES = st.dictionaries(
    st.sampled_from(["web", "db"]), st.fixed_dictionaries({}, optional=SERVICE_PARTS), max_size=2
)
NETWORKS = st.dictionaries(
    st.sampled_from(["n1", "n2"]),
    st.sampled_from(
        [
            *(None, {}, {"driver_opts": {"encrypted": "true"}}, {"attachable": True}),
            *({"external": True}, {"external": True, "name": "real"}, {"labels": ["a=b"]}),
            {"driver": "overlay", "internal": True, "driver_opts": {"mtu": 1400}},
        ]
    ),
    max_size=2,
)
OTHERS = st.dictionaries(
    st.sampled_from(["s1", "c1", "data"]),
    st.sampled_from([{"external": True}, {"external": True, "name": "real"}]),
    max_size=2,
)
FILES = st.fixed_dictionaries(
    {"services": SERVICES},
    optional={"networks": NETWORKS, "volumes": OTHERS, "secrets": OTHERS, "configs": OTHERS},
)
MANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@MANY
@given(files=st.lists(FILES, min_size=1, max_size=3))
def test_files_are_joined_as_docker_joins_them(
    newest: str, tmp_path: Path, files: Sequence[Mapping[str, Any]]
) -> None:
    texts = [json.dumps(one) for one in files]
    done = config(newest, tmp_path, *texts)
    merged = ours(*texts)
    if done.returncode:
        # Both refuse, or docker has a reason of another kind (a mount without a source, …).
        assert merged.problems or "invalid" in done.stderr, done.stderr
        return
    assert not merged.problems, [(one.path, one.reason) for one in merged.problems]
    assert mine(merged) == dockers(done.stdout)


# Texts
# -----


def test_docker_puts_in_the_same(cli: str, tmp_path: Path) -> None:
    texts = {f"x-{number}": text for number, (text, _) in enumerate(PUT_IN)}
    done = config(cli, tmp_path, json.dumps({"services": {}, **texts}), env=KNOWN.values)
    assert done.returncode == 0, done.stderr
    found = yaml.safe_load(done.stdout)
    assert [found[key] for key in texts] == [expected for _, expected in PUT_IN]


@pytest.mark.parametrize("text", REFUSED)
def test_docker_refuses_the_same(newest: str, tmp_path: Path, text: str) -> None:
    done = config(newest, tmp_path, json.dumps({"services": {}, "x-text": text}), env=KNOWN.values)
    assert done.returncode == 1


LETTERS = st.lists(st.sampled_from([*"$${}:-?TAGx ", "TAG", "EMPTY", "NONE"]), max_size=12).map(
    "".join
)


@MANY
@given(text=LETTERS)
def test_any_text_has_the_same_put_in(newest: str, tmp_path: Path, text: str) -> None:
    content = json.dumps({"services": {}, "x-text": text})
    done = config(newest, tmp_path, content, env=KNOWN.values)
    merged = ours(content, env=KNOWN.values)
    if merged.problems:
        # docker forgets what was wrong once another variable follows.
        assert done.returncode == 1 or text.count("$") > 1
    else:
        assert done.returncode == 0, done.stderr


PLAIN = (
    *("~", "null", "NULL", "", "yes", "no", "on", "y", "0440", "0o17"),
    *("0x1F", "0b11", "1_000", "08", "1.5", ".5", "1e3", "1.", "+7", "-3", "22:22"),
    *("'80'", '"80"', "!!str 80", "1.2.3", "nUll", "0x", "00", "-0", "1__0", "._5", "0_7", "1e"),
    *("+0x10", "-0o17", "0B1", "0O7", "1e+21", "123456789012345678901234567890", "+.5", "5e-7"),
    *("18446744073709551615", "18446744073709551616", "-9223372036854775809", "1e400"),
)


def test_plain_words_are_the_same_to_both(newest: str, tmp_path: Path) -> None:
    """Taken where docker tells texts from numbers: values of the environment, as it writes them."""
    lines = "".join(f"      A{number}: {text}\n" for number, text in enumerate(PLAIN))
    content = f"services:\n  web:\n    image: a:1\n    environment:\n{lines}"
    theirs = config(newest, tmp_path, content)
    assert theirs.returncode == 0, theirs.stderr
    found = mine(ours(content))["services"]["web"]["environment"]
    expected = dockers(theirs.stdout)["services"]["web"]["environment"]
    assert found == expected


# What docker refuses
# -------------------


def refused_files() -> Iterator[tuple[str, str]]:
    for path in sorted(CORPUS.glob("*-broken.yml")):
        yield path.stem, path.read_text()
    lines = (
        *("profiles: [a]", "platform: linux/arm64", "imagee: x", "x-fine: 1", "user: 1000"),
        *("depends_on: { db: { condition: service_healthy } }", "ports: [{ target: '80' }]"),
        *("ports: ['80:80', '80:80']", "ports: ['http']", "stop_grace_period: 10"),
        *("stop_grace_period: ten", "environment: { A: true }", "volumes: [{ target: /a }]"),
        *("volumes: [{ type: tmpfs, target: /a, tmpfs: { size: -1 } }]", "read_only: 'yes'"),
        *("logging: { driver: x, nothing: 1 }", "ulimits: { nofile: { soft: 1 } }"),
        *("ulimits: { nofile: { soft: 1, hard: 2 } }", "cap_add: [A, A]", "command: 5"),
        *("configs: [{ source: a, nonsense: 1 }]", "shm_size: 5", "expose: [80, '81']"),
        *("healthcheck: { interval: 5 }", "deploy: null", "deploy: { replicas: two }"),
        *("networks: { 'a b': null }", "networks: { front: { nonsense: 1 } }", "init: 1"),
        *("env_file: [a, a]", "extra_hosts: ['a:1', 'b=2']", "tmpfs: [/a]", "pid: null"),
        *("deploy: { update_config: { order: fast } }", "restart: 5", "oom_score_adj: 5"),
        *("credential_spec: { file: a }", "build: { context: ., nonsense: 1 }", "build: 5"),
        *("labels: { a: [b] }", "labels: [a, a]", "sysctls: { a: null }", "dns: 5"),
    )
    for line in lines:
        yield line, f"services:\n  web:\n    image: a:1\n    {line}\n"
    tops = (
        *("name: shop", "include: [a.yml]", "version: '2.4'", "version: '3.13'", "version: 3.8"),
        *("services: []", "services: { web: nginx }", "services: { 'a b': { image: a } }"),
        *("secrets: { a: { environment: A } }", "configs: { a: { content: x } }", "x-a: [1]"),
        *("secrets: { a: null }", "networks: { a: null }", "volumes: { a: null }"),
        *("volumes: { a: { type: nfs } }", "networks: { a: { driver_opts: { b: true } } }"),
        *("networks: { a: { external: { name: b } } }", "networks: { a: { enable_ipv6: true } }"),
        *("networks: { a: { ipam: { config: [{ subnet: 10.0.0.0/24 }] } } }", "nonsense: 1"),
        *("networks: { a: { ipam: { config: [{ gateway: 10.0.0.1 }] } } }", "services: null"),
        *("secrets: { a: { driver: b, driver_opts: { c: 1 } } }", "networks: {}", "volumes: 5"),
    )
    for top in tops:
        yield top, f"{top}\n"


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in refused_files()])
def test_what_docker_refuses_we_refuse_and_nothing_else(
    newest: str, tmp_path: Path, text: str
) -> None:
    done = config(newest, tmp_path, text)
    problems = ours(text).problems
    assert bool(done.returncode) is bool(problems), (done.stderr, problems)


def test_what_is_ignored_is_accepted(cli: str, tmp_path: Path) -> None:
    lines = "".join(f"{key}: {VALUES.get(key, 'x')}\n" for key in KEYS)
    done = config(cli, tmp_path, changed(more=lines))
    assert done.returncode == 0, done.stderr


def test_a_later_file_takes_an_overlays_encryption_away(cli: str, tmp_path: Path) -> None:
    """The surprise that a rule is made for."""
    done = config(cli, tmp_path, GOOD, "networks: { front: { attachable: true } }\n")
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["networks"]["front"] == {"attachable": True}


def test_an_older_docker_takes_a_plain_yes_for_a_truth_value(tmp_path: Path) -> None:
    """A file means one thing here and another one there, so the lint refuses it for a switch."""
    text = changed(more="read_only: yes")
    older, newer = config(clis()[0], tmp_path, text), config(clis()[-1], tmp_path, text)
    assert newer.returncode == 1
    assert ours(text).problems
    if len(clis()) > 1:
        assert older.returncode == 0, older.stderr
