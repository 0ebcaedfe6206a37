"""Ways to the engine: its API over TCP, its sockets, containers that are as good as root."""

from __future__ import annotations

import pytest

from pyinfra_swarm.doors.engine_doors import Wanted, plan
from pyinfra_swarm.doors.seen import Container, Doors, Socket
from pyinfra_swarm.run.findings import Finding

TCP, TLS = "tcp://0.0.0.0:2375", "tcp://10.0.0.1:2376"
DOCKER, CONTAINERD = "/run/docker.sock", "/run/containerd/containerd.sock"


def named(seen: Doors, wanted: Wanted | None = None) -> list[Finding]:
    return plan(wanted or Wanted(), seen)


def of_socket(path: str, mode: int, owner: str = "root", group: str = "root") -> list[Finding]:
    return named(Doors(sockets=(Socket(path, mode, owner, group),)))


@pytest.mark.parametrize(
    ("running", "to_come", "reason"),
    [
        (True, True, "the engine answers there: whoever reaches it is root on this host"),
        (
            True,
            False,
            "the engine answers there: whoever reaches it is root on this host (until it is "
            "restarted: its files do not say so any more)",
        ),
        (
            False,
            True,
            "the engine will answer there when it is started the next time: whoever reaches it "
            "will be root on this host",
        ),
    ],
)
def test_the_api_is_named_with_when_it_answers(running: bool, to_come: bool, reason: str) -> None:
    seen = Doors(running_hosts=(TCP,) * running, next_hosts=(TCP,) * to_come)
    [finding] = named(seen)
    assert (finding.what, finding.reason) == ("the engine's API over TCP", reason)
    assert (finding.expected, finding.found) == ("its socket only", TCP)
    assert f'docker.api: "{TCP}"' in finding.remedy


def test_each_address_is_named_once_and_declared_ones_are_not() -> None:
    seen = Doors(running_hosts=(TCP, TLS), next_hosts=(TLS, TCP))
    assert [one.found for one in named(seen)] == [TCP, TLS]
    assert [one.found for one in named(seen, Wanted(api=[TCP]))] == [TLS]
    assert named(seen, Wanted(api=[TCP, TLS])) == []


@pytest.mark.parametrize(
    ("path", "mode", "owner", "group"),
    [
        (DOCKER, 0o660, "root", "docker"),
        (DOCKER, 0o660, "root", "root"),
        (DOCKER, 0o600, "root", "users"),
        (DOCKER, 0o645, "root", "users"),
        (DOCKER, 0o664, "root", "docker"),
        (DOCKER, 0o665, "root", "docker"),
        (CONTAINERD, 0o660, "root", "root"),
        (CONTAINERD, 0o640, "root", "docker"),
    ],
)
def test_a_socket_that_root_and_the_group_docker_write_to_is_as_it_should_be(
    path: str, mode: int, owner: str, group: str
) -> None:
    assert of_socket(path, mode, owner, group) == []


@pytest.mark.parametrize(
    ("path", "mode", "owner", "group"),
    [
        (DOCKER, 0o662, "root", "docker"),
        (DOCKER, 0o602, "root", "docker"),
        (DOCKER, 0o620, "root", "users"),
        (DOCKER, 0o660, "ubuntu", "docker"),
        (CONTAINERD, 0o660, "root", "docker"),
        (CONTAINERD, 0o666, "root", "root"),
        ("/run/other.sock", 0o660, "root", "users"),
    ],
)
def test_a_loose_socket_is_named(path: str, mode: int, owner: str, group: str) -> None:
    [finding] = of_socket(path, mode, owner, group)
    right = "docker" if path == DOCKER else "root"
    assert (finding.what, finding.found) == (path, f"{owner}:{group} {mode:o}")
    assert finding.expected == f"root:{right} 660"
    assert ("the group docker" in finding.reason) == (path == DOCKER)
    assert f"`sudo chown root:{right} {path}`, `sudo chmod 660 {path}`" in finding.remedy


def test_a_sound_socket_hides_no_other() -> None:
    sockets = (Socket(CONTAINERD, 0o660, "root", "root"), Socket(DOCKER, 0o666, "root", "docker"))
    assert [one.what for one in named(Doors(sockets=sockets))] == [DOCKER]


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        (Container("web", True, ""), "is privileged, so that"),
        (
            Container("web", False, DOCKER),
            f"holds the engine's socket (by {DOCKER}), so that",
        ),
        (
            Container("web", True, DOCKER),
            f"is privileged and holds the engine's socket (by {DOCKER}), so that",
        ),
    ],
)
def test_a_container_is_named_with_why_it_is_as_good_as_root(
    container: Container, reason: str
) -> None:
    [finding] = named(Doors(containers=(container,)))
    assert finding.what == "container web"
    assert finding.reason.startswith(reason)
    assert named(Doors(containers=(container,)), Wanted(trusted=["web"])) == []
