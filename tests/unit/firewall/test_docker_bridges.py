"""Which bridges are Docker's own: by their names, and by the list that a host keeps."""

from __future__ import annotations

import pytest

from pyinfra_swarm.firewall.docker_bridges import (
    CALLED,
    FOR_THE_HOST,
    Interfaces,
    looks_like_dockers,
    name_of,
    parse_list,
    plan_interfaces,
)

ID = "0123456789abcdef" * 4


def test_a_bridge_is_called_by_its_networks_owner_or_by_the_networks_id() -> None:
    assert name_of(ID, "") == "br-0123456789ab"
    assert name_of(ID, "db0") == "db0"
    assert CALLED == "br-+"


def test_the_program_on_the_host_is_told_the_same() -> None:
    assert FOR_THE_HOST == {
        "dockers_own": "docker0 docker_gwbridge",
        "bridge_prefix": "br-",
        "bridge_digits": "12",
    }


@pytest.mark.parametrize(
    "name", ["docker0", "docker_gwbridge", "br-0123456789ab", "veth1a2b3c4", "vetha"]
)
def test_these_look_like_dockers(name: str) -> None:
    assert looks_like_dockers(name)


@pytest.mark.parametrize(
    "name",
    ["docker1", "br-lan", "br-0123456789a", "br-0123456789abc", "br-0123456789xy", "veth", "eth0"],
)
def test_these_do_not(name: str) -> None:
    assert not looks_like_dockers(name)


def test_inside_is_what_is_dockers_own_and_nobody_elses() -> None:
    assert Interfaces().inside == ("docker0", "docker_gwbridge")
    listed = Interfaces(
        docker=("br-1", "docker0", "br-2"), outside=("eth0",), shared=("docker_gwbridge", "br-2")
    )
    assert listed.inside == ("docker0", "br-1")


class TestTheHostsListOfItsInterfaces:
    LISTED = Interfaces(docker=("br-0123456789ab", "kuh"), outside=("eth0",), shared=("br0",))

    def said(self, *of_docker: str) -> list[str]:
        return [each.sentence() for each in plan_interfaces(self.LISTED, of_docker)]

    def test_is_read_by_word(self) -> None:
        lines = ["docker br-0123456789ab", "docker kuh", "outside eth0", "shared br0"]
        assert parse_list([*lines, "", "docker", "unheard of"]) == self.LISTED

    def test_that_agrees_with_the_engine_is_no_difference(self) -> None:
        assert self.said("docker0", "br-0123456789ab", "kuh", "br0") == []
        assert plan_interfaces(self.LISTED, None) == []

    def test_that_lacks_a_bridge_of_dockers(self) -> None:
        (said,) = self.said("docker0", "br-0123456789ab", "kuh", "br0", "db0")
        assert said == "Docker's bridges: the host's list of them lacks db0"

    def test_that_trusts_what_docker_does_not_know(self) -> None:
        (said,) = self.said("docker0", "br-0123456789ab", "br0", "db0")
        assert said == "Docker's bridges: the host's list of them lacks db0 and still trusts kuh"

    def test_names_all_that_differ_in_one_order(self) -> None:
        listed = Interfaces(docker=("kuh7", "kuh3", "kuh9", "kuh1", "kuh5"))
        (found,) = plan_interfaces(listed, ("db7", "db3", "db9", "db1", "db5"))
        assert "lacks db1, db3, db5, db7, db9 and" in found.reason
        assert found.reason.endswith("still trusts kuh1, kuh3, kuh5, kuh7, kuh9")

    def test_may_or_may_not_hold_the_bridges_that_docker_always_calls_the_same(self) -> None:
        always = ("docker0", "docker_gwbridge")
        assert plan_interfaces(Interfaces(), always) == []
        assert plan_interfaces(Interfaces(docker=always), ()) == []
