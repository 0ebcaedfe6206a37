"""What is to be done for a stack, from what is declared, what was deployed and what is there."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.services.service import STACK, Service, UpdateStatus
from pyinfra_swarm.stacks.plan import (
    AwaitStack,
    DeployStack,
    RemoveStack,
    ended_well,
    needs_rendering,
    not_declared,
    plan_removal,
    plan_stack,
    undeclared,
)
from pyinfra_swarm.stacks.record import Record
from pyinfra_swarm.stacks.rendering import Rendered
from pyinfra_swarm.stacks.seen import Seen

COMPOSE = {"services": {"app": {"image": "nginx:1.27"}, "db": {"image": "postgres:17"}}}


def spec(name: str, image: str, **container: Any) -> dict[str, Any]:
    return {
        "Name": name,
        "Labels": {STACK: "web"},
        "TaskTemplate": {
            "ContainerSpec": {"Image": image, **container},
            "Networks": [{"Target": "n" * 25, "Aliases": [name]}],
        },
        "Mode": {"Replicated": {"Replicas": 2}},
    }


SPECS = {"web_app": spec("web_app", "nginx:1.27"), "web_db": spec("web_db", "postgres:17")}
RECORD = Record("web", "inputs", "28.5.2", COMPOSE, SPECS, "r" * 25, 3)


def seen(specs: dict[str, Any] | None = None, update: str = "completed", **more: Any) -> Seen:
    services = [
        Service(name.ljust(25, "x"), name, 5, one, update=UpdateStatus(update))
        for name, one in (SPECS if specs is None else specs).items()
    ]
    known: dict[str, Any] = {
        "engine": "28.5.2",
        "records": {"web": RECORD},
        "services": services,
        "networks": {"n" * 25: "web_inner"},
    }
    return Seen(**{**known, **more})


def changed(path: str, value: Any, service: str = "web_app") -> dict[str, Any]:
    made = copy.deepcopy(SPECS)
    here: Any = made[service]
    *way, last = path.split(".")
    for key in way:
        here = here[key]
    here[last] = value
    return made


def test_what_is_as_it_was_deployed_needs_nothing() -> None:
    assert plan_stack("web", "inputs", seen(), None) == []
    assert not needs_rendering("web", "inputs", seen())
    assert needs_rendering("web", "others", seen())


def test_changed_files_are_deployed_where_it_is_not_known_what_they_come_to() -> None:
    [one] = plan_stack("web", "others", seen(), None)
    assert (one.what, type(one)) == ("stack web", DeployStack)


@pytest.mark.parametrize(
    ("records", "specs", "words"),
    [
        ({}, {}, "is declared, and not deployed"),
        ({}, SPECS, "was deployed by other means"),
        (
            {"web": Record("web", "inputs", "", problem="it is no table")},
            SPECS,
            "cannot be read (it is no table)",
        ),
    ],
)
def test_without_a_record_it_is_deployed(records: Any, specs: Any, words: str) -> None:
    found = plan_stack("web", "inputs", seen(specs, records=records), None)
    assert [type(one) for one in found] == [DeployStack]
    assert words in found[0].reason
    assert needs_rendering("web", "inputs", seen(specs, records=records))


@pytest.mark.parametrize(("services", "told"), [(0, ""), (1, ""), (2, "2 services")])
def test_how_much_is_there_without_a_record_is_told(services: int, told: str) -> None:
    specs = dict(list(SPECS.items())[:services])
    [one] = plan_stack("web", "inputs", seen(specs, records={}), None)
    assert (one.expected, one.found) == ("deployed", told)


def test_only_what_a_deploy_that_ended_well_has_left_is_known_to_run() -> None:
    def known(record: Record | None, now: Seen) -> list[bool]:
        return [ended_well(record, one, now) for one in now.services]

    assert known(RECORD, seen()) == [True, True]
    assert known(RECORD, seen(engine="26.1.5")) == [True, True]
    empty = changed("TaskTemplate.ContainerSpec.OomScoreAdj", 0)
    assert known(RECORD, seen(empty, engine="26.1.5")) == [True, True]
    assert known(RECORD, seen(empty)) == [False, True]
    assert known(None, seen()) == [False, False]
    assert known(Record("web", "inputs", "", services=SPECS, problem="cut"), seen()) == [False] * 2
    assert known(RECORD, seen(changed("Mode.Replicated.Replicas", 5))) == [False, True]
    assert known(RECORD, seen({"web_more": spec("web_more", "busybox")})) == [False]


def test_changed_files_are_told_by_place() -> None:
    fresh = copy.deepcopy(COMPOSE)
    fresh["services"]["app"]["image"] = "nginx:1.28"
    [one] = plan_stack("web", "others", seen(), Rendered(fresh))
    assert isinstance(one, DeployStack)
    assert (one.what, one.found, one.expected, one.stack) == (
        "stack web: services.app.image",
        "nginx:1.27",
        "nginx:1.28",
        "web",
    )


def test_changed_files_that_render_to_the_same_are_deployed_too() -> None:
    """A comment, or a config's content: the record is renewed, or every run would render anew."""
    [one] = plan_stack("web", "others", seen(), Rendered(COMPOSE))
    assert isinstance(one, DeployStack)
    assert one.reason == "its files or values have changed since it was deployed"


