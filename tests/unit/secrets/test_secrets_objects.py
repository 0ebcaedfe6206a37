"""Which objects of the swarm are versions of ours, and which of them is the current one."""

from __future__ import annotations

import json

import pytest

from pyinfra_swarm.secrets.objects import Key, current_names, lines, parse_objects, versioned
from tests.unit.secrets.swarms import DB, NOW, entry, ours, stranger, user, version


def test_a_version_of_ours_has_our_labels_and_a_name_that_agrees() -> None:
    [found] = parse_objects("secret", [ours(number=3)])
    assert (found.key, found.version, found.turn, found.sealed) == (DB, 3, 3, "scrypt$x")
    assert found.created == 1795802400.0
    assert found.withdrawn is None


@pytest.mark.parametrize(
    "other",
    [
        entry("db_password_v3"),
        ours(number=3, name="api_key") | {"Spec": {"Name": "db_password_v3", "Labels": {}}},
        entry("db_password", ours()["Spec"]["Labels"]),
        {**ours(number=3), "Spec": {**ours(number=4)["Spec"], "Name": "db_password_v3"}},
    ],
)
def test_anything_else_is_not_ours_whatever_its_name_or_its_labels(
    other: dict[str, object],
) -> None:
    [found] = parse_objects("secret", [other])
    assert (found.key, found.version, found.turn, found.sealed) == (None, 0, 0, "")


def test_a_label_that_somebody_has_spoilt_does_not_spoil_the_rest() -> None:
    [found] = parse_objects("secret", [ours(number=2, turn="\x1b[2J", withdrawn="yesterday")])
    assert (found.turn, found.withdrawn) == (2, 0.0)


def test_the_current_version_is_the_one_whose_turn_came_last_and_was_not_taken_back() -> None:
    first, second, third = version(1, turn=4), version(2), version(3, withdrawn=NOW)
    line = lines([first, second, third], [DB])[DB]
    assert line.current == first
    assert line.standing == (first, second)
    assert (line.next_version, line.next_turn) == (4, 5)
    assert current_names([DB], [first, second, third]) == {DB: "db_password_v1"}


def test_what_has_no_version_has_no_name() -> None:
    assert current_names([DB], []) == {}
    assert current_names([DB], [version(1, withdrawn=NOW)]) == {}


def test_a_number_that_somebody_else_uses_is_left_out() -> None:
    line = lines([version(1), stranger("db_password_v7"), stranger("db_password")], [DB])[DB]
    assert line.next_version == 8
    assert [one.name for one in line.in_the_way] == ["db_password_v7"]
    assert line.plain is not None


def test_names_that_begin_alike_are_kept_apart() -> None:
    app, vault = Key("secret", "app"), Key("secret", "app_vault")
    objects = [version(1, app), version(5, vault), version(2, Key("config", "app"))]
    found = lines(objects, [app, vault])
    assert [one.name for one in found[app].versions] == ["app_v1"]
    assert [one.name for one in found[vault].versions] == ["app_vault_v5"]
    assert found[app].next_version == 2
    assert [one.name for one in found[Key("config", "app")].versions] == ["app_v2"]


def test_versions_of_ours_that_nobody_declares_are_told_too() -> None:
    assert [*lines([version(1)], [])] == [DB]
    assert [*lines([stranger("db_password_v1")], [])] == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("db_v1", ("db", 1)),
        ("db_v12_v3", ("db_v12", 3)),
        ("db_v01", ("db_v01", 0)),
        ("db_v0", ("db_v0", 0)),
        ("_v1", ("_v1", 0)),
        ("db_v1x", ("db_v1x", 0)),
    ],
)
def test_what_a_name_says(name: str, said: tuple[str, int]) -> None:
    assert versioned(name) == said


def test_neither_a_repr_nor_json_shows_a_seal_or_a_label() -> None:
    [found] = parse_objects("secret", [ours()])
    assert "scrypt" not in repr(found) + json.dumps(found.to_json())
    assert json.dumps(user("web", version(1)).to_json())
