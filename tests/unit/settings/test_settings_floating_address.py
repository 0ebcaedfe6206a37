"""`[exposure]`: the floating address."""

from __future__ import annotations

from typing import Any

import pytest

from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.exposure import Exposure
from tests.unit.settings.settings_examples import four_boards, problems, put, the_problem


def exposed(**values: Any) -> dict[str, Any]:
    return put("exposure", {"address": "192.168.1.9", **values})


def test_without_it_nothing_floats() -> None:
    assert Settings(**four_boards()).exposure == Exposure(address="", address6="", interface="")


def test_one_address_of_each_family_on_a_named_interface() -> None:
    found = Settings(**exposed(address6="2001:DB8:0::9", interface="enp1s0.7")).exposure
    assert found == Exposure(address="192.168.1.9", address6="2001:db8::9", interface="enp1s0.7")


@pytest.mark.parametrize(
    ("field", "value", "reason", "instead"),
    [
        ("address6", "192.168.1.9", "not an IPv6 address", '"2001:db8::9"'),
        ("address6", "fe80::9", "one cable alone", '"2001:db8::9"'),
        ("address6", "2001:db8::9%eth0", "one cable alone", '"2001:db8::9"'),
        ("address6", "::1", "not an address other hosts can reach", '"2001:db8::9"'),
        ("address6", "ff02::1", "not an address other hosts can reach", '"2001:db8::9"'),
        ("address6", "::ffff:192.0.2.1", "in the dress of", '"2001:db8::9"'),
        ("interface", "eth0:1", "not the name of a network interface", '"eth0"'),
        ("interface", "a-name-of-sixteen", "15 at most", '"eth0"'),
        ("interface", "-o", "not the name of a network interface", '"eth0"'),
        ("address", "192.168.1.13", "is the address of rk3 itself", "no device has"),
        ("address", "fd00::9", "is an IPv6 address", "exposure.address6"),
    ],
)
def test_what_cannot_float_is_refused(field: str, value: str, reason: str, instead: str) -> None:
    problem = the_problem(exposed(**{field: value}))
    assert problem.field == f"exposure.{field}"
    assert reason in problem.reason
    assert instead in problem.instead


@pytest.mark.parametrize("field", ["address6", "interface"])
def test_what_goes_with_the_address_has_no_meaning_without_it(field: str) -> None:
    value = {"address6": "2001:db8::9", "interface": "eth0"}[field]
    problem = the_problem(put(f"exposure.{field}", value))
    assert (problem.field, problem.reason) == (
        f"exposure.{field}",
        "has no meaning without exposure.address",
    )


def test_one_host_has_nobody_to_hand_it_to() -> None:
    data = exposed()
    data["hosts"] = data["hosts"][:1]
    assert [one.field for one in problems(data)] == ["exposure.address"]
