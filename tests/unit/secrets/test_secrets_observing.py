"""Which values are read, and which version is found to have a declared one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.context import begin_another_run
from pyinfra_swarm.run.converge import Unobserved
from pyinfra_swarm.run.script import Outcome
from pyinfra_swarm.secrets import observing
from pyinfra_swarm.secrets.digest import seal
from pyinfra_swarm.secrets.objects import Key, Seen
from pyinfra_swarm.secrets.steps import NOTHING, Asked
from pyinfra_swarm.secrets.value import Unreadable, Value
from pyinfra_swarm.settings import Settings
from tests.builders import declared
from tests.unit.secrets.swarms import DB, NOW, SITE, seen, user, version, wanted
from tests.unit.services.described import secret, spec, task

SETTINGS = declared(
    secrets=[{"name": "db_password", "env": "DB", "max_age": "2d"}],
    configs=[{"name": "site", "env": "SITE", "template": True, "adopt": True}],
)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of what was read, in order; each value is the name."""
    names: list[str] = []

    def reading(every: Sequence[object], base: Path) -> list[Value | Unreadable]:
        names.extend(one.name for one in every)  # type: ignore[attr-defined]
        return [Value(one.name.encode()) for one in every]  # type: ignore[attr-defined]

    monkeypatch.setattr(observing, "read_all", reading)
    begin_another_run()
    yield names
    begin_another_run()


def matching(settings: Settings, *objects: object, asked: Asked = NOTHING) -> dict[Key, str]:
    found = observing.wanted(settings, seen(*objects), asked)  # type: ignore[arg-type]
    return {one.key: one.matching for one in found}


def test_each_value_is_read_once_a_run(read: list[str]) -> None:
    for _ in range(2):
        observing.wanted(SETTINGS, seen(), NOTHING)
    assert observing.value(SETTINGS, DB).data == b"db_password"
    assert read == ["db_password", "site"]


def test_only_what_is_asked_for_is_read_and_nothing_for_a_way_back(read: list[str]) -> None:
    assert [*matching(SETTINGS, asked=Asked("site"))] == [DB, SITE]
    assert read == ["site"]
    begin_another_run()
    back = observing.wanted(SETTINGS, seen(), Asked("site", back=True))
    assert read == ["site"]
    assert [(one.matching, one.problem, one.remedy, one.line_end) for one in back] == [
        ("", "", "", False)
    ] * 2


def test_a_value_that_is_asked_for_by_itself_is_read_and_shown_nowhere_from_then(
    read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    never: list[bytes] = []
    monkeypatch.setattr(observing, "never_repeat", never.append)
    assert observing.value(SETTINGS, SITE).data == b"site"
    assert (read, never) == (["site"], [b"site"])


def test_the_version_with_the_declared_value_is_found_taken_back_or_not(read: list[str]) -> None:
    sealed, other = seal(Value(b"db_password")), seal(Value(b"another"))
    old, new = version(1, sealed=sealed), version(2, sealed=other)
    assert matching(SETTINGS, old, new)[DB] == old.id
    taken = version(1, sealed=sealed, withdrawn=NOW)
    assert matching(SETTINGS, taken, new)[DB] == taken.id
    assert matching(SETTINGS, new)[DB] == ""
    both = version(3, sealed=sealed)
    assert matching(SETTINGS, taken, both)[DB] == both.id


def test_a_text_that_was_no_template_is_another_config(read: list[str]) -> None:
    sealed = seal(Value(b"site"))
    assert matching(SETTINGS, version(1, SITE, sealed=sealed))[SITE] == ""
    filled_in = version(1, SITE, sealed=sealed, template=True)
    assert matching(SETTINGS, filled_in)[SITE] == filled_in.id
    begin_another_run()
    plain = declared(configs=[{"name": "site", "env": "SITE"}])
    assert matching(plain, filled_in)[SITE] == ""


def test_what_is_declared_besides_the_value_goes_to_the_plan(read: list[str]) -> None:
    db, site = observing.wanted(SETTINGS, seen(), NOTHING)
    assert (db.max_age, db.adopt) == (2 * 86400, False)
    assert (db.problem, db.remedy) == ("", "")
    assert (site.max_age, site.adopt) == (None, True)


def test_why_there_is_no_value_goes_to_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    begin_another_run()
    problem = Unreadable("the store is locked", "Unlock it")
    monkeypatch.setattr(observing, "read_all", lambda every, base: [problem for _ in every])
    for one in observing.wanted(SETTINGS, seen(), NOTHING):
        assert (one.matching, one.problem, one.remedy) == ("", "the store is locked", "Unlock it")
    with pytest.raises(Unreadable):
        observing.value(SETTINGS, DB)
    begin_another_run()


@pytest.mark.parametrize(
    ("source", "data", "told"),
    [
        ({"file": "db"}, b"hunter2\n", True),
        ({"file": "db"}, b"hunter2\r\n", True),
        ({"age": {"file": "db.age", "identity": "~/id"}}, b"hunter2\n", True),
        ({"file": "db"}, b"hunter2", False),
        ({"file": "db"}, b"hunter2\nhunter3", False),
        ({"file": "db"}, b"-----BEGIN\nMIIB\n-----END\n", False),
        ({"file": "db", "newline": "keep"}, b"hunter2\n", False),
        ({"file": "db", "newline": "strip"}, b"hunter2\n", False),
        ({"env": "DB"}, b"hunter2\n", False),
    ],
)
def test_a_line_end_that_nobody_has_declared_is_seen(
    source: dict[str, object], data: bytes, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "read_all", lambda every, base: [Value(data) for _ in every])
    begin_another_run()
    settings = declared(secrets=[{"name": "db_password", **source}])
    [one] = observing.wanted(settings, seen(), NOTHING)
    assert one.line_end is told
    begin_another_run()


def test_the_line_end_of_a_config_is_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "read_all", lambda every, base: [Value(b"x\n") for _ in every])
    begin_another_run()
    [one] = observing.wanted(declared(configs=[{"name": "site", "file": "x"}]), seen(), NOTHING)
    assert not one.line_end
    begin_another_run()


