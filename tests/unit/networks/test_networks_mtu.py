"""What MTU the swarm's networks are made for: no single host's word makes it absurd for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.networks import operations as networks
from pyinfra_swarm.networks.plan import mtu_refusals
from pyinfra_swarm.run.converge import Refused
from pyinfra_swarm.run.findings import Finding, Refusal
from pyinfra_swarm.settings import Settings

HOSTS: Any = [
    {"name": "rk1", "address": "192.168.1.11", "role": "manager"},
    {"name": "rk3", "address": "192.168.1.13", "role": "worker"},
]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told, in place of a run."""
    said: list[str] = []

    def report(part: str, findings: Sequence[Finding]) -> bool:
        said.extend(finding.sentence() for finding in findings)
        raise Refused

    monkeypatch.setattr(networks, "report", report)
    monkeypatch.setattr(networks, "progress", said.append)
    return said


def made(monkeypatch: pytest.MonkeyPatch, uplinks: dict[str, int | None], mtu: int = 0) -> str:
    """The MTU that a network is made for, as the engine is told; "" for its own."""
    settings = Settings(hosts=HOSTS, networks={"mtu": mtu})  # type: ignore[arg-type]
    monkeypatch.setattr(networks, "observe_all", lambda fact: uplinks)
    options = networks._overlay("apps", settings, "")["Options"]
    return str(options.get("com.docker.network.driver.mtu", ""))


@pytest.mark.parametrize(
    ("uplinks", "mtu"),
    [
        ({"rk1": 1500, "rk3": 1500}, ""),
        ({"rk1": 1500, "rk3": 1420}, "1420"),
        ({"rk1": 9000, "rk3": 9000}, "9000"),
        ({"rk1": 1500, "rk3": 1280}, "1280"),
        ({"rk1": 1500, "rk3": 0}, ""),
        ({"rk1": None, "rk3": None}, ""),
    ],
)
def test_a_network_is_made_for_the_smallest_uplink(
    uplinks: dict[str, int | None], mtu: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made(monkeypatch, uplinks) == mtu


def test_who_has_the_smallest_is_said(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made(monkeypatch, {"rk1": 1500, "rk3": 1420})
    assert told == ["it is created for an MTU of 1420, the smallest, which rk3 says"]


@pytest.mark.parametrize("mtu", [1, 68, 576, 1279])
def test_one_host_with_an_absurd_mtu_lowers_nobody_s_network_and_is_named(
    mtu: int, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused):
        made(monkeypatch, {"rk1": 1500, "rk3": mtu})
    [sentence] = told
    assert f"rk3 says that its uplink has an MTU of {mtu}." in sentence
    assert "set networks.mtu" in sentence


def test_where_it_is_declared_no_host_is_asked(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made(monkeypatch, {"rk1": 1500, "rk3": 68}, mtu=1400) == "1400"
    assert told == []


@given(st.dictionaries(st.sampled_from(["rk1", "rk2", "rk3"]), st.integers(0, 70000) | st.none()))
def test_whatever_hosts_say_each_that_is_absurd_is_named_and_no_other(
    uplinks: dict[str, int | None],
) -> None:
    found = mtu_refusals(uplinks)
    assert all(isinstance(one, Refusal) for one in found)
    named = {name for name in uplinks for one in found if f"{name} says" in one.sentence()}
    assert named == {name for name, mtu in uplinks.items() if mtu and mtu < 1280}
