"""Docker's version names, as packages and engines spell them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.engine.versions import engine_version, major, newest, order


@pytest.mark.parametrize(
    ("package", "engine"),
    [
        ("5:28.5.2-1~debian.13~trixie", "28.5.2"),
        ("5:26.1.5-1~ubuntu.24.04~noble", "26.1.5"),
        ("5:29.0.0~rc.1-1~debian.13~trixie", "29.0.0~rc.1"),
        ("28.5.2", "28.5.2"),
        ("28.5.2+dfsg4", "28.5.2"),
        ("26.1.5+dfsg1-9", "26.1.5"),
        ("1.7.24-1", "1.7.24"),
        ("nonsense", "nonsense"),
    ],
)
def test_the_engines_version_in_a_packages(package: str, engine: str) -> None:
    assert engine_version(package) == engine


def test_numbers_are_compared_as_numbers() -> None:
    assert newest(["28.9.0", "28.10.0", "9.30.1"]) == "28.10.0"


def test_a_pre_release_comes_before_its_release_and_is_never_chosen() -> None:
    assert order("29.0.0-rc.1") < order("29.0.0")
    assert order("29.0.0-rc.1") > order("28.5.2")
    assert newest(["28.5.2", "29.0.0~rc.1"]) == "28.5.2"
    assert newest(["29.0.0-rc.1"]) is None


def test_of_nothing_nothing_is_newest() -> None:
    assert newest([]) is None


@pytest.mark.parametrize(
    ("version", "number"), [("28.5.2", 28), ("5:29.1.0-1~debian.13~trixie", 29), ("?", 0)]
)
def test_the_major_version(version: str, number: int) -> None:
    assert major(version) == number


_VERSIONS = st.tuples(st.integers(17, 40), st.integers(0, 30), st.integers(0, 30))


@given(st.lists(_VERSIONS, min_size=1))
def test_the_newest_is_the_greatest(versions: list[tuple[int, int, int]]) -> None:
    spelled = [f"5:{a}.{b}.{c}-1~debian.13~trixie" for a, b, c in versions]
    a, b, c = max(versions)
    assert newest(map(engine_version, spelled)) == f"{a}.{b}.{c}"
