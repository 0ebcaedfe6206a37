"""Networks that overlap, and what is proposed in their place."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.settings import Settings, SettingsError
from tests.unit.settings.settings_examples import problems, put, the_problem

PREFIXES = st.integers(16, 28)
PRIVATE = st.integers(0, 2**24 - 1).map(lambda low: int(ipaddress.IPv4Address("10.0.0.0")) + low)
NETWORKS = st.builds(
    lambda address, prefix: ipaddress.IPv4Network((address, prefix), strict=False),
    PRIVATE,
    PREFIXES,
)


@given(st.lists(NETWORKS, min_size=1, max_size=3), NETWORKS, NETWORKS)
def test_ranges_are_accepted_exactly_if_nothing_overlaps(
    pools: list[ipaddress.IPv4Network],
    ingress: ipaddress.IPv4Network,
    overlay: ipaddress.IPv4Network,
) -> None:
    data = put("swarm", {"address_pool": [str(pool) for pool in pools], "subnet_size": 29})
    data["networks"] = {
        "ingress_subnet": str(ingress),
        "overlays": [{"name": "backend", "subnet": str(overlay)}],
    }
    everything = [*pools, ingress, overlay]
    clash = any(
        one.overlaps(other)
        for index, one in enumerate(everything)
        for other in everything[index + 1 :]
    )
    if not clash:
        Settings(**data)
        return
    for problem in problems(data):
        assert "overlaps" in problem.reason
        assert "a network of its own" in problem.instead


@given(st.integers(1, 254), st.integers(9, 28), st.integers(0, 255))
def test_a_pool_over_the_hosts_own_network_is_always_found(
    host: int, prefix: int, third: int
) -> None:
    pool = ipaddress.IPv4Network((f"192.168.{third}.0", prefix), strict=False)
    data = put("swarm", {"address_pool": [str(pool)], "subnet_size": 29})
    data["hosts"] = [{"name": "a", "address": f"192.168.{third}.{host}", "role": "manager"}]
    if not pool.is_private:
        return
    problem = the_problem(data)
    assert problem.field == "swarm.address_pool[0]"
    assert f"the hosts' own network 192.168.{third}.0/24 (a)" in problem.reason
    advised = problem.instead.split('"')[1]
    Settings(**{**data, "swarm": {"address_pool": [advised], "subnet_size": 29}})


@given(st.integers(1, 12), st.integers(20, 24), st.integers(24, 28))
def test_networks_from_the_pool_fit_into_it_or_are_refused(
    many: int, prefix: int, size: int
) -> None:
    data = put("swarm", {"address_pool": [f"10.200.0.0/{prefix}"], "subnet_size": size})
    own = {"name": "own", "subnet": "10.210.0.0/24"}
    data["networks"] = {"overlays": [own, *({"name": f"n{n}"} for n in range(many))]}
    room = 2 ** (size - prefix)
    if many <= room:
        Settings(**data)
        return
    problem = the_problem(data)
    assert problem.field == "networks.overlays"
    assert f"{many} networks get their subnet" in problem.reason
    assert f"has {room} of the size /{size}" in problem.reason


ANY_NETWORKS = st.one_of(
    st.builds("10.{}.{}.{}/{}".format, *[st.integers(0, 255)] * 3, st.integers(7, 32)),
    st.sampled_from(["192.168.1.0/24", "10.0.0.0/8", "10.200.0.0/16", "10.201.0.0/24"]),
)


@given(st.lists(ANY_NETWORKS, min_size=1, max_size=2), ANY_NETWORKS, ANY_NETWORKS)
def test_all_that_is_proposed_for_networks_can_be_followed_together(
    pools: list[str], ingress: str, overlay: str
) -> None:
    data: dict[str, Any] = {
        "hosts": [{"name": "a", "address": "10.1.2.3", "role": "manager"}],
        "swarm": {"address_pool": pools, "subnet_size": 29},
        "networks": {"ingress_subnet": ingress, "overlays": [{"name": "b", "subnet": overlay}]},
    }
    for _ in range(2):  # what cannot be read at first is compared with the others afterwards
        try:
            Settings(**data)
            return
        except SettingsError as error:
            for problem in error.problems:
                field = re.sub(r"\[(\d)\](?: \"b\")?", r".\1", problem.field)
                data = put(field, problem.instead.split('"')[1], data)
    Settings(**data)


@pytest.mark.parametrize(
    ("pools", "size"), [(["10.200.0.0/16", "10.202.0.0/28"], 12), (["10.200.0.0/28"], 24)]
)
def test_a_subnet_size_that_does_not_fit_is_told_of_one_that_fits_every_pool(
    pools: list[str], size: int
) -> None:
    data = put("swarm", {"address_pool": pools, "subnet_size": size})
    problem = the_problem(data)
    assert problem.instead == "28 or more, or a wider pool"
    Settings(**put("swarm.subnet_size", 28, data))


def test_a_pool_without_room_for_a_network_is_refused_itself() -> None:
    problem = the_problem(put("swarm.address_pool", ["10.200.0.0/30"]))
    assert problem.field == "swarm.address_pool[0]"
    assert '29 at most, better "10.200.0.0/24"' in problem.instead


class TestOverlaps:
    def test_name_both_sides(self) -> None:
        problem = the_problem(put("networks.ingress_subnet", "10.200.7.0/24"))
        assert problem.field == "networks.ingress_subnet"
        assert problem.reason == "overlaps swarm.address_pool[0] = 10.200.0.0/16"

    def test_are_found_with_the_defaults_of_what_is_left_out(self) -> None:
        data = put("networks.overlays", [{"name": "backend", "subnet": "10.201.0.0/24"}])
        problem = the_problem(data)
        assert problem.field == 'networks.overlays[0] "backend".subnet'
        assert "networks.ingress_subnet" in problem.reason
