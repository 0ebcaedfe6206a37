"""Who holds the lab's floating address, and what became of those who came through it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from lab.description import Description
from pyinfra_swarm.floating_address import paths
from tests.scenarios.conftest import Run, load_web_image, on_each, wait_for
from tests.scenarios.visitor import Request

HOSTS = ("node1", "node2", "node3", "node4")
MANAGERS, WORKER = HOSTS[:3], HOSTS[3]
ADDRESS, ADDRESS6 = "192.168.77.9", "fd00:77::9"
URL = f"http://{ADDRESS}/"
VISITORS = {f"visitor {number}": URL for number in range(1, 5)}
EXPOSURE = "deploys/exposure.py"


@dataclass
class Exposed:
    """The lab with a floating address, and what is declared for it besides, as variables."""

    lab: ModuleType
    found: Description
    apply: Callable[..., Run] = field(repr=False)
    declared: dict[str, str]

    def run(self, *words: str, more: dict[str, str] | None = None, how: str = "-y") -> Run:
        """`pyinfra inventory.py …`, whatever comes of it."""
        env = {**self.declared, **(more or {})}
        return self.apply(how, "inventory.py", *words, env=env, timeout=1500)

    def done(self, *words: str, **more: Any) -> Run:
        """The same, and it has to work."""
        run = self.run(*words, **more)
        assert run.returncode == 0, run.output
        return run

    def docker(self, words: str, at: str = "node1") -> str:
        return str(self.lab.run(at, f"sudo docker {words}", timeout=120).stdout)

    def serve(self) -> None:
        """A web server behind the address: on managers, of which each job spares two.

        It serves for some seconds more when it is to end, since a busy node hears late that a task
        is going: what is counted here is what the address costs.
        """
        load_web_image(HOSTS)
        self.docker(
            "service create --quiet --detach --name web --no-resolve-image --replicas 3 "
            "--constraint node.role==manager --env LINGER=4 --publish 80:80 lab/web:1"
        )
        ask = ["curl", "-fs", "--max-time", "5", URL]
        wait_for(
            lambda: bool(self.lab.in_namespace("cloudflare", ask).returncode == 0),
            "the address to answer",
        )

    def settled(self) -> None:
        """Every node is back, and every task runs."""

        def calm() -> bool:
            nodes = self.docker("node ls --format '{{.Status}} {{.Availability}}'").split("\n")
            tasks = self.docker("service ls --format {{.Replicas}}").split()
            return set(nodes) == {"Ready Active", ""} and tasks == ["3/3"]

        wait_for(calm, "all nodes to be ready, and all tasks to run", 240)
        wait_for(lambda: healthy() == [*HOSTS], "all hosts to be healthy", 60)


def holders(hosts: Iterable[str] = HOSTS) -> list[str]:
    """The hosts, of these, that have the address."""
    said = on_each(hosts, f"ip -o address show to {ADDRESS}/32")
    return [name for name, text in said.items() if text]


def healthy() -> list[str]:
    """The hosts that could hold it."""
    said = on_each(HOSTS, f"sh {paths.PROGRAM} healthy && echo 'it can' || :")
    return [name for name, text in said.items() if text.endswith("it can\n")]


def others(name: str) -> list[str]:
    return [one for one in HOSTS if one != name]


def another(holder: str, seconds: float = 15) -> str:
    """The one that has it now, awaited; asked are all but the holder of before."""
    wait_for(lambda: len(holders(others(holder))) == 1, "another holder", seconds)
    return holders(others(holder))[0]


def let_have(name: str) -> None:
    """The address comes to this host, as it does when the others are worked on."""
    on_each(others(name), f"sh {paths.PROGRAM} give-up")
    wait_for(lambda: holders() == [name], f"{name} to hold the address", 20)
    on_each(others(name), f"sh {paths.PROGRAM} take-back")
    assert holders() == [name]


# Counted
# -------


def lost(requests: Iterable[Request]) -> list[Request]:
    return [request for request in requests if request.problem]


def told(requests: list[Request], what: str) -> list[Request]:
    """The requests that were lost; what was counted, for the log of the tests."""
    slowest = max(request.ended - request.begun for request in requests)
    print(
        f"{what}: {len(lost(requests))} of {len(requests)} lost, the slowest took {slowest:.1f} s"
    )
    return lost(requests)


def outage(requests: list[Request]) -> float:
    """The longest time without an answer, in seconds."""
    times = sorted(request.ended for request in requests if not request.problem)
    return max(after - before for before, after in itertools.pairwise(times))