def test_a_change_by_hand_is_told_by_service_and_field() -> None:
    [one] = plan_stack("web", "inputs", seen(changed("Mode.Replicated.Replicas", 5)), None)
    assert one.sentence() == "service web_app replicas: was changed since the deploy (5 → 2)"


def test_a_network_is_told_by_its_name_where_it_is_known() -> None:
    gone = changed("TaskTemplate.Networks", [])
    told = plan_stack("web", "inputs", seen(gone), None)
    assert [(one.what, one.expected, one.found) for one in told] == [
        ("service web_app network web_inner.Aliases", '["web_app"]', "none"),
        ("service web_app network web_inner.Target", "web_inner", "none"),
    ]
    options = [{"Target": "n" * 25, "Aliases": ["web_app"], "DriverOpts": {"a": {"b": "c"}}}]
    told = plan_stack("web", "inputs", seen(changed("TaskTemplate.Networks", options)), None)
    assert [one.what for one in told] == ["service web_app network web_inner.DriverOpts.a.b"]
    mounts = [{"Type": "volume", "Source": "n" * 25, "Target": "/data"}]
    by_hand = changed("TaskTemplate.ContainerSpec.Mounts", mounts)
    told = plan_stack("web", "inputs", seen(by_hand), None)
    assert ("service web_app mount /data.Source", "n" * 25) in [
        (one.what, one.found) for one in told
    ]
    number = "n" * 25
    told = plan_stack("web", "inputs", seen(gone, networks={}), None)
    assert [(one.what, one.expected) for one in told] == [
        (f"service web_app network {number}.Aliases", '["web_app"]'),
        (f"service web_app network {number}.Target", number),
    ]


def test_services_that_are_gone_and_services_that_nobody_declares() -> None:
    more = ("web_zoo", "web_cron", "web_more", "web_api")
    specs = {"web_app": SPECS["web_app"], **{name: spec(name, "busybox") for name in more}}
    found = plan_stack("web", "inputs", seen(specs), None)
    told = ["web_api", "web_cron", "web_db", "web_more", "web_zoo"]
    assert [(one.what, type(one)) for one in found] == [
        (f"service {name}", DeployStack) for name in told
    ]
    assert [one.what for one in found if "is part of stack web, and gone" in one.reason] == [
        "service web_db"
    ]


def test_of_very_many_differences_the_rest_is_counted() -> None:
    def told(differences: int) -> list[Finding]:
        more = [f"V{n:02}=1" for n in range(differences)]
        live = seen(changed("TaskTemplate.ContainerSpec.Env", more))
        return plan_stack("web", "inputs", live, None)

    for few in (11, 12):
        assert len(told(few)) == few
        assert "more fields" not in told(few)[-1].reason
    for many in (13, 40):
        *first, last = told(many)
        assert last.reason == f"differs in {many - 11} more fields"
        assert [one.what[-3:] for one in first] == [f"V{n:02}" for n in range(11)]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("updating", AwaitStack),
        ("rollback_started", AwaitStack),
        ("paused", DeployStack),
        ("rollback_paused", DeployStack),
        ("completed", None),
        ("rollback_completed", None),
    ],
)
def test_an_update_that_has_not_ended_well_is_not_as_declared(
    state: str, kind: type | None
) -> None:
    found = plan_stack("web", "inputs", seen(dict(reversed(SPECS.items())), state), None)
    told = [(one.what, type(one), one.found) for one in found]
    assert told == ([(f"service {name}", kind, state) for name in SPECS] if kind else [])


def test_a_service_that_was_never_updated_is_as_it_was_deployed() -> None:
    now = seen()
    never = [replace(one, update=None) for one in now.services]
    assert plan_stack("web", "inputs", replace(now, services=never), None) == []


def test_a_record_of_nobody_is_reported_with_the_way_to_remove_it() -> None:
    assert undeclared(["web"], seen()) == []
    [one] = undeclared([], seen())
    assert isinstance(one, Notice)
    assert "--data remove=web" in one.remedy
    several = seen(records=dict.fromkeys(("web", "blog", "wiki"), RECORD))
    assert [one.what for one in undeclared(["wiki"], several)] == ["stack blog", "stack web"]


def test_a_removal_is_of_what_we_deployed_and_nobody_declares() -> None:
    [one] = plan_removal("web", [], seen(dict(reversed(SPECS.items()))))
    assert isinstance(one, RemoveStack)
    assert "web_app, web_db" in one.reason
    [one] = plan_removal("web", ["web"], seen())
    assert isinstance(one, Refusal)
    assert "is declared" in one.reason
    [one] = plan_removal("web", [], seen(records={}))
    assert isinstance(one, Refusal)
    assert "docker stack rm web" in one.remedy
    assert one.reason == "was not deployed by this tool"
    [one] = plan_removal("none", [], seen())
    assert isinstance(one, Refusal)
    assert (one.expected, one.remedy) == ("one of web", "")
    assert one.reason == "is no stack of this swarm"
    several = seen(records=dict.fromkeys(("web", "blog", "wiki"), RECORD))
    [one] = plan_removal("none", ["wiki"], several)
    assert one.expected == "one of blog, web"
    [one] = plan_removal("none", ["blog", "web", "wiki"], several)
    assert one.expected == ""


def test_what_is_to_be_deployed_again_has_to_be_declared() -> None:
    assert not_declared("wbe", ["db", "web"]).expected == "one of db, web"
    assert not_declared("wbe", []).expected == ""
