"""Of which manager a backup is made, what is in it, and what is refused, in which words."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pyinfra_swarm.backup.save import Choice, choose, plan_backup, plan_unlock_key
from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.nodes.membership import Membership, Node, SwarmSpec
from pyinfra_swarm.run.findings import Notice, Refusal, changes
from pyinfra_swarm.settings import Settings
from tests.builders import declared

KEY = "age17rewv7umw8slk4g7mq9x3zvx3e4hwxnfhzxcnpxqxez0uv6df3usr47zp8"


def settings(managers: int = 3, workers: int = 1, **backup: Any) -> Settings:
    return declared(managers, workers, backup={"recipients": [KEY], **backup})


def swarm(
    wanted: Settings,
    *,
    leader: str = "rk1",
    silent: tuple[str, ...] = (),
    availability: dict[str, str] | None = None,
) -> dict[str, Membership | None]:
    """Every host in one swarm; the silent ones are without power."""
    nodes = tuple(
        Node(
            id=f"node-{host.name}",
            hostname=host.name,
            address=host.address,
            role=host.role,
            availability=(availability or {}).get(host.name, "active"),
            state="down" if host.name in silent else "ready",
            leader=host.name == leader,
            reachability=""
            if not host.is_manager
            else "unreachable"
            if host.name in silent
            else "reachable",
            labels={},
            engine_version="28.5.2",
        )
        for host in wanted.hosts
    )
    return {
        host.name: None
        if host.name in silent
        else Membership(
            "running",
            hostname=host.name,
            state="active",
            node=f"node-{host.name}",
            address=host.address,
            manager=host.is_manager,
            cluster="swarm-1" if host.is_manager else "",
            nodes=nodes if host.is_manager else None,
        )
        for host in wanted.hosts
    }


def unreachable(wanted: Settings) -> dict[str, Membership | None]:
    """Managers that answer, and whom the leader does not reach."""
    found: dict[str, Membership | None] = {}
    for name, said in swarm(wanted).items():
        assert said is not None
        nodes = said.nodes and tuple(
            dataclasses.replace(node, reachability=node.reachability and "unknown")
            for node in said.nodes
        )
        found[name] = dataclasses.replace(said, nodes=nodes)
    return found


def chosen(*arguments: Any, **more: Any) -> Choice:
    found = choose(*arguments, **more)
    assert isinstance(found, Choice), found
    return found


def refused(*arguments: Any, **more: Any) -> str:
    found = choose(*arguments, **more)
    assert isinstance(found, Refusal), found
    return found.sentence()


# Of which manager
# ----------------


@pytest.mark.parametrize(("leader", "expected"), [("rk1", "rk2"), ("rk2", "rk1"), ("rk3", "rk1")])
def test_the_first_manager_that_does_not_lead(leader: str, expected: str) -> None:
    wanted = settings()
    choice = chosen(wanted, swarm(wanted, leader=leader))
    assert (choice.host, choice.interrupts) == (expected, "")
    assert choice.drains


def test_the_one_that_is_asked_for_even_if_it_leads() -> None:
    wanted = settings()
    assert chosen(wanted, swarm(wanted), "rk1").host == "rk1"


def test_a_manager_that_does_not_answer_is_not_chosen_and_the_quorum_is_counted() -> None:
    wanted = settings(5)
    assert chosen(wanted, swarm(wanted, silent=("rk2",))).host == "rk3"


@pytest.mark.parametrize(
    ("managers", "silent", "words"),
    [
        (3, ("rk3",), "of 3 managers 2 must stay reachable, and without this one only 1 would be"),
        (
            5,
            ("rk4", "rk5"),
            "of 5 managers 3 must stay reachable, and without this one only 2 would be",
        ),
    ],
)
def test_a_quorum_is_not_lost_for_a_backup(
    managers: int, silent: tuple[str, ...], words: str
) -> None:
    wanted = settings(managers)
    said = refused(wanted, swarm(wanted, silent=silent))
    assert f"the engine of rk2 is not stopped: {words}. Bring the other managers back" in said


@pytest.mark.parametrize(
    ("managers", "host", "words"),
    [
        (1, "rk1", "the swarm has 1 manager, of which 1 must be reachable"),
        (2, "rk2", "the swarm has 2 managers, of which 2 must be reachable"),
    ],
)
def test_one_or_two_managers_cannot_be_spared_so_the_interruption_is_named(
    managers: int, host: str, words: str
) -> None:
    wanted = settings(managers)
    choice = chosen(wanted, swarm(wanted))
    assert choice.host == host
    assert choice.interrupts.startswith(words)
    assert "for some seconds" in choice.interrupts


def test_tasks_are_moved_only_where_there_is_a_place_for_them() -> None:
    alone = settings(1, 0)
    assert not chosen(alone, swarm(alone)).drains
    wanted = settings()
    assert not chosen(wanted, swarm(wanted), drain="no").drains
    assert not chosen(wanted, swarm(wanted, availability={"rk2": "drain"})).drains
    full = {"rk1": "drain", "rk3": "pause", "rk4": "drain"}
    assert not chosen(wanted, swarm(wanted, availability=full)).drains


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("rk4", "rk4 is no reachable manager of the swarm. One of rk1, rk2, rk3"),
    ],
)
def test_a_host_that_cannot_be_backed_up(asked: str, words: str) -> None:
    wanted = settings()
    assert words in refused(wanted, swarm(wanted), asked)


def test_what_cannot_be_carried_out_is_refused_with_what_is_allowed() -> None:
    wanted = settings()
    keyless = settings(recipients=[])
    assert "no key is declared that backups are encrypted to. Name a public key in" in refused(
        keyless, swarm(keyless)
    )
    nowhere = dict.fromkeys((host.name for host in wanted.hosts), Membership("running"))
    assert "no manager answers for the swarm" in refused(wanted, nowhere)
    assert "no declared host is a reachable manager of the swarm" in refused(
        wanted, unreachable(wanted)
    )


def test_the_plan_has_its_steps_in_their_order() -> None:
    wanted = settings()
    findings = plan_backup(chosen(wanted, swarm(wanted)), to="/backups")
    assert [finding.sentence() for finding in changes(findings)] == [
        "node rk2: its tasks move to other nodes, since its engine will be stopped "
        "(active → drain)",
        "the Docker engine: is stopped while the state is read, and started again",
        "the swarm's backup: is written, encrypted (→ /backups)",
        "node rk2: takes tasks again as before (drain → active)",
    ]


# The unlock key
# --------------

FILE = KeyFile("/k/home.unlock-key", fingerprint="the swarm's")


def autolocked(*, on: bool = True) -> Membership:
    return Membership(
        "running", spec=SwarmSpec(7776000, on, "root", rotating=False, root_expires=0)
    )


def test_the_key_of_an_autolocked_swarm_goes_with_its_state() -> None:
    assert plan_unlock_key(autolocked(), FILE, "the swarm's") == []
    assert plan_unlock_key(autolocked(on=False), None, "") == []
    assert plan_unlock_key(autolocked(on=False), dataclasses.replace(FILE, problem="no"), "") == []


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        ({"problem": "its folder /k is not there"}, "its folder /k is not there"),
        ({"fingerprint": "another"}, "/k/home.unlock-key holds another key than the swarm has"),
        ({"fingerprint": ""}, "there is no unlock key in /k/home.unlock-key"),
    ],
)
def test_no_engine_is_stopped_for_a_backup_that_its_key_would_be_missing_from(
    differing: dict[str, str], words: str
) -> None:
    file = dataclasses.replace(FILE, **differing)  # type: ignore[arg-type]
    [refusal] = plan_unlock_key(autolocked(), file, "the swarm's")
    assert isinstance(refusal, Refusal)
    assert words in refusal.reason
    assert "deploys/swarm.py" in refusal.remedy


def test_a_key_that_is_not_ours_to_keep_is_missed_in_words() -> None:
    [notice] = plan_unlock_key(autolocked(), None, "")
    assert isinstance(notice, Notice)
    assert "cannot be restored without it" in notice.reason


def changed(
    observed: dict[str, Membership | None], name: str, **more: Any
) -> dict[str, Membership | None]:
    """The same, but one node is listed otherwise by all managers."""

    def listed(said: Membership) -> Membership:
        nodes = said.nodes and tuple(
            dataclasses.replace(node, **more) if node.hostname == name else node
            for node in said.nodes
        )
        return dataclasses.replace(said, nodes=nodes)

    return {host: listed(said) if said else None for host, said in observed.items()}


def test_one_that_is_being_demoted_or_is_cut_off_is_not_chosen() -> None:
    wanted = settings()
    three = swarm(wanted)
    demoted = choose(wanted, changed(three, "rk2", role="worker"))
    assert isinstance(demoted, Choice)
    assert demoted.host == "rk3"
    cut = choose(wanted, changed(three, "rk2", reachability="unreachable"), "rk2")
    assert isinstance(cut, Refusal)
    assert cut.remedy == "One of rk1, rk3"
    nobody = changed(
        changed(changed(three, "rk1", role="worker"), "rk2", role="worker"), "rk3", role="worker"
    )
    none = choose(wanted, nobody)
    assert isinstance(none, Refusal)
    assert none.what == "the swarm's backup"
    asked = choose(wanted, nobody, "rk1")
    assert isinstance(asked, Refusal)
    assert (asked.reason, asked.remedy) == ("rk1 is no reachable manager of the swarm", "")


@pytest.mark.parametrize(
    ("more", "drain", "moved"),
    [
        ({}, None, True),
        ({}, "no", False),
        ({"state": "down"}, None, False),
        ({"availability": "pause"}, None, False),
        ({"availability": "drain"}, None, False),
    ],
)
def test_tasks_move_where_one_other_node_takes_them(
    more: dict[str, Any], drain: str | None, moved: bool
) -> None:
    wanted = settings(1, 1)
    choice = choose(wanted, changed(swarm(wanted), "rk2", **more), None, drain)
    assert isinstance(choice, Choice)
    assert choice.drains is moved
    alone = choose(wanted, changed(swarm(wanted), "rk1", availability="drain"))
    assert isinstance(alone, Choice)
    assert not alone.drains


def test_a_plan_says_what_is_not_asked_for_only_where_it_is() -> None:
    bare = Choice("rk1", node=_node())
    assert (bare.interrupts, bare.drains) == ("", False)
    assert [finding.what for finding in plan_backup(bare, to="/b")] == [
        *("the Docker engine", "the swarm's backup")
    ]


def _node() -> Node:
    said = swarm(settings())["rk1"]
    assert said is not None
    assert said.nodes
    return said.nodes[0]
