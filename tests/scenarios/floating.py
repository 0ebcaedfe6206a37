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
PORT6 = 443
"""Of each node itself: the routing mesh does not speak IPv6 yet."""

BY_IPV6 = "visitor by IPv6"
VISITORS = {
    **{f"visitor {number}": URL for number in range(1, 5)},
    BY_IPV6: f"http://[{ADDRESS6}]:{PORT6}/",
}
SECRET, VALUE = "db_password", "LAB_DB_PASSWORD"
"""A secret of the web server's, and the variable that it comes from."""

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
        """Web servers behind the address: on managers, of which each job spares two, and another
        on each node, for IPv6.

        They serve for some seconds more when they are to end, since a busy node hears late that a
        task is going: what is counted here is what the address costs.
        """
        load_web_image(HOSTS)
        create = "service create --quiet --detach --no-resolve-image --env LINGER=4"
        self.docker(
            f"{create} --name web --replicas 3 --constraint node.role==manager --publish 80:80 "
            f"--secret source={SECRET}_v1,target={SECRET} --update-order start-first "
            "--update-monitor 2s lab/web:1"
        )
        self.docker(
            f"{create} --name web6 --mode global "
            f"--publish published={PORT6},target=80,mode=host lab/web:1"
        )
        wait_for(self._answers, "the address to answer")

    def _answers(self) -> bool:
        urls = dict.fromkeys(VISITORS.values())
        asked = (["curl", "-gfs", "--max-time", "5", url] for url in urls)
        return all(self.lab.in_namespace("cloudflare", ask).returncode == 0 for ask in asked)

    def settled(self) -> None:
        """Every node is back, and every task runs."""

        def calm() -> bool:
            nodes = self.docker("node ls --format '{{.Status}} {{.Availability}}'").split("\n")
            tasks = self.docker("service ls --format {{.Replicas}}").split()
            return set(nodes) == {"Ready Active", ""} and sorted(tasks) == ["3/3", "4/4"]

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
