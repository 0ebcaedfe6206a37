"""What an upgrade has to do, and what forbids it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from pyinfra_swarm.docker.installation import Engine, Package
from pyinfra_swarm.nodes.membership import Membership, Node, Observed
from pyinfra_swarm.rolling.jobs import (
    Options,
    Roll,
)
from pyinfra_swarm.rolling.plan import (
    not_prepared,
)
from pyinfra_swarm.rolling.upgrade import upgrade
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE
from tests.builders import declared, node
from tests.unit.rolling.rolling_examples import (
    ALL,
    NAMES,
    NODES,
    SETTINGS,
    WHOLE,
    changed,
    engine,
    found,
    sentences,
    swarm,
    the_refusal,
)

OLD = tuple(replace(entry, engine_version="26.1.5") for entry in NODES)
NEW = declared(docker={"version": "28.5.2"})
OFFERED = ("5:28.5.2-1~debian.13~trixie", "5:26.1.5-1~debian.13~trixie")


def upgraded(
    settings: Settings = NEW,
    nodes: tuple[Node, ...] = OLD,
    engines: Mapping[str, Engine | None] | None = None,
    given: Options = ALL,
    offers: Mapping[str, Sequence[str] | None] | None = None,
    fetched: Sequence[str] = NAMES,
) -> Roll:
    installed = engines or {n.hostname: engine(n.engine_version) for n in nodes}
    offered = dict.fromkeys(NAMES, OFFERED) if offers is None else offers
    return upgrade(settings, swarm(*nodes), installed, offered, given, fetched=fetched)


def test_nodes_of_another_version_are_upgraded() -> None:
    told = sentences(found(upgraded(), swarm(*OLD), NEW))
    assert told["rk2"] == ["Docker: is upgraded, 1st of 4 (26.1.5 → 28.5.2)"]
    assert told["rk1"] == ["Docker: is upgraded, 3rd of 4 (26.1.5 → 28.5.2)"]


def test_a_roll_that_was_interrupted_goes_on_with_the_rest() -> None:
    nodes = (OLD[0], NODES[1], OLD[2], OLD[3])
    assert set(upgraded(nodes=nodes).work) == {"rk1", "rk3", "rk4"}


@pytest.mark.parametrize(
    ("installed", "runs_still"),
    [
        pytest.param(engine("28.5.2"), "26.1.5", id="installed, but not started anew"),
        pytest.param(engine("28.5.2", running=False), "28.5.2", id="installed and stopped"),
        pytest.param(engine(None, running=False), "26.1.5", id="taken apart"),
    ],
)
def test_a_node_whose_upgrade_was_interrupted_is_not_done(
    installed: Engine, runs_still: str
) -> None:
    nodes = changed(node(2, engine_version=runs_still, labels={AVAILABILITY_BEFORE: "active"}))
    engines = {**{name: engine() for name in NAMES}, "rk2": installed}
    assert set(upgraded(nodes=nodes, engines=engines).work) == {"rk2"}


HALF_INSTALLED = engine(packages={"docker-ce": Package("5:28.5.2-1~debian.13~trixie", True)})


@pytest.mark.parametrize(
    "installed", [engine("26.1.5"), HALF_INSTALLED, engine(running=False)], ids=str
)
def test_one_thing_that_is_not_as_declared_is_enough_for_a_turn(installed: Engine) -> None:
    engines = {**{name: engine() for name in NAMES}, "rk2": installed}
    roll = upgraded(nodes=NODES, engines=engines)
    assert (roll.job, set(roll.work), roll.refusals) == ("upgrade", {"rk2"}, ())
    assert roll.work["rk2"].found == "28.5.2"


def test_only_nodes_that_can_be_looked_at_are_upgraded() -> None:
    engines: dict[str, Engine | None] = {name: engine("26.1.5") for name in NAMES}
    assert set(upgraded(engines={**engines, "rk4": None}).work) == {"rk1", "rk2", "rk3"}
    outside = {**swarm(*OLD), "rk4": Membership("running", hostname="rk4")}
    roll = upgrade(NEW, outside, engines, {}, ALL, fetched=())
    assert set(roll.work) == {"rk1", "rk2", "rk3"}


def test_engines_without_a_swarm_are_judged_by_what_is_installed() -> None:
    fresh: Observed = dict.fromkeys(NAMES, Membership("running"))
    engines = {"rk1": engine(), "rk2": engine("26.1.5"), "rk3": None, "rk4": engine(None)}
    roll = upgrade(NEW, fresh, engines, {}, ALL, fetched=())
    assert {name: work.found for name, work in roll.work.items()} == {"rk2": "26.1.5", "rk4": ""}


@pytest.mark.parametrize(
    ("entry", "installed", "version"),
    [
        (node(2, engine_version="26.1.5"), engine(), "26.1.5"),
        (node(2, engine_version="26.1.5", state="down"), engine("27.0.1"), "27.0.1"),
        (node(2, engine_version="26.1.5", state="unknown"), engine("27.0.1"), "27.0.1"),
        (node(2, engine_version="", labels={}), engine("27.0.1"), "27.0.1"),
        (node(2, engine_version="26.1.5", state="down"), engine(None), ""),
    ],
)
def test_the_version_is_that_which_runs_where_the_swarm_says_so(
    entry: Node, installed: Engine, version: str
) -> None:
    engines = {**{name: engine() for name in NAMES}, "rk2": installed}
    assert upgraded(nodes=changed(entry), engines=engines).work["rk2"].found == version


def test_what_the_owner_accepts_goes_with_the_roll() -> None:
    assert upgraded(given=Options(interruption=True)).accepted
    assert not upgraded().accepted


def test_the_same_version_again_is_no_downgrade() -> None:
    engines = {name: engine(running=False) for name in NAMES}
    assert upgraded(nodes=NODES, engines=engines).refusals == ()


def test_hosts_and_versions_are_told_in_their_order() -> None:
    backwards = {name: engine("9.0.1") for name in reversed(NAMES)}
    older = declared(docker={"version": "8.0.0"})
    nodes = tuple(replace(entry, engine_version="9.0.1") for entry in NODES)
    offers = dict.fromkeys(NAMES, ("5:10.0.0-1~debian", "5:9.0.1-1~debian", "5:11.0.0-rc.1"))
    downgrade, lacking = upgraded(older, nodes, backwards, offers=offers).refusals
    assert "what rk1, rk2, rk3 and rk4 run" in downgrade.reason
    assert "rk1, rk2, rk3 and rk4 cannot have it" in lacking.reason
    assert lacking.found == "offered to all hosts: 10.0.0, 9.0.1"
    mixed = {"rk1": engine("10.0.0"), "rk2": engine("9.0.1"), "rk3": engine(None)}
    [refusal] = upgraded(SETTINGS, nodes, mixed, offers={**offers, "rk4": None, "rk3": ()}).refusals
    assert refusal.found == "running: none, 9.0.1, 10.0.0"
    assert 'docker.version = "10.0.0"' in refusal.remedy


def test_an_offer_that_is_not_known_is_no_reason_to_refuse() -> None:
    assert upgraded(offers={**dict.fromkeys(NAMES, OFFERED), "rk4": None}).refusals == ()


def test_engines_that_do_not_understand_each_other_are_known_from_both_sides() -> None:
    """From what the swarm says of its nodes, and from what is installed on hosts without it."""
    settings = declared(docker={"version": "29.4.0"})
    nodes = (replace(NODES[0], engine_version="29.1.3"), *of("29.4.0")[1:3], of("29.0.1")[3])
    roll = upgraded(settings, nodes, offers=offer("29.4.0"))
    assert [refusal.reason.partition(" understand")[0] for refusal in roll.refusals] == [
        "29.0.1 and 29.1.3 (on rk1 and rk4)"
    ]
    fresh: Observed = dict.fromkeys(NAMES, Membership("running"))
    engines = {"rk1": engine("29.1.3"), "rk2": engine(None), "rk3": engine("29.4.0")}
    [refusal] = upgrade(settings, fresh, engines, {}, ALL, fetched=()).refusals
    assert refusal.reason.startswith("29.1.3 (on rk1) understands no other release")
    done = {"rk1": engine("29.4.0")}
    assert upgrade(settings, swarm(*nodes[:1]), done, {}, ALL, fetched=()).work
    assert upgraded(settings, of("29.4.0"), offers=offer("29.4.0")).refusals == ()


def test_nodes_that_nobody_can_look_at_are_asked_of_too_while_there_is_work() -> None:
    settings = declared(docker={"version": "29.4.0"})
    nodes = (*of("29.4.0")[:3], of("29.1.3")[3])
    engines: dict[str, Engine | None] = {name: engine("29.4.0") for name in NAMES}
    engines["rk4"] = None
    done = upgraded(settings, nodes, engines, offers=offer("29.4.0"))
    assert (done.work, done.refusals) == ({}, ())
    engines["rk3"] = engine("29.4.0", running=False)
    [refusal] = upgraded(settings, nodes, engines, offers=offer("29.4.0")).refusals
    assert refusal.reason.startswith("29.1.3 (on rk4) understands no other release")


def test_a_host_without_an_engine_does_not_misunderstand_anybody() -> None:
    settings = declared(docker={"version": "29.1.3"})
    fresh: Observed = dict.fromkeys(NAMES, Membership("running"))
    assert upgrade(settings, fresh, {"rk1": engine(None)}, {}, ALL, fetched=()).refusals == ()


def test_of_two_kinds_that_do_not_understand_it_the_usual_one_decides() -> None:
    settings = declared(docker={"version": "29.1.3"})
    nodes = (*of("28.5.2")[:2], *of("9.0.1")[2:])
    [refusal, *_] = upgraded(settings, nodes, offers=offer("29.1.3")).refusals
    assert refusal.what == "docker.version"
    assert refusal.reason.startswith("29.1.3 and 9.0.1 and 28.5.2 do not")


def test_as_declared_nothing_is_to_be_done() -> None:
    roll = upgraded(nodes=NODES)
    assert (roll.work, roll.refusals) == ({}, ())


def test_without_a_declared_version_there_is_nothing_to_upgrade_to() -> None:
    words = the_refusal(found(upgraded(SETTINGS), swarm(*OLD)))
    assert words == (
        "docker.version: is not declared, so there is no version to upgrade to (found running: "
        '26.1.5). Declare docker.version = "28.5.2", the newest that all hosts can have by their '
        "package lists"
    )
    unknown = the_refusal(found(upgraded(SETTINGS, offers={}), swarm(*OLD)))
    assert "apt-cache madison docker-ce" in unknown


def test_a_host_that_cannot_have_it_stops_all_before_the_first() -> None:
    offers = {**dict.fromkeys(NAMES, OFFERED), "rk4": OFFERED[1:]}
    words = the_refusal(found(upgraded(offers=offers), swarm(*OLD), NEW))
    assert words == (
        "docker.version: rk4 cannot have it: the repository does not offer it there, so no host is "
        "touched (offered to all hosts: 26.1.5 → 28.5.2). Declare one of these, or make the "
        "repository reachable (apt-get update)"
    )


def test_a_host_on_which_the_preparations_have_failed_stops_all_before_the_first() -> None:
    assert not_prepared(upgraded(), NAMES, NAMES) == []
    assert not_prepared(upgraded(), ["rk1"], ["rk1"]) == []
    [refusal] = not_prepared(upgraded(), NAMES, ["rk1", "rk2", "rk3"])
    assert refusal.sentence() == (
        "Docker's packages: could not be prepared on rk4, so no node is touched. Fix what that "
        "host's message says, then run the same command again"
    )


def test_an_old_package_list_is_no_reason_to_refuse() -> None:
    offers = {**dict.fromkeys(NAMES, OFFERED), "rk4": OFFERED[1:]}
    assert upgraded(offers=offers, fetched=["rk1"]).refusals == ()


def test_a_downgrade_has_to_be_asked_for() -> None:
    older = declared(docker={"version": "26.1.5"})
    words = the_refusal(found(upgraded(older, NODES), WHOLE, older))
    assert words == (
        "docker.version: is older than what rk1, rk2, rk3 and rk4 run, and an engine does not "
        "promise to read what a newer one has written (26.1.5 → 28.5.2). Declare the newer one, "
        "or, if you have backups: --data downgrade=accepted"
    )
    assert upgraded(older, NODES, given=Options(downgrade=True)).refusals == ()


def of(version: str) -> tuple[Node, ...]:
    return tuple(replace(entry, engine_version=version) for entry in NODES)


def offer(version: str) -> dict[str, Sequence[str] | None]:
    return dict.fromkeys(NAMES, (f"5:{version}-1~debian.13~trixie",))


def test_a_version_that_the_others_would_not_understand_is_refused_with_the_way_around() -> None:
    settings = declared(docker={"version": "29.1.3"})
    roll = upgraded(settings, of("28.5.2"), offers=offer("29.1.3"))
    words = the_refusal(found(roll, swarm(*of("28.5.2")), settings))
    assert words == (
        "docker.version: 29.1.3 and 28.5.2 do not understand each other over encrypted networks "
        "(moby #51798): during the upgrade, old and new nodes would exchange nothing (found "
        "29.1.3). Declare 29.2.1 or newer, which is compatible with them"
    )
    accepted = upgraded(
        settings, of("28.5.2"), given=Options(interruption=True), offers=offer("29.1.3")
    )
    assert accepted.refusals  # there is a way around, so nobody needs to accept it


def test_away_from_such_a_version_there_is_no_way_but_an_interruption() -> None:
    settings = declared(docker={"version": "29.4.0"})
    roll = upgraded(settings, of("29.1.3"), offers=offer("29.4.0"))
    words = the_refusal(found(roll, swarm(*of("29.1.3")), settings))
    assert words == (
        "Docker Engine: 29.1.3 understands no other release over encrypted networks (moby #51798): "
        "until the last node has 29.4.0, old and new nodes exchange nothing. An upgrade "
        "from this version always interrupts that traffic. When that suits you: --data "
        "interruption=accepted"
    )
    given = Options(interruption=True)
    assert upgraded(settings, of("29.1.3"), given=given, offers=offer("29.4.0")).refusals == ()


def test_where_only_some_run_what_it_does_not_understand_they_are_named() -> None:
    settings = declared(docker={"version": "29.1.3"})
    nodes = (*of("29.1.3")[:1], *of("28.5.2")[1:2], *of("29.1.3")[2:])
    roll = upgraded(settings, nodes, offers=offer("29.1.3"))
    words = the_refusal(found(roll, swarm(*nodes), settings))
    assert "29.1.3 and 28.5.2 (on rk2) do not understand each other" in words
