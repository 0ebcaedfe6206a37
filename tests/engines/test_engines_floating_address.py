"""Jobs on real engines, and somebody who comes through the floating address meanwhile.

keepalived is the distribution's. These hosts share a kernel without IPVS, so the service is
published on each node itself, and there is no routing mesh behind the address: the lab has one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

import pytest

from pyinfra_swarm.floating_address import paths
from tests.engines.hosts import Hosts
from tests.engines.test_engines_daemon import DAEMON, prepare
from tests.engines.test_engines_rolling import RESTART, until
from tests.scenarios.conftest import Run, changes_in
from tests.scenarios.floating import outage, told
from tests.scenarios.visitor import Request, visiting

pytestmark = pytest.mark.skipif(shutil.which("keepalived") is None, reason="no keepalived here")

MANAGERS, WORKER = ("rk1", "rk2", "rk3"), "rk4"
ADDRESS = "10.99.0.9"
URL = f"http://{ADDRESS}/"
VISITORS = {f"visitor {number}": URL for number in range(1, 5)}
PAGE = "here\n"
EXPOSURE = ("inventory.py", "deploys/exposure.py")
QUICKLY = 3.0
SERVED = (
    "mkdir -p /www; echo here > /www/index.html; httpd -f -p 80 -h /www & "
    "trap 'sleep 3; exit 0' TERM; wait"
)
LEFT = (
    f"ls -d {' '.join([*paths.MANAGED, paths.STATE, paths.LOADED])} 2>/dev/null; "
    "systemctl is-active keepalived | grep -x active; "
    f"iptables-save -t mangle | grep {ADDRESS}; ip -o address show to {ADDRESS}/32; :"
)
"""Shell: all that holds the address on a host, or could."""


class Exposed(Hosts):
    """Three managers and a worker with the address, and a page on each of them.

    declared: the hosts of the settings.
    """

    declared: tuple[str, ...] = ()

    def declare(self, *managers_and_worker: str, address: str = ADDRESS) -> None:
        self.declared = managers_and_worker or (*MANAGERS, WORKER)
        self.settings(
            [name for name in self.declared if name != WORKER],
            [name for name in self.declared if name == WORKER],
            exposure={"address": address},
            firewall={"enabled": False},
        )

    def done(self, *words: str, how: str = "-y", env: Mapping[str, str] | None = None) -> Run:
        run = self.pyinfra(how, *words, env=env)
        assert run.returncode == 0, run.output
        return run

    def said(self, script: str, *names: str) -> dict[str, str]:
        there = [name for name in names or self if self[name].on]
        return {str(name): self.run(str(name), script).stdout for name in there}

    def holders(self, *names: str) -> list[str]:
        said = self.said(f"ip -o address show to {ADDRESS}/32", *names)
        return [name for name, text in said.items() if text]

    def another(self, holder: str, seconds: float = 15) -> str:
        names = [str(name) for name in self if name != holder]
        until(lambda: len(self.holders(*names)) == 1, "another holder", seconds)
        return self.holders(*names)[0]

    def let_have(self, name: str) -> None:
        others = [one for one in self.declared if one != name]
        self.each(lambda one: self.run(one, f"sh {paths.PROGRAM} give-up"), others)
        until(lambda: self.holders() == [name], f"{name} to hold the address", 20)
        self.each(lambda one: self.run(one, f"sh {paths.PROGRAM} take-back"), others)

    def visitors(self, every: float = 0) -> AbstractContextManager[list[Request]]:
        place = ["nsenter", f"--net=/proc/{self._outer}/ns/net", "--"]
        targets = {"address": URL} if every else VISITORS
        return visiting(place, targets, PAGE, every=every)

    def whole(self) -> None:
        """Every node has its task, and every host could hold the address."""
        nodes = self.nodes("rk1")
        until(
            lambda: (
                {n.state for n in self.nodes("rk1").values()} == {"ready"}
                and {n.availability for n in self.nodes("rk1").values()} == {"active"}
            ),
            "all nodes",
        )
        wanted = f"{len(nodes)}/{len(nodes)}"
        until(
            lambda: (
                self.docker("rk1", "service", "ls", "--format", "{{.Replicas}}").strip() == wanted
            ),
            "all tasks",
        )
        healthy = f"sh {paths.PROGRAM} healthy"
        until(
            lambda: all(self.run(str(name), healthy, check=False).returncode == 0 for name in self),
            "all hosts to be healthy",
        )


@pytest.fixture(scope="module")
def exposed() -> Iterator[Exposed]:
    with Exposed(4) as made:
        made.declare()
        made.each(lambda name: prepare(made, name))
        made.form(MANAGERS, (WORKER,))
        made.done(*DAEMON)
        made.import_image()
        made.docker(
            *("rk1", "service", "create", "--detach", "--name", "web", "--mode", "global"),
            *("--no-resolve-image", "--publish", "mode=host,published=80,target=80"),
            *("busybox", "sh", "-c", SERVED),
        )
        made.done(*EXPOSURE)
        made.whole()
        yield made


def nothing_is_lost(exposed: Exposed, job: str, *words: str, **env: str) -> Run:
    with exposed.visitors() as requests:
        time.sleep(1)
        run = exposed.pyinfra("-y", *words, env=env)
        time.sleep(1)
    missing = told(requests, job)
    assert run.returncode == 0, run.output
    assert missing == [], run.output
    assert len(exposed.holders()) == 1
    return run


def test_one_host_holds_it_and_a_second_run_changes_nothing(exposed: Exposed) -> None:
    assert len(exposed.holders()) == 1
    assert changes_in(exposed.done("--json", *EXPOSURE).json) == []


def test_no_request_is_lost_while_engines_are_restarted_one_after_the_other(
    exposed: Exposed,
) -> None:
    run = nothing_is_lost(exposed, "restart", *RESTART)
    assert f"holds {ADDRESS} now" in run.output
    exposed.whole()


def test_no_request_is_lost_when_engines_are_restarted_for_their_configuration(
    exposed: Exposed,
) -> None:
    run = nothing_is_lost(exposed, "daemon.json", *DAEMON, SWARM_DOCKER__LOG_MAX_FILES="5")
    assert f"holds {ADDRESS} now" in run.output
    exposed.whole()


def test_a_manager_that_is_drained_by_hand_hands_it_on(exposed: Exposed) -> None:
    exposed.let_have("rk2")
    exposed.docker("rk1", "node", "update", "--availability", "pause", "rk2")
    time.sleep(13)
    assert exposed.holders() == ["rk2"], "who is paused is not drained"
    exposed.docker("rk1", "node", "update", "--availability", "drain", "rk2")
    begun = time.monotonic()
    new = exposed.another("rk2", 40)
    print(f"drained by hand: {new} has it after {time.monotonic() - begun:.1f} s")
    said = exposed.done(*EXPOSURE, how="--dry").output
    assert "cannot hold it" not in said, "that is what its owner wants"
    exposed.docker("rk1", "node", "update", "--availability", "active", "rk2")
    exposed.whole()
    assert exposed.holders() == [new]


def test_a_drained_worker_that_holds_it_is_told(exposed: Exposed) -> None:
    exposed.let_have(WORKER)
    exposed.docker("rk1", "node", "update", "--availability", "drain", WORKER)
    said = exposed.done(*EXPOSURE, how="--dry").output
    assert "its node is drained, which a worker does not know of itself" in said
    exposed.run(WORKER, f"sh {paths.PROGRAM} give-up")  # the remedy
    exposed.another(WORKER)
    assert "a worker does not know" not in exposed.done(*EXPOSURE).output
    assert WORKER not in exposed.holders(), "it stays given up while the node is drained"
    exposed.docker("rk1", "node", "update", "--availability", "active", WORKER)
    assert "has given it up for work that did not end" in exposed.done(*EXPOSURE).output
    exposed.whole()


def test_a_power_cut_of_the_holder_costs_at_most_three_seconds(exposed: Exposed) -> None:
    exposed.let_have(WORKER)
    exposed.whole()
    with exposed.visitors(every=0.1) as requests:
        time.sleep(2)
        exposed.power_cut(WORKER)
        time.sleep(12)
    missing = told(requests, "power cut")
    gap = outage(requests)
    print(f"power cut: no answer for {gap:.1f} s")
    assert gap <= QUICKLY
    last = max(request.begun for request in requests)
    assert [one for one in missing if one.begun > last - 5] == []
    [new] = exposed.holders()
    exposed.power_on(WORKER)
    exposed.whole()
    time.sleep(3)
    assert exposed.holders() == [new], "who comes back leaves it where it is"


def test_undeclared_nothing_is_left_of_it(exposed: Exposed) -> None:
    assert all(exposed.said(LEFT).values())
    exposed.declare(address="")
    exposed.done(*EXPOSURE)
    assert set(exposed.said(LEFT).values()) == {""}
    again = exposed.done("--json", *EXPOSURE)
    assert changes_in(again.json) == []
    exposed.declare()
    exposed.done(*EXPOSURE)
    exposed.whole()
    assert len(exposed.holders()) == 1


@pytest.mark.parametrize("drained", [False, True], ids=["active", "drained before"])
def test_a_node_that_is_removed_hands_it_on_for_good(exposed: Exposed, drained: bool) -> None:
    name = "rk3" if drained else WORKER
    exposed.let_have(name)
    if drained:
        exposed.docker("rk1", "node", "update", "--availability", "drain", name)
    words = ["--data", f"host={name}", "--data", f"confirm={name}"]
    with exposed.visitors() as requests:
        time.sleep(1)
        run = exposed.pyinfra("-y", "inventory.py", "deploys/remove.py", *words)
        time.sleep(1)
    missing = told(requests, f"removal of {name}")
    assert run.returncode == 0, run.output
    if not drained:  # else its task has ended before
        assert missing == [], run.output
    assert exposed.said(LEFT, name) == {name: ""}
    assert len(exposed.holders()) == 1
    # Gone from the file as well, it is not told who holds the address any more.
    left = [one for one in (*MANAGERS, WORKER) if one in exposed.nodes("rk1")]
    exposed.declare(*left)
    exposed.done(*EXPOSURE)
    told_of_it = f"grep -c {exposed[name].address} {paths.CONFIGURATION} || :"
    assert set(exposed.said(told_of_it, *left).values()) == {"0\n"}


def test_a_reset_leaves_nothing_of_it(exposed: Exposed) -> None:
    left = [one for one in (*MANAGERS, WORKER) if one in exposed.nodes("rk1")]
    exposed.done("inventory.py", "deploys/reset.py", "--data", "confirm=engines")
    assert set(exposed.said(LEFT, *left).values()) == {""}
