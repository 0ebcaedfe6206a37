"""What is known of versions of the engine."""

from __future__ import annotations

import pytest

from pyinfra_swarm.engine.advice import KNOWN, advice
from pyinfra_swarm.engine.versions import encrypt_alike, order


@pytest.mark.parametrize(
    ("version", "better"),
    [
        ("", []),
        ("26.1.5", []),
        ("28.5.2", []),
        ("29.0.0", ["29.2.1 or later", "29.8.0 or later"]),
        ("29.2.0", ["29.2.1 or later", "29.8.0 or later"]),
        ("29.2.1", ["29.8.0 or later"]),
        ("29.7.2", ["29.8.0 or later"]),
        ("29.8.0", []),
        ("30.0.0", []),
    ],
)
def test_a_version_is_told_what_is_known_of_it(version: str, better: list[str]) -> None:
    assert [one.better for one in advice(version)] == better


def test_a_range_names_its_source_and_a_version_that_is_free_of_it() -> None:
    for one in KNOWN:
        assert order(one.first) <= order(one.last)
        assert one.source
        free = one.better.split()[0]
        assert one not in advice(free)


def test_what_a_new_cluster_must_not_begin_with_are_the_releases_that_others_cannot_talk_to() -> (
    None
):
    for version in ("29.0.0", "29.1.3", "29.2.0", "29.2.1", "29.7.0"):
        odd = not encrypt_alike(version, "28.5.2")
        assert any(one.not_for_new for one in advice(version)) is odd
