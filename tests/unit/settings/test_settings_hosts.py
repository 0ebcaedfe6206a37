"""The declared hosts: their names and addresses, and how they are written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.settings import Settings
from tests.unit.settings.settings_examples import four_boards, problems, put, the_problem


class TestHosts:
    def test_must_exist(self) -> None:
        without: list[dict[str, Any]] = [{}, {"hosts": []}]
        for data in without:
            problem = the_problem(data)
            assert (problem.field, problem.reason) == ("hosts", "no host is declared")
            assert "[[hosts]]" in problem.instead

    def test_include_a_manager(self) -> None:
        hosts = [{**host, "role": "worker"} for host in four_boards()["hosts"]]
        problem = the_problem({"hosts": hosts})
        assert "no host is a manager" in problem.reason
        assert 'role = "manager"' in problem.instead

    @pytest.mark.parametrize("key", ["name", "address", "role"])
    def test_are_told_what_they_lack(self, key: str) -> None:
        data = four_boards()
        del data["hosts"][3][key]
        problem = the_problem(data)
        assert problem.field.startswith("hosts[3]")
        assert (problem.value, problem.reason) == (None, "is missing")
        assert problem.instead.startswith(f"{key} = ")

    def test_do_not_share_an_ssh_endpoint(self) -> None:
        data = put("hosts.1.ssh_host", "127.0.0.1", put("hosts.0.ssh_host", "127.0.0.1"))
        problem = the_problem(data)
        assert problem.field == 'hosts[1] "rk2"'
        assert 'at 127.0.0.1 port 22, and so is hosts[0] "rk1"' in problem.reason
        Settings(**put("hosts.1.ssh_port", 2222, data))


@given(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["name", "address"]))
def test_a_name_or_an_address_given_twice_is_always_found(one: int, other: int, key: str) -> None:
    data = four_boards()
    data["hosts"][other][key] = data["hosts"][one][key]
    if one == other:
        Settings(**data)
        return
    problem = the_problem(data)
    first, second = sorted((one, other))
    assert problem.field.startswith(f"hosts[{second}]")
    assert problem.field.endswith(key)
    assert f"is used twice: hosts[{first}]" in problem.reason


class TestFoundWithout:
    def test_names_each_manager_once(self) -> None:
        problem = the_problem(put("swarm.init_without", ["rk1", "rk2", "rk1"]))
        assert (problem.field, problem.reason) == ("swarm.init_without[2]", "is there twice")

    def test_does_not_take_a_host_without_a_name_for_one(self) -> None:
        data = put("swarm.init_without", ["None"])
        del data["hosts"][0]["name"]
        found = {problem.field: problem.instead for problem in problems(data)}
        assert found["swarm.init_without[0]"] == 'one of "rk2", "rk3", or take it out'

    def test_says_nothing_of_a_host_whose_role_is_wrong(self) -> None:
        data = put("hosts.0.role", "managr", put("swarm.init_without", ["rk1"]))
        assert the_problem(data).field == 'hosts[0] "rk1".role'
        del data["hosts"][0]["role"]
        assert the_problem(data).field == 'hosts[0] "rk1".role'

    def test_of_a_cluster_without_managers_has_nobody_to_choose_from(self) -> None:
        hosts = [{**host, "role": "worker"} for host in four_boards()["hosts"]]
        found = problems({"hosts": hosts, "swarm": {"init_without": ["x"]}})
        assert [one.instead for one in found if "init_without" in one.field] == ["take it out"]


def test_a_host_in_single_brackets_is_told_of_the_double_ones() -> None:
    found = problems({"hosts": {"name": "rk1", "address": "10.0.0.1", "role": "manager"}})
    assert any(one.instead.startswith("[[hosts]], in double brackets") for one in found)


@pytest.mark.parametrize(
    ("path", "value", "reason", "instead"),
    [
        ("access.admins", {"name": "ada"}, "is a single table", "[[access.admins]], in double"),
        ("access.admins", ["ada"], "is not a table", 'a table: { name = "ada" }'),
        ("access.admins", "ada", "is not a list", 'a list of tables: [{ name = "ada" }]'),
        ("firewall.open", "80", "is not a list", "a list of tables: [{ port = 80 }]"),
        ("networks.overlays", ["backend"], "is not a table", 'a table: { name = "backend" }'),
        ("ssh", [{"port": 22}], "is a list of tables", "[ssh], in single brackets, once"),
        ("firewall.open", ["80"], "is not a table", "a table: { port = 80 }"),
        ("firewall.open", [8080], "is not a table", "a table: { port = 8080 }"),
        (
            "firewall.open",
            ["5353/udp"],
            "is not a table",
            'a table: { port = 5353, protocol = "udp" }',
        ),
        ("hosts.0.labels", ["disk=nvme"], "is not a table", 'a table: { disk = "nvme" }'),
        ("hosts.0.labels", "disk = nvme", "is not a table", 'a table: { disk = "nvme" }'),
    ],
)
def test_brackets_of_the_wrong_kind_are_told_of_the_right_ones(
    path: str, value: Any, reason: str, instead: str
) -> None:
    problem = the_problem(put(path, value))
    assert problem.reason == reason
    assert instead in problem.instead


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("8080/tcp", "8080"),
        ("8000-8010/tcp", '"8000-8010"'),
        ("53/udp", '53; in firewall.open with protocol = "udp" beside it'),
        ("http", '51820, or "60000-61000"'),
    ],
)
def test_a_port_with_its_protocol_is_told_without_it(written: str, instead: str) -> None:
    assert the_problem(put("firewall.open", [{"port": written}])).instead == instead
    assert the_problem(put("firewall.closed", [written])).instead == instead


def test_hosts_that_are_names_alone_are_told_what_a_host_is() -> None:
    found = problems({"hosts": ["rk1"]})
    assert found[0].instead.startswith("[[hosts]], once for each host, with a line each for name")