# Tasks
# -----

HOST: Any = SimpleNamespace(name="rk1")
V1, V2, V3 = map(version, (1, 2, 3))


def said(text: str) -> Outcome:
    """How a program has ended that has printed this."""
    sections = Sections()
    sections["said"] = [text]
    return Outcome(said=sections)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The programs that were sent; the manager lists a task of v1, and one of v2 that has ended."""

    def quietly(host: object, text: str) -> Outcome:
        programs.append(text)
        tasks = [
            task(1, spec(secrets=[secret(V1.id, V1.name)])),
            task(2, spec(secrets=[secret(V2.id, V2.name)]), state="complete", desired="complete"),
        ]
        return said(json.dumps(tasks))

    programs: list[str] = []
    monkeypatch.setattr(observing, "quietly", quietly)
    return programs


def test_what_tasks_use_that_have_not_ended_is_living(asked: list[str]) -> None:
    users = user("web", V3), user("api", V3)
    assert observing.tasks_use(HOST, seen(V1, V2, V3, *users)) == {V1.id}
    [text] = asked
    services = json.dumps({"service": sorted(one.id for one in users)})
    assert f"services='{services}'\n" in text
    assert API in text
    assert "http://localhost/tasks" in text


def test_without_services_there_are_no_tasks_to_ask_for(asked: list[str]) -> None:
    assert observing.tasks_use(HOST, seen(V1)) == frozenset()
    assert asked == []


def test_a_manager_that_does_not_list_them_is_not_taken_for_one_that_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = replace(said("[]"), problem="no leader")
    monkeypatch.setattr(observing, "quietly", lambda host, text: silent)
    with pytest.raises(Unobserved, match="rk1 did not list the tasks of services: no leader"):
        observing.tasks_use(HOST, seen(V1, user("web", V1)))


def test_tasks_are_asked_for_where_an_old_version_could_go_or_could_be_in_use_still(
    asked: list[str],
) -> None:
    web, other = user("web", V3), user("other", version(1, SITE))
    back = Asked("db_password", back=True)

    def ids(there: Seen, asked_for: Asked = NOTHING) -> frozenset[str]:
        return observing.used_by(observing.unended(HOST, [wanted(V3)], there, asked_for))

    assert ids(seen(V3, web)) == frozenset()
    assert ids(seen(V2, V3, version(1, SITE), other)) == frozenset()
    assert asked == []
    assert ids(seen(V1, V2, V3, web, other)) == {V1.id}
    assert ids(seen(V2, V3, web, other)) == {V1.id}
    assert ids(seen(V1, V2, V3, web, other), back) == {V1.id}
    services = [
        json.dumps({"service": sorted(one.id for one in ones)})
        for ones in ([web, other], [web], [web])
    ]
    assert [f"services='{each}'\n" in text for each, text in zip(services, asked, strict=True)] == [
        True,
        True,
        True,
    ]
