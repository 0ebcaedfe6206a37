"""Which objects of the swarm are versions of ours, and which of them is the current one."""

from __future__ import annotations

import json

import pytest

from pyinfra_swarm.secrets.objects import (
    Key,
    Object,
    Seen,
    User,
    current_names,
    lines,
    parse_objects,
    versioned,
)
from tests.unit.secrets.swarms import DB, NOW, entry, id_of, ours, stranger, user, version

PREFIX = "pyinfra-swarm."


def test_a_version_of_ours_has_our_labels_and_a_name_that_agrees() -> None:
    [found] = parse_objects("secret", [ours(number=3)])
    assert (found.key, found.version, found.turn, found.sealed) == (DB, 3, 3, "scrypt$x")
    assert found.created == 1795802400.0
    assert found.withdrawn is None


def test_the_names_of_the_labels_are_a_promise() -> None:
    """They outlive this version of the program: an object keeps its labels for years."""
    labels = {"name": "db", "version": "2", "turn": "7", "sealed": "scrypt$y", "withdrawn": "9"}
    there = entry("db_v2", {PREFIX + key: text for key, text in labels.items()})
    [found] = parse_objects("secret", [there])
    assert (found.key, found.version, found.turn) == (Key("secret", "db"), 2, 7)
    assert (found.sealed, found.withdrawn) == ("scrypt$y", 9.0)


@pytest.mark.parametrize(
    "other",
    [
        entry("db_password_v3"),
        entry(
            "db_password_v3", {**ours("api_key", 3)["Spec"]["Labels"], f"{PREFIX}withdrawn": "1"}
        ),
        entry("db_password", {f"{PREFIX}name": "db_password", f"{PREFIX}version": "0"}),
        entry("db_password_v0", {f"{PREFIX}name": "db_password_v0", f"{PREFIX}version": "0"}),
        {**entry("db_password_v3"), "Spec": {"Name": "db_password_v3", "Labels": None}},
        entry("db_password", ours()["Spec"]["Labels"]),
        {**ours(number=3), "Spec": {**ours(number=4)["Spec"], "Name": "db_password_v3"}},
    ],
)
def test_anything_else_is_not_ours_whatever_its_name_or_its_labels(
    other: dict[str, object],
) -> None:
    [found] = parse_objects("secret", [other])
    assert (found.key, found.version, found.turn, found.sealed) == (None, 0, 0, "")
    assert found.withdrawn is None


def test_a_label_that_somebody_has_spoilt_does_not_spoil_the_rest() -> None:
    [found] = parse_objects("secret", [ours(number=2, turn="\x1b[2J", withdrawn="yesterday")])
    assert (found.turn, found.withdrawn) == (2, 0.0)
    labels = {f"{PREFIX}name": "db_password", f"{PREFIX}version": "2"}
    for turn, read in (({}, 2), ({f"{PREFIX}turn": "9" * 12}, 10**12 - 1)):
        [found] = parse_objects("secret", [entry("db_password_v2", labels | turn)])
        assert (found.turn, found.sealed, found.withdrawn) == (read, "", None)
    [found] = parse_objects("secret", [ours(number=2, turn="9" * 13)])
    assert found.turn == 2


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


def test_where_nobody_has_taken_the_very_name_nothing_is_in_its_place() -> None:
    strangers = [stranger(f"db_password_v{number}") for number in (9, 7, 8)]
    line = lines(strangers, [DB])[DB]
    assert line.plain is None
    assert [one.name for one in line.in_the_way] == [f"db_password_v{n}" for n in (7, 8, 9)]
    assert line.last_taken_back is None
    assert (line.next_version, line.next_turn) == (10, 1)


def test_what_is_called_as_one_is_and_as_anothers_version_stands_in_both_lines() -> None:
    db, second = Key("secret", "db"), Key("secret", "db_v2")
    taken = stranger("db_v2")
    found = lines([taken], [db, second])
    assert found[db].in_the_way == (taken,)
    assert found[second].plain == taken


def test_the_likeliest_version_of_a_value_is_looked_at_first() -> None:
    """The current one, those before it, those that were taken back; each is scrypt's work."""
    back, template = version(4, withdrawn=NOW), version(3, template=True)
    taken_template = version(5, template=True, withdrawn=NOW)
    line = lines([version(1), version(2), template, back, taken_template], [DB])[DB]
    assert line.candidates(template=False) == (version(2), version(1), back)
    assert line.candidates(template=True) == (template, taken_template)


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


def test_what_json_shows_of_the_swarm() -> None:
    there = Seen(
        (version(2, withdrawn=NOW, template=True), stranger("x")),
        (user("web", version(2), before=[version(1)], update="paused"),),
        "no leader",
    )
    assert there.to_json() == {
        "problem": "no leader",
        "objects": [
            {
                "kind": "secret",
                "id": id_of("db_password_v2"),
                "name": "db_password_v2",
                "ours": True,
                "of": "db_password",
                "version": 2,
                "created": NOW - 10 * 86400,
                "withdrawn": NOW,
                "template": True,
            },
            {
                "kind": "secret",
                "id": id_of("xx"),
                "name": "x",
                "ours": False,
                "of": "",
                "version": 0,
                "created": NOW,
                "withdrawn": None,
                "template": False,
            },
        ],
        "services": [
            {
                "id": id_of("sweb"),
                "name": "web",
                "mode": "replicated",
                "uses": ["secret db_password_v2"],
                "used": ["secret db_password_v1"],
                "update": "paused",
            }
        ],
    }


def test_what_nobody_has_said_of_an_object_or_a_service() -> None:
    bare = Object("secret", "a", "b", 1, NOW)
    assert (bare.version, bare.turn, bare.sealed, bare.template) == (0, 0, "", False)
    service = User("a", "b", "global")
    assert (service.update, service.goes_on, service.tasks) == ("", False, None)
