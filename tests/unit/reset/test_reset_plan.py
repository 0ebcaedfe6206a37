"""A reset: what it ends, in which order hosts leave, what goes and what stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.access.plan import SUDOERS
from pyinfra_swarm.docker.paths import DAEMON_JSON, KEYRING, SOURCES, UNIT_DROP_IN
from pyinfra_swarm.firewall.paths import SCRIPT
from pyinfra_swarm.floating_address import paths as floating_address
from pyinfra_swarm.nodes.membership import Membership
from pyinfra_swarm.removal.steps import Leave
from pyinfra_swarm.reset.facts import Files
from pyinfra_swarm.reset.plan import (
    DOCKER_SETTINGS,
    NOT_RESTARTED,
    WATCHED,
    Managed,
    RemoveDocker,
    RemoveFile,
    Turn,
    Unhold,
    consequence,
    plan_file,
    plan_kept,
    plan_leaving,
    plan_limit,
    plan_rollback,
    plan_settings,
    plan_undeclared,
    taken_apart,
)
from pyinfra_swarm.rollback.plan import FILES as ROLLBACK
from pyinfra_swarm.run.findings import Change, Notice, Refusal
from pyinfra_swarm.ssh.sshd import DROP_IN
from pyinfra_swarm.updates.plan import CONFIGURATION
from tests.builders import (
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
from tests.tools.answers import sections

RK1, RK2, RK3, RK4 = SETTINGS.hosts
FULL = Managed(
    files=(DAEMON_JSON, SOURCES, KEYRING, DROP_IN, SUDOERS, *ROLLBACK),
    held=("docker-ce",),
    installed=("docker-ce", "containerd.io"),
)
CLEAN = Managed((), (), ())


def leaving(turn: Turn) -> list[str]:
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
    assert (
        "Docker is stopped on this host, so the host cannot leave the swarm" in refusal.sentence()
    )
    assert "`sudo systemctl start docker`" in refusal.sentence()
    hangs = Membership("unreachable: curl: (28) timed out")
    [refusal] = plan_leaving(SETTINGS, {**CONVERGED, "rk4": hangs}, RK4, turn="workers")
    assert refusal.sentence() == (
        "the swarm: Docker does not answer on this host (curl: (28) timed out), so the host "
        "cannot leave the swarm. Restart it (`sudo systemctl restart docker`), and run again"
    )


def test_what_is_lost_is_said_by_name() -> None:
    words = consequence(["rk1", "rk2"], ["web", "db"])
    assert "the swarm of rk1 and rk2 ends with the services db and web" in words
    assert "volumes stay" in words


def test_the_question_speaks_of_the_hosts_that_are_reset() -> None:
    assert taken_apart(SETTINGS, ["rk4"], "") == (
        "rk4 of cluster home is taken apart: the settings on rk4 are removed (firewall, SSH, "
        "updates, Docker)"
    )
    everybody = [host.name for host in SETTINGS.hosts]
    words = taken_apart(SETTINGS, everybody, "the swarm ends")
    assert words.startswith("cluster home is taken apart: the swarm ends; the settings on rk1, ")


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
    [notice] = plan_undeclared(SETTINGS, said)
    assert "node old: is in the swarm, and cannot be asked to leave it" in notice.sentence()
    assert "docker swarm leave --force" in notice.sentence()


def test_docker_stays_with_its_updates_unless_asked_otherwise() -> None:
    found = [finding.what for finding in plan_settings(FULL, purge=False)]
    assert found == [DAEMON_JSON, "Docker's packages"]
    [notice] = plan_kept(FULL, purge=False)
    assert isinstance(notice, Notice)
    assert "--data purge=docker" in notice.sentence()


def test_docker_that_was_not_restarted_yet_is_something_to_reset() -> None:
    """A run that ended between the removal of its settings and its restart is finished."""
    left = Managed((NOT_RESTARTED,), (), ("docker-ce",))
    assert left.removable(purge=False)
    [change] = plan_settings(left, purge=False)
    assert "has not been restarted without these settings yet" in change.sentence()


def test_docker_goes_when_asked_for_and_its_data_stay() -> None:
    found = plan_settings(FULL, purge=True)
    assert [finding.what for finding in found] == [DAEMON_JSON, SOURCES, KEYRING, "Docker"]
    assert "its data in /var/lib/docker stay" in found[-1].sentence()
    assert plan_kept(FULL, purge=True) == []


def test_the_rollback_goes_when_nothing_is_left_for_it() -> None:
    assert plan_rollback(FULL) == []
    [change] = plan_rollback(replace(FULL, files=(SOURCES, KEYRING, *ROLLBACK)))
    assert isinstance(change, Change)


def test_on_a_clean_host_there_is_nothing_to_do() -> None:
    for purge in (False, True):
        assert not CLEAN.removable(purge=purge)
        assert plan_settings(CLEAN, purge=purge) == []
    assert plan_file(CLEAN, DROP_IN) == plan_rollback(CLEAN) == plan_kept(CLEAN, purge=False) == []


def test_dockers_own_repository_alone_is_nothing_to_reset() -> None:
    left = Managed((SOURCES, KEYRING), (), ("docker-ce",))
    assert not left.removable(purge=False)
    assert left.removable(purge=True)
    assert replace(left, held=("docker-ce",)).removable(purge=False)


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
    assert Files().parse(sections(said)) == Managed(
        (DROP_IN,), ("docker-ce",), ("docker-ce", "containerd.io")
    )
    assert Files().parse(sections(["#> files", "#> packages"])) == CLEAN
    waiting = ["#> unconfirmed", "#> files", "#> packages"]
    assert Files().parse(sections(waiting)) == replace(CLEAN, unconfirmed=True)


# At the limits
# -------------


def test_every_managed_file_is_looked_for() -> None:
    assert NOT_RESTARTED == "/etc/docker/daemon.json.removed"
    assert set(DOCKER_SETTINGS) == {DAEMON_JSON, UNIT_DROP_IN, NOT_RESTARTED}
    assert {*DOCKER_SETTINGS, SOURCES, KEYRING, CONFIGURATION, DROP_IN, SUDOERS, *ROLLBACK} < set(
        WATCHED
    )


def test_a_file_of_any_room_goes_by_itself() -> None:
    """But for those that have a step of their own."""
    own = {SOURCES, KEYRING, DROP_IN, SUDOERS, SCRIPT, *ROLLBACK, *floating_address.FILES}
    for path in {*WATCHED} - own:
        [change] = plan_settings(replace(CLEAN, files=(path,)), purge=False)
        assert change.what == path
    for path in own:
        assert plan_settings(replace(CLEAN, files=(path,)), purge=False) == []


@pytest.mark.parametrize("path", [DAEMON_JSON, UNIT_DROP_IN, NOT_RESTARTED, CONFIGURATION])
def test_each_file_goes_where_it_is(path: str) -> None:
    for purge in (False, True):
        [change] = plan_settings(replace(CLEAN, files=(path,)), purge=purge)
        assert isinstance(change, Change)
        assert change.what == path
        assert replace(CLEAN, files=(path,)).removable(purge=purge)


@pytest.mark.parametrize("path", [SOURCES, KEYRING])
def test_dockers_repository_goes_with_docker_only(path: str) -> None:
    alone = replace(CLEAN, files=(path,))
    assert plan_settings(alone, purge=False) == []
    assert not alone.removable(purge=False)
    assert [change.what for change in plan_settings(alone, purge=True)] == [path]
    assert alone.removable(purge=True)


def test_packages_that_are_held_are_freed_or_removed() -> None:
    held = Managed((), ("docker-ce", "containerd.io"), ("docker-ce", "containerd.io"))
    [freed] = plan_settings(held, purge=False)
    assert freed.found == "docker-ce, containerd.io held"
    [removed] = plan_settings(held, purge=True)
    assert (removed.what, removed.found) == ("Docker", "docker-ce, containerd.io")
    installed = replace(held, held=())
    assert plan_settings(installed, purge=False) == []
    assert not installed.removable(purge=False)
    assert installed.removable(purge=True)
    assert held.removable(purge=False)
    odd = replace(held, installed=())
    assert [change.what for change in plan_settings(odd, purge=True)] == ["Docker's packages"]


def test_docker_stays_only_where_it_is() -> None:
    assert plan_kept(CLEAN, purge=False) == []
    [notice] = plan_kept(FULL, purge=False)
    assert isinstance(notice, Notice)
    assert plan_kept(FULL, purge=True) == []


@pytest.mark.parametrize("path", [DROP_IN, SUDOERS])
def test_a_file_that_could_lock_the_owner_out_goes_with_what_that_means(path: str) -> None:
    [change] = plan_file(FULL, path)
    assert (change.what, change.expected) == (path, "gone")
    assert plan_file(CLEAN, path) == []


def test_the_rollback_stays_as_long_as_anything_does() -> None:
    [change] = plan_rollback(replace(CLEAN, files=ROLLBACK[:1]))
    assert change.what == "rollback"
    assert plan_rollback(replace(CLEAN, files=(*ROLLBACK, SUDOERS))) == []
    assert plan_rollback(replace(CLEAN, files=(DROP_IN,))) == []


def test_the_plan_says_by_its_type_what_is_removed_and_whether_docker_restarts() -> None:
    [remove, unhold] = plan_settings(FULL, purge=False)
    assert isinstance(remove, RemoveFile)
    assert (remove.path, remove.restart) == (DAEMON_JSON, True)
    assert isinstance(unhold, Unhold)
    [*files, docker] = plan_settings(FULL, purge=True)
    assert isinstance(docker, RemoveDocker)
    assert docker.held == unhold.held == ("docker-ce",)
    assert [file.restart for file in files if isinstance(file, RemoveFile)] == [False] * 3
    [alone] = plan_settings(Managed((DAEMON_JSON,), (), ()), purge=False)
    assert isinstance(alone, RemoveFile)
    assert not alone.restart, "no Docker runs that could have read it"
    [apt] = plan_settings(Managed((CONFIGURATION,), (), ("docker-ce",)), purge=False)
    assert isinstance(apt, RemoveFile)
    assert not apt.restart, "it is apt's"


def test_services_and_hosts_are_told_in_their_order() -> None:
    assert "with the services db and web;" in consequence(["rk1"], ("web", "db"))
    assert "ends without services;" in consequence(["rk1"], ())
    names = [host.name for host in SETTINGS.hosts]
    assert taken_apart(SETTINGS, names, "").startswith(
        "cluster home is taken apart: the settings on"
    )
    some = taken_apart(SETTINGS, names[:3], "the swarm ends")
    assert some.startswith("rk1, rk2 and rk3 of cluster home are taken apart: the swarm ends; the")
    assert taken_apart(SETTINGS, names[:1], "").startswith("rk1 of cluster home is taken apart")


def test_hosts_that_say_nothing_or_are_in_no_swarm_hold_up_no_limit() -> None:
    observed = {**CONVERGED, "rk2": SILENT, "rk3": FRESH}
    assert plan_limit(observed, ["rk1", "rk4"]) == []
    [refusal] = plan_limit(observed, ["rk1", "rk2"])
    assert "leaves out rk4:" in refusal.reason
    assert plan_limit(observed, ["rk2", "rk3"]) == []


@pytest.mark.parametrize(
    ("own", "refused"),
    [(STOPPED, True), (Membership("unreachable: x"), True), (ABSENT, False), (FRESH, False)],
)
def test_who_cannot_leave_is_told_in_every_turn(own: Membership, refused: bool) -> None:
    for turn in ("workers", "managers", "last"):
        found = plan_leaving(SETTINGS, {**CONVERGED, "rk4": own}, RK4, turn=turn)
        assert [type(finding) for finding in found] == [Refusal] * refused
    assert plan_leaving(SETTINGS, {**CONVERGED, "rk4": SILENT}, RK4, turn="workers") == []


def test_a_host_leaves_as_what_it_is() -> None:
    [worker] = plan_leaving(SETTINGS, CONVERGED, RK4, turn="workers")
    [manager] = plan_leaving(SETTINGS, CONVERGED, RK2, turn="managers")
    assert (worker.found, manager.found) == ("a worker", "a manager")
    assert isinstance(worker, Leave)


def test_undeclared_nodes_are_named_by_id_where_they_have_no_name() -> None:
    nameless = node(9, "worker", hostname="")
    [notice] = plan_undeclared(SETTINGS, swarm([*nodes_of(SETTINGS), nameless]))
    assert notice.what == "node node9"
    assert plan_undeclared(SETTINGS, dict.fromkeys(CONVERGED, FRESH)) == []
    assert plan_undeclared(SETTINGS, CONVERGED) == []
