"""A reset: what it ends, in which order hosts leave, what goes and what stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cluster.access import SUDOERS
from cluster.docker import DAEMON_JSON, KEYRING, SOURCES
from cluster.findings import Change, Notice, Refusal
from cluster.membership import Membership
from cluster.reset import (
    GUARD,
    UNREAD,
    Traces,
    consequence,
    plan_file,
    plan_guard,
    plan_leaving,
    plan_limit,
    plan_settings,
    plan_strangers,
    stays,
    taken_apart,
)
from cluster.sshd import DROP_IN
from facts.traces import Left
from tests.answers import sections
from tests.unit.test_swarm_plan import (
    ABSENT,
    CONVERGED,
    FRESH,
    SETTINGS,
    SILENT,
    STOPPED,
    node,
    nodes_of,
    swarm,
)

RK1, RK2, RK3, RK4 = SETTINGS.hosts
FULL = Traces(
    files=(DAEMON_JSON, SOURCES, KEYRING, DROP_IN, SUDOERS, *GUARD),
    held=("docker-ce",),
    installed=("docker-ce", "containerd.io"),
)
CLEAN = Traces((), (), ())


def leaving(turn: str) -> list[str]:
    return [h.name for h in SETTINGS.hosts if plan_leaving(SETTINGS, CONVERGED, h, turn=turn)]


def test_workers_leave_then_managers_and_the_leader_last() -> None:
    assert leaving("workers") == ["rk4"]
    assert leaving("managers") == ["rk2", "rk3"]
    assert leaving("last") == ["rk1"]


def test_who_is_left_without_a_quorum_leaves_as_well() -> None:
    down = [node(n, state="down", reachability="unreachable", leader=False) for n in (1, 2)]
    left = {**swarm([*down, node(3, leader=True)]), "rk1": FRESH, "rk2": FRESH}
    assert not plan_leaving(SETTINGS, left, RK3, turn="managers")
    [change] = plan_leaving(SETTINGS, left, RK3, turn="last")
    assert "this host leaves it (a manager → in none)" in change.sentence()


@pytest.mark.parametrize("own", [FRESH, ABSENT, SILENT])
def test_a_host_in_no_swarm_has_nothing_to_leave(own: Membership | None) -> None:
    for turn in ("workers", "managers", "last"):
        assert plan_leaving(SETTINGS, {**CONVERGED, "rk4": own}, RK4, turn=turn) == []


def test_a_host_whose_engine_is_stopped_may_still_be_in_it() -> None:
    [refusal] = plan_leaving(SETTINGS, {**CONVERGED, "rk4": STOPPED}, RK4, turn="workers")
    assert isinstance(refusal, Refusal)
    assert "Docker is stopped on this host, so it cannot leave" in refusal.sentence()
    assert "systemctl start docker" in refusal.sentence()


def test_what_is_lost_is_said_by_name() -> None:
    words = consequence(["rk1", "rk2"], ["web", "db"])
    assert "the swarm of rk1 and rk2 ends with the services db and web" in words
    assert "volumes stay" in words


def test_the_question_speaks_of_the_hosts_that_are_reset() -> None:
    assert taken_apart(SETTINGS, ["rk4"], "") == (
        "rk4 of cluster home is taken apart: what was set on rk4 goes (firewall, SSH, updates, "
        "Docker)"
    )
    everybody = [host.name for host in SETTINGS.hosts]
    words = taken_apart(SETTINGS, everybody, "the swarm ends")
    assert words.startswith("cluster home is taken apart: the swarm ends; what was set on rk1, ")


@pytest.mark.parametrize("among", [["rk4"], ["rk1", "rk2", "rk3"]])
def test_a_swarm_is_not_ended_by_halves(among: list[str]) -> None:
    [refusal] = plan_limit(CONVERGED, among)
    assert isinstance(refusal, Refusal)
    left_out = "rk1, rk2 and rk3" if among == ["rk4"] else "rk4"
    assert f"leaves out {left_out}: a reset ends the swarm of all of them" in refusal.sentence()


def test_a_host_that_has_left_the_swarm_is_reset_alone() -> None:
    assert plan_limit({**CONVERGED, "rk4": FRESH}, ["rk4"]) == []
    assert plan_limit(CONVERGED, ["rk1", "rk2", "rk3", "rk4"]) == []
    assert plan_limit({**CONVERGED, "rk4": SILENT}, ["rk1", "rk2", "rk3"]) == []


def test_who_cannot_be_asked_to_leave_is_told() -> None:
    nodes = [*nodes_of(SETTINGS), node(9, "worker", hostname="old")]
    said = {name: own for name, own in swarm(nodes).items() if name != "rk9"}
    del said["old"]
    [notice] = plan_strangers(SETTINGS, said)
    assert "node old: is in the swarm, and cannot be asked to leave it" in notice.sentence()
    assert "docker swarm leave --force" in notice.sentence()


def test_docker_stays_with_its_updates_unless_asked_otherwise() -> None:
    found = [finding.what for finding in plan_settings(FULL, purge=False)]
    assert found == [DAEMON_JSON, "Docker's packages"]
    [notice] = stays(FULL, purge=False)
    assert isinstance(notice, Notice)
    assert "--data purge=docker" in notice.sentence()


def test_docker_that_was_not_restarted_yet_is_something_to_reset() -> None:
    """A run that ended between the removal of its settings and its restart is finished."""
    left = Traces((UNREAD,), (), ("docker-ce",))
    assert left.goes(purge=False)
    [change] = plan_settings(left, purge=False)
    assert "has not been restarted without our settings yet" in change.sentence()


def test_docker_goes_when_asked_for_and_its_data_stay() -> None:
    found = plan_settings(FULL, purge=True)
    assert [finding.what for finding in found] == [DAEMON_JSON, SOURCES, KEYRING, "Docker"]
    assert "its data in /var/lib/docker stay" in found[-1].sentence()
    assert stays(FULL, purge=True) == []


def test_the_guard_goes_when_nothing_is_left_for_it() -> None:
    assert plan_guard(FULL, [DROP_IN]) == []
    [change] = plan_guard(FULL, [])
    assert isinstance(change, Change)


def test_on_a_clean_host_there_is_nothing_to_do() -> None:
    for purge in (False, True):
        assert not CLEAN.goes(purge=purge)
        assert plan_settings(CLEAN, purge=purge) == []
    assert plan_file(CLEAN, DROP_IN) == plan_guard(CLEAN, []) == stays(CLEAN, purge=False) == []


def test_dockers_own_repository_alone_is_nothing_to_reset() -> None:
    left = Traces((SOURCES, KEYRING), (), ("docker-ce",))
    assert not left.goes(purge=False)
    assert left.goes(purge=True)
    assert replace(left, held=("docker-ce",)).goes(purge=False)


def test_what_is_left_on_a_host_is_read() -> None:
    said = [
        "",
        "#> files",
        DROP_IN,
        "",
        "#> packages",
        "docker-ce installed hold",
        "containerd.io installed install",
        "docker-buildx-plugin config-files deinstall",
    ]
    assert Left().parse(sections(said)) == Traces(
        (DROP_IN,), ("docker-ce",), ("docker-ce", "containerd.io")
    )
    assert Left().parse(sections(["#> files", "#> packages"])) == CLEAN
