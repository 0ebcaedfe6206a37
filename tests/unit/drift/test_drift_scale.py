"""What the measurement of many hosts makes of its numbers."""

from __future__ import annotations

import pytest

from tests.bench.scale import is_linear, slopes


def test_each_further_host_has_its_price_in_milliseconds() -> None:
    assert slopes({1: 1.0, 11: 2.0, 111: 7.0}) == {11: 100, 111: 50}
    assert slopes({1: 1.0}) == {}


@pytest.mark.parametrize(
    ("seconds", "linear"),
    [
        ({1: 1, 10: 2, 100: 11, 1000: 101}, True),
        ({1: 1, 10: 2, 100: 11, 300: 31, 1000: 140}, True),
        ({1: 1, 10: 2, 100: 11, 300: 80, 1000: 194}, False),
        ({10: 1, 100: 10, 300: 100}, False),
        ({10: 1, 30: 9, 100: 100}, None),
        ({300: 1, 1000: 900}, None),
        ({10: 1}, None),
    ],
)
def test_linear_is_measured_by_the_hosts_up_to_100(seconds: dict[int, float], linear: bool) -> None:
    assert is_linear(slopes(seconds)) == linear
