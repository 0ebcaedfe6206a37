"""The status: what it makes of the hosts' answers, and how it tells it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.backup import record_file
from pyinfra_swarm.backup.record import Written
from pyinfra_swarm.firewall.reached import who_reaches
from pyinfra_swarm.firewall.state import Host, Tables
from pyinfra_swarm.firewall.web_ranges import WebRanges
from pyinfra_swarm.host.resources import FileSystem, Resources
from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.nodes.membership import Service as Listed
from pyinfra_swarm.rolling.services import Replicas
from pyinfra_swarm.run.exit_code import exit_code
from pyinfra_swarm.status import asking
from pyinfra_swarm.status.seen import QUESTIONS, Firewall, Seen, seen
from pyinfra_swarm.status.summary import Backup, Status, newest, summary
from pyinfra_swarm.status.terminal import render
from tests.builders import declared, node

NOW = 1_800_000_000.0
GIB = 1 << 30
DISKS = (
    FileSystem("/", 60 * GIB, 20 * GIB, 37 * GIB),
    FileSystem("/var/lib/docker", 100 * GIB, 80 * GIB, 15 * GIB),
)
RESOURCES = Resources(memory=8 * GIB, available=6 * GIB, up=90_000.0, disks=DISKS)
LISTED = (node(1), node(2), node(3), node(4, role="worker"))
MESH = frozenset({(80, "tcp"), (8080, "udp")})
FIREWALL = Firewall(WebRanges({"ipv4": ("10.0.0.0/8",)}, age=7200), MESH, frozenset())
BARE = Firewall(WebRanges({}), frozenset(), frozenset())
WEB = Listed("web", ("net",), (80, 8080), ("tcp", "udp"))
WHOLE = {"web": Replicas("web", 4, 4, 0)}


def member(number: int, **more: Any) -> Membership:
    manager = number != 4
    return Membership(
        "running",
        state="active",
        node=f"node{number}",
        manager=manager,
        nodes=LISTED if manager else None,
        certificate_expires=NOW + 30.5 * 86_400,
        in_ingress=True,
        **more,
    )


def answers(**differing: Seen) -> dict[str, Seen]:
    """What four hosts in a swarm with one service say."""
    said = {
        f"rk{number}": Seen(
            membership=member(number),
            resources=RESOURCES,
            firewall=FIREWALL,
            replicas=tuple(WHOLE.values()) if number != 4 else (),
            services=(WEB,) if number != 4 else (),
        )
        for number in (1, 2, 3, 4)
    }
    return {**said, **differing}


def status(settings: Any = None, **differing: Seen) -> Status:
    return summary(settings or declared(), answers(**differing), at=NOW)


def code(found: Status) -> int:
    return exit_code(looked=found.heard, differs=found.unwell, complete=found.complete)


# What is made of it
# ------------------


def test_a_cluster_that_is_well() -> None:
    found = status()
    assert [one.name for one in found.nodes] == ["rk1", "rk2", "rk3", "rk4"]
    first = found.nodes[0]
    assert (first.role, first.leader, first.state) == ("manager", True, "ready")
    assert (first.availability, first.engine) == ("active", "28.5.2")
    assert (first.disk, first.disk_total) == (85, 100 * GIB)  # the fullest: 80 of 95
    assert (first.memory, first.memory_used) == (8 * GIB, 2 * GIB)
    assert (first.certificate_days, first.ranges_age) == (30, 7200)
    assert found.quorum == {"managers": 3, "reachable": 3, "needed": 2, "margin": 1}
    assert (found.heard, found.complete, found.unwell) == (True, True, False)
    assert code(found) == 0


def test_a_silent_host_hides_no_other() -> None:
    found = status(rk4=Seen(silent="Could not connect (timed out)"))
    assert [one.state for one in found.nodes] == ["ready"] * 4  # as the managers say
    assert found.nodes[3].silent == "Could not connect (timed out)"
    assert found.nodes[3].disk is None
    assert found.services
    assert found.heard
    assert not found.complete
    assert code(found) == 1


def test_a_host_that_answers_half_is_not_taken_for_whole() -> None:
    found = status(rk2=replace(answers()["rk2"], resources=None))
    assert found.nodes[1].silent == "it did not answer every question"
    assert code(found) == 1


def test_a_service_that_lacks_tasks_is_told() -> None:
    lacking = replace(answers()["rk1"], replicas=(Replicas("web", 4, 3, 1),))
    found = status(rk1=lacking)
    assert found.services is not None
    assert not found.services[0].complete
    assert code(found) == 2
    assert "3/4 (1 without a node)" in render(found)
    why = "  web lacks tasks: `docker service ps --no-trunc web` on a manager says why\n"
    assert render(found).count(why) == 1
    assert "lacks tasks" not in render(status())


def test_a_node_that_does_not_answer_at_a_port_is_told() -> None:
    """Docker 29.7.2 has been seen to forget its rule on three nodes of four."""
    without = replace(FIREWALL, mesh_ports=frozenset({(80, "tcp")}))
    lacking = {f"rk{n}": replace(answers()[f"rk{n}"], firewall=without) for n in (2, 3, 4)}
    found = status(**lacking)
    assert found.services is not None
    assert [port.lacking for port in found.services[0].ports] == [(), ("rk2", "rk3", "rk4")]
    assert code(found) == 2
    assert "web: 8080/udp does not answer at rk2–rk4" in render(found)


def test_what_containers_publish_past_the_mesh_is_told() -> None:
    own = replace(FIREWALL, container_ports=frozenset({(80, "tcp"), (5432, "tcp")}))
    found = status(rk1=replace(answers()["rk1"], firewall=own))
    assert [(one.port.number, one.hosts) for one in found.on_hosts] == [
        (80, ("rk1",)),
        (5432, ("rk1",)),
    ]
    rows = [line.split() for line in render(found).splitlines()]
    assert ["on", "rk1", "alone", "-", "5432/tcp", "nobody", "outside"] in rows
    assert not found.unwell


def test_a_node_that_is_not_ready_is_told() -> None:
    down = (*LISTED[:3], node(4, role="worker", state="down"))
    said = {
        f"rk{n}": replace(answers()[f"rk{n}"], membership=replace(member(n), nodes=down))
        for n in (1, 2, 3)
    }
    found = status(**said)
    assert found.nodes[3].state == "down"
    assert code(found) == 2


def test_a_node_that_is_not_declared_is_told() -> None:
    more = (*LISTED, node(9, role="worker", hostname="stray"))
    said = {
        f"rk{n}": replace(answers()[f"rk{n}"], membership=replace(member(n), nodes=more))
        for n in (1, 2, 3)
    }
    found = status(**said)
    assert [(one.name, one.declared) for one in found.nodes][-1] == ("stray", False)
    assert "stray: a node that is not declared" in render(found)
    assert code(found) == 2


@pytest.mark.parametrize(
    ("own", "state"),
    [
        (None, "no answer"),
        (Membership("absent"), "no engine"),
        (Membership("stopped"), "no engine"),
        (Membership("unreachable: x"), "unknown"),
        (Membership("running"), "not in the swarm"),
        (Membership("running", state="locked"), "unknown"),
    ],
)
def test_before_there_is_a_swarm_a_host_says_what_it_is(own: Membership | None, state: str) -> None:
    fresh = Seen(membership=own, resources=RESOURCES, firewall=BARE)
    found = status(**{f"rk{n}": fresh for n in (1, 2, 3, 4)})
    assert {one.state for one in found.nodes} == {state}
    assert found.services is None
    assert code(found) in (1, 2)
    assert "no manager answers for the swarm" in render(found)


def test_a_job_has_no_number_of_tasks_to_lack() -> None:
    found = status(rk1=replace(answers()["rk1"], replicas=()))
    assert found.services is not None
    assert found.services[0].complete
    assert "a job" in render(found)


def test_a_lost_quorum_is_told() -> None:
    lost = tuple(
        replace(one, reachability="unreachable", state="down")
        if one.id in ("node2", "node3")
        else one
        for one in LISTED
    )
    found = status(rk1=replace(answers()["rk1"], membership=replace(member(1), nodes=lost)))
    assert found.quorum["margin"] < 0
    assert found.unwell
    assert "the quorum is lost" in render(found)


def test_only_hosts_that_were_asked_are_told() -> None:
    asked = {name: one for name, one in answers().items() if name != "rk4"}
    found = summary(declared(), asked, at=NOW)
    assert [node.name for node in found.nodes] == ["rk1", "rk2", "rk3"]


def test_before_there_is_a_swarm_the_declared_role_is_told() -> None:
    fresh = Seen(membership=Membership("absent"), resources=RESOURCES, firewall=BARE)
    found = status(**{f"rk{n}": fresh for n in (1, 2, 3, 4)})
    assert [node.role for node in found.nodes] == ["manager"] * 3 + ["worker"]
    assert {(node.availability, node.engine, node.silent) for node in found.nodes} == {("", "", "")}


def test_the_managers_say_what_a_node_is() -> None:
    demoted = (*LISTED[:2], node(3, role="worker"), LISTED[3], node(9, role="worker", hostname="x"))
    said = {
        f"rk{n}": replace(answers()[f"rk{n}"], membership=replace(member(n), nodes=demoted))
        for n in (1, 2)
    }
    found = status(**said).nodes
    assert [one.role for one in found] == ["manager", "manager", "worker", "worker", "worker"]
    assert [one.silent for one in found] == [""] * 5
    assert [one.declared for one in found] == [True] * 4 + [False]


@pytest.mark.parametrize("lacking", ["services", "replicas"])
def test_services_that_nobody_names_are_not_taken_for_none(lacking: str) -> None:
    more: dict[str, Any] = {lacking: None}
    found = status(rk1=replace(answers()["rk1"], **more))
    assert found.services is None
    assert not found.complete
    assert "Services: not known" in render(found)


def test_one_service_of_two_is_told_and_they_stand_in_order() -> None:
    two = replace(
        answers()["rk1"],
        services=(WEB, Listed("api", (), ())),
        replicas=(WHOLE["web"], Replicas("api", 2, 1, 0)),
    )
    found = status(rk1=two)
    assert found.services is not None
    assert [one.name for one in found.services] == ["api", "web"]
    assert [one.stuck for one in found.services] == [0, 0]
    assert found.unwell


def test_a_silent_node_that_is_down_is_unknown_and_not_unwell() -> None:
    down = (*LISTED[:3], node(4, role="worker", state="down"))
    said = {
        f"rk{n}": replace(answers()[f"rk{n}"], membership=replace(member(n), nodes=down))
        for n in (1, 2, 3)
    }
    found = status(**said, rk4=Seen(silent="gone"))
    assert not found.unwell
    assert code(found) == 1


def test_managers_of_which_none_may_fail_are_no_lost_quorum() -> None:
    two = tuple(node(n, role="manager" if n < 3 else "worker") for n in (1, 2, 3, 4))
    said = {
        f"rk{n}": replace(answers()[f"rk{n}"], membership=replace(member(n), nodes=two))
        for n in (1, 2)
    }
    found = status(declared(managers=2, workers=2), **said)
    assert found.quorum["margin"] == 0
    assert not found.unwell
    assert "none more may fail" in render(found)


def test_a_host_without_file_systems_has_no_disk_to_tell() -> None:
    bare = replace(answers()["rk1"], resources=replace(RESOURCES, disks=()))
    assert status(rk1=bare).nodes[0].disk is None
    assert newest([]) is None


# Who reaches a port
# ------------------


@pytest.mark.parametrize(
    ("firewall", "port", "protocol", "who"),
    [
        ({}, 80, "tcp", ("Cloudflare",)),
        ({}, 80, "udp", ("nobody outside",)),
        ({}, 8080, "tcp", ("nobody outside",)),
        ({"web": "open"}, 443, "tcp", ("everybody",)),
        ({"web": "closed"}, 443, "tcp", ("nobody outside",)),
        (
            {"web": "closed", "open": [{"port": 443, "sources": ["203.0.113.10", "2001:db8::1"]}]},
            *(443, "tcp", ("203.0.113.10", "2001:db8::1")),
        ),
        ({"web": "listed", "web_sources": ["10.1.0.0/16"]}, 80, "tcp", ("10.1.0.0/16",)),
        ({"open": [{"port": "8000-8010"}]}, 8010, "tcp", ("everybody",)),
        ({"open": [{"port": "8000-8010"}]}, 8011, "tcp", ("nobody outside",)),
        ({"open": [{"port": 53, "protocol": "udp"}]}, 53, "tcp", ("nobody outside",)),
        (
            {"open": [{"port": 80, "sources": ["cluster", "192.168.1.0/24"]}]},
            *(80, "tcp", ("Cloudflare", "the hosts", "192.168.1.0/24")),
        ),
        ({"open": [{"port": 80, "sources": []}]}, 80, "tcp", ("everybody",)),
        (
            {"web": "closed", "open": [{"port": 9000, "sources": ["vpn"]}]},
            *(9000, "tcp", ("the VPN",)),
        ),
        ({"enabled": False}, 8080, "tcp", ("everybody (firewall.enabled = false)",)),
    ],
)
def test_who_reaches_a_port(
    firewall: dict[str, Any], port: int, protocol: str, who: tuple[str, ...]
) -> None:
    access = {"vpn": "tailscale"} if "vpn" in str(firewall) else {}
    assert who_reaches(declared(firewall=firewall, access=access), port, protocol) == who


def test_whoever_comes_through_the_vpn_where_that_is_declared() -> None:
    opened = {"open": [{"port": 9000, "sources": ["vpn"]}]}
    some = declared(access={"vpn": "netbird"}, firewall=opened)
    assert who_reaches(some, 9000, "tcp") == ("the VPN",)
    assert who_reaches(some, 9001, "tcp") == ("nobody outside",)
    everything = declared(access={"vpn": "netbird", "vpn_reaches": "everything"})
    assert who_reaches(everything, 9001, "tcp") == ("the VPN",)


# How it is told
# --------------


def test_the_screen() -> None:
    found = replace(status(), backup=Backup(int(NOW) - 3 * 86_400, "rk1", "home.age"))
    assert render(found).splitlines() == [
        'Cluster "home": 4 of 4 nodes ready; 3 of 3 managers reachable, 1 more may fail',
        "",
        f"  node  role      state  availability  engine  {'disk':<11}  memory       certificate  "
        "ranges",
        *(
            f"  rk{n}   {role:<8}  ready  active        28.5.2  85% of 100G  25% of 8.0G  "
            "30 days      2 hours"
            for n, role in ((1, "manager*"), (2, "manager"), (3, "manager"), (4, "worker"))
        ),
        "",
        "  service  tasks  port      reached by",
        "  web      4/4    80/tcp    Cloudflare",
        "                  8080/udp  nobody outside",
        "",
        "Last backup: 3 days ago (2027-01-12 08:00 UTC), of rk1: home.age",
    ]


def test_forty_nodes_and_thirty_services_stay_lines() -> None:
    settings = declared(managers=3, workers=37)
    nodes = tuple(node(n, role="manager" if n < 4 else "worker") for n in range(1, 41))
    quiet = tuple(Listed(f"s{n}", (), ()) for n in range(30))
    replicas = tuple(Replicas(one.name, 2, 2, 0) for one in quiet)
    said = {
        f"rk{n}": Seen(
            replace(member(n if n < 4 else 4), node=f"node{n}", nodes=nodes if n < 4 else None),
            RESOURCES,
            BARE,
            replicas,
            quiet,
        )
        for n in range(1, 41)
    }
    text = render(summary(settings, said, at=NOW))
    assert len(text.splitlines()) <= 47
    assert "30 services without published ports, complete" in text


def test_heat_is_shown_where_a_host_knows_it() -> None:
    hot = replace(answers()["rk1"], resources=replace(RESOURCES, celsius=61.4))
    assert "°C" in render(status(rk1=hot))
    assert "  61  " in render(status(rk1=hot))


def test_what_is_not_known_of_backups_is_said() -> None:
    assert "none that this computer has written" in render(status())
    assert "not known: others" in render(replace(status(), backup_unknown="others can write"))
    assert newest([Backup(1, "a", "a"), Backup(3, "c", "c"), Backup(2, "b", "b")]) == Backup(
        3, "c", "c"
    )


def test_the_last_backup_is_of_this_very_swarm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    of_all = (("old", "a", "home"), ("lab", "b", "home"), ("before a rename", "a", "other"))
    for file, swarm, cluster in of_all:
        record_file.add(Written("0" * 64, 1, file, swarm, cluster, "rk1", int(NOW) + len(file)))
    record_file.add(Written("0" * 64, 1, "newer", "b", "home", "rk1", int(NOW) + 9))
    assert asking.last_backup("home", "a") == Backup(int(NOW) + 15, "rk1", "before a rename")
    assert asking.last_backup("home", "c") is None
    said = answers(rk1=Seen(member(1, cluster="a")))
    monkeypatch.setattr(asking, "ask", lambda *_, **__: said)
    shown = asking.status(declared(), "", limit=(), timeout=1, verbose=False)
    assert shown.backup == asking.last_backup("home", "a")
    unknown = asking.last_backup("home", "")
    assert unknown == Backup(int(NOW) + 9, "rk1", "newer", compared=False)
    assert "(matched by the cluster's name only: no manager answers for the swarm, so" in render(
        replace(status(), backup=unknown)
    )


def test_which_swarm_it_is_the_acting_manager_says() -> None:
    one, other = (Seen(member(number, cluster=f"swarm{number}")) for number in (1, 2))
    assert asking.swarm_of(declared(), answers(rk1=one, rk2=other)) == "swarm1"
    assert asking.swarm_of(declared(), answers(rk1=Seen(silent="gone"), rk2=other)) == "swarm2"
    assert asking.swarm_of(declared(), {"rk4": Seen(member(4))}) == ""


def test_programs_get_all_of_it() -> None:
    backup = Backup(int(NOW), "rk1", "home.age")
    known = summary(declared(), answers(), at=NOW, source="a.toml", backup=backup)
    assert (known.source, known.backup, known.backup_unknown) == ("a.toml", backup, "")
    unknown = summary(declared(), answers(), at=NOW, backup_unknown="why")
    assert (unknown.source, unknown.backup_unknown) == ("", "why")
    told = json.loads(json.dumps(status().to_json()))
    assert (told["version"], told["unwell"], told["complete"]) == (1, False, True)
    assert told["services"][0]["ports"][1] == {
        "number": 8080,
        "protocol": "udp",
        "reached_by": ["nobody outside"],
        "lacking": [],
    }


# What the hosts say
# ------------------


def as_a_fact(told: Firewall) -> dict[str, Any]:
    host = Host(
        {"ipv4": Tables(), "ipv6": Tables()},
        web=told.ranges,
        mesh_ports=told.mesh_ports,
        container_ports=told.container_ports,
    )
    return host.to_json()


def as_printed(said: dict[str, Seen]) -> dict[str, dict[str, Any]]:
    """As pyinfra prints it: by fact and host."""
    printed: dict[str, dict[str, Any]] = json.loads(
        json.dumps(
            {
                fact: {
                    host: [asdict(each) for each in value]
                    if isinstance(value := getattr(one, field), tuple)
                    else as_a_fact(value)
                    if isinstance(value, Firewall)
                    else asdict(value)
                    for host, one in said.items()
                    if getattr(one, field) is not None
                }
                for field, (fact, _) in QUESTIONS.items()
            }
        )
    )
    return printed


def test_answers_are_read_back_as_the_values_that_they_were() -> None:
    said = answers(rk4=Seen(silent="gone"))
    printed = as_printed(said)
    assert seen(tuple(said), printed, {"rk4": "gone"}) == said


@pytest.mark.parametrize("odd", [None, "x", 3, [], {"engine": 3}, [{"name": 1}], {"memory": "x"}])
def test_an_answer_that_is_none_is_no_answer(odd: Any) -> None:
    printed = {fact: {"rk1": odd} for fact, _ in QUESTIONS.values()}
    one = seen(("rk1",), printed, {})["rk1"]
    assert (one.membership, one.resources, one.firewall) == (None, None, None)
    assert not one.whole


def test_the_facts_that_are_asked_are_there() -> None:
    import importlib

    for fact, _ in QUESTIONS.values():
        module, _, name = fact.rpartition(".")
        assert getattr(importlib.import_module(module), name).name == fact


def test_the_last_words_of_a_run_that_asked_nobody() -> None:
    log = "--> Loading config...\n--> The settings cannot be used: 1 problem\n\nhosts\n    none\n"
    assert asking._last_words(log) == ("The settings cannot be used: 1 problem\nhosts\n    none")
