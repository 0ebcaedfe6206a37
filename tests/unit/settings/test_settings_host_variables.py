"""Variables of a single host, and what the first line of a run says of variables."""

from __future__ import annotations

from typing import Any

import pytest

from pyinfra_swarm import settings
from pyinfra_swarm.settings import load, source
from pyinfra_swarm.settings.host_variables import HostVariable, host_variable, of_single_hosts
from tests.unit.settings.conftest import BOARDS, Write, refused

TWO = f"""{BOARDS}
[[hosts]]
name = "rk-2"
address = "192.168.1.12"
role = "worker"
labels = {{ zone = "b" }}
"""


@pytest.fixture(autouse=True)
def _two(write: Write) -> None:
    write(TWO, env="SWARM_HOSTS__RK1__AVAILABILITY=pause\nSWARM_HOSTS__RK1__SSH_PORT=2222\n")


def test_a_value_of_a_single_host_is_set_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_HOSTS__RK_2__AVAILABILITY", "drain")
    monkeypatch.setenv("SWARM_HOSTS__RK_2__LABELS__DISK", "nvme")
    first, second = load().hosts
    assert (first.availability, first.ssh_port) == ("pause", 2222)
    assert (second.availability, second.ssh_port) == ("drain", 22)
    assert second.labels == {"zone": "b", "disk": "nvme"}


def test_the_environment_wins_over_the_file_of_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("swarm_hosts__rk1__availability", "active")
    assert load().hosts[0].availability == "active"


def test_it_wins_over_the_variable_of_all_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    only = '[{"name": "rk1", "address": "10.0.0.1", "role": "manager", "availability": "drain"}]'
    monkeypatch.setenv("SWARM_HOSTS", only)
    [host] = load().hosts
    assert (host.address, host.availability) == ("10.0.0.1", "pause")


def test_labels_may_be_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_HOSTS__RK_2__LABELS", '{"cpu": "d"}')
    assert load().hosts[1].labels == {"cpu": "d"}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            *("SWARM_HOSTS__RK9__AVAILABILITY", "drain"),
            "SWARM_HOSTS__RK9__AVAILABILITY in the environment\n    names no declared host\n"
            "    instead: SWARM_HOSTS__RK1__AVAILABILITY, or with another host's name: RK1, RK_2",
        ),
        (
            *("SWARM_HOSTS__RK_2__AVAILABILITY", "drained"),
            'hosts[1] "rk-2".availability (from SWARM_HOSTS__RK_2__AVAILABILITY in the environment)'
            ' = "drained"',
        ),
        (
            *("SWARM_HOSTS__RK_2__AVAILABILTY", "drain"),
            'is not a known key\n    instead: "availability"',
        ),
        (*("SWARM_HOSTS__RK_2__LABELS", "{nvme"), "JSON, in which texts are in double quotes"),
    ],
)
def test_a_mistake_names_the_variable(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    text = refused()
    assert said in text
    assert name in text
    assert "line " not in text


def test_a_variable_without_a_host_or_a_key_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWARM_HOSTS__", "SWARM_HOSTS__RK1", "SWARM_HOSTS__RK1__", "SWARM_HOSTS____X"):
        assert host_variable(name, "drain", "the environment") is None
        monkeypatch.setenv(name, "drain")
    assert refused().count("is not a setting") == 4


def variable(name: str, value: str = "drain") -> HostVariable:
    found = host_variable(f"SWARM_HOSTS__{name}", value, "here")
    assert found is not None
    return found


def test_a_host_that_is_not_declared_keeps_no_other_from_its_value() -> None:
    data: dict[str, Any] = {
        "cluster": {"name": "home"},
        "hosts": [{}, "odd", {"name": "a"}, {"name": "b"}],
    }
    made = of_single_hosts(data, [variable("X__ROLE"), variable("B__ROLE", "worker")])
    assert made.values == {
        **data,
        "hosts": [{}, {}, {"name": "a"}, {"name": "b", "role": "worker"}],
    }
    assert made.origins == {'hosts[3] "b".role': "SWARM_HOSTS__B__ROLE in here"}
    [problem] = made.problems
    assert problem.instead == "SWARM_HOSTS__A__ROLE, or with another host's name: A, B"
    assert data["hosts"][3] == {"name": "b"}


def test_without_such_variables_nothing_is_touched() -> None:
    for data in ({"hosts": "odd"}, {}, {"hosts": [1]}):
        assert of_single_hosts(data, []).values == data
    [problem] = of_single_hosts({}, [variable("X__LABELS__DISK")]).problems
    assert problem.instead == "unset it"
    [problem] = of_single_hosts({"hosts": [{"name": "a"}]}, [variable("X__LABELS__DISK")]).problems
    assert problem.instead.startswith("SWARM_HOSTS__A__LABELS__DISK, or")


def test_a_value_that_no_table_can_be_is_replaced() -> None:
    data = {"hosts": [{"name": "a", "labels": "odd"}]}
    made = of_single_hosts(data, [variable("A__LABELS__DISK", ' ["x"]')])
    assert made.values["hosts"] == [{"name": "a", "labels": {"disk": ["x"]}}]


def test_the_source_names_the_variables_that_overrule_it(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(BOARDS)
    file = f"mine.toml ({path.parent})"
    assert source().in_full == file
    monkeypatch.setenv("SWARM_FIREWALL__WEB", "open")
    settings.forget()
    assert source().in_full == f"{file}, and SWARM_FIREWALL__WEB from the environment"
    assert str(source()) == file
    for section in (
        *("SSH__PORT=23", "SSH__USER=ada", "BACKUP__KEEP=3"),
        *("UPDATES__TIME_SYNC=true", "DOCKER__LOG_MAX_FILES=4"),
    ):
        name, _, value = section.partition("=")
        monkeypatch.setenv(f"SWARM_{name}", value)
    settings.forget()
    assert source().in_full.endswith(", and 2 more")
