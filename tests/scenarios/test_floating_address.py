"""A visitor outside, who comes through the floating address, while everything is worked on.

Each request goes over a connection of its own, and is asked once: one that fails is lost, whatever
a browser would have done. The address is the only one that the visitor knows.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab import addresses
from lab.description import Description
from lab.network import inside
from pyinfra_swarm.floating_address import paths
from tests.scenarios.conftest import SITE, Run, changes_in, load_web_image, on_each, wait_for
from tests.scenarios.visitor import Request, a_visitor

pytestmark = pytest.mark.lifecycle

HOSTS = ("node1", "node2", "node3", "node4")
ADDRESS, ADDRESS6 = "192.168.77.9", "fd00:77::9"
DECLARED = {"SWARM_EXPOSURE__ADDRESS": ADDRESS, "SWARM_EXPOSURE__ADDRESS6": ADDRESS6}
TARGETS = {"IPv4": f"http://{ADDRESS}/"}
QUICKLY = 3.0
"""Seconds that a power cut of the holder may cost."""


@pytest.fixture(scope="module")
def exposed(
    lab: ModuleType, converged: Description, pyinfra: Callable[..., Run]
) -> Iterator[Description]:
    """The lab with a floating address, and a web server on every node behind it."""
    run = pyinfra("-y", *SITE, env=DECLARED)
    assert run.returncode == 0, run.output
    load_web_image(HOSTS)
    lab.run(
        "node1",
        "sudo docker service create --quiet --detach --name web --no-resolve-image --replicas 3 "
        "--publish 80:80 lab/web:1",
    )
    ask = ["curl", "-fs", "--max-time", "5", f"http://{ADDRESS}/"]
    wait_for(
        lambda: bool(lab.in_namespace("cloudflare", ask).returncode == 0), "the address to answer"
    )
    yield converged
    lab.run("node1", "sudo docker service rm web", check=False)
    run = pyinfra("-y", *SITE)  # where none is declared, nothing is left of it
    assert run.returncode == 0, run.output
    assert set(on_each(HOSTS, f"ls {paths.PROGRAM} 2>/dev/null || :").values()) == {""}
    assert holders() == []


def holders() -> list[str]:
    said = on_each(HOSTS, f"ip -o address show to {ADDRESS}/32")
    return [name for name, text in said.items() if text]


def told(requests: list[Request], job: str) -> list[Request]:
    """The requests that were lost; what was counted, for the log of the tests."""
    lost = [request for request in requests if request.problem]
    slowest = max(request.ended - request.begun for request in requests)
    print(f"{job}: {len(lost)} of {len(requests)} lost, the slowest took {slowest:.1f} s")
    return lost


JOBS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "site": (SITE, {}),
    "firewall": (
        ("inventory.py", "deploys/firewall.py"),
        {"SWARM_FIREWALL__OPEN": '[{"port": 8000, "sources": ["203.0.113.0/24"]}]'},
    ),
    "refresh": (("inventory.py", "deploys/firewall.py", "--data", "refresh=now"), {}),
    "rotation": (("inventory.py", "deploys/rotate_tokens.py"), {}),
    "restart": (("inventory.py", "deploys/restart.py"), {}),
    "reboot": (("inventory.py", "deploys/reboot.py", "--data", "all=yes"), {}),
}


@pytest.mark.parametrize("job", [*JOBS])
def test_no_request_is_lost(
    job: str, exposed: Description, pyinfra: Callable[..., Run], tmp_path: Path
) -> None:
    words, more = JOBS[job]
    with a_visitor(exposed, TARGETS) as requests:
        time.sleep(2)
        run = pyinfra("-y", *words, env={**DECLARED, **more}, timeout=1500)
        time.sleep(2)
    (tmp_path / "log").write_text(run.output)
    assert run.returncode == 0, run.output
    if job in ("restart", "reboot"):
        assert run.output.count(f"holds {ADDRESS} now") >= 1, "it was handed on"
    assert told(requests, job) == []
    assert len(holders()) == 1
    if more:
        assert pyinfra("-y", *words, env=DECLARED).returncode == 0


def test_no_request_is_lost_in_an_upgrade(
    lab: ModuleType, exposed: Description, pyinfra: Callable[..., Run]
) -> None:
    older, *_, newest = exposed.docker_versions
    run = pyinfra(
        "-y",
        "inventory.py",
        "deploys/upgrade.py",
        "--data",
        "downgrade=accepted",
        env={**DECLARED, "SWARM_DOCKER__VERSION": older},
        timeout=1500,
    )
    if run.returncode:
        pytest.skip(f"the lab has no engine that speaks with the newest: {run.closing}")
    with a_visitor(exposed, TARGETS) as requests:
        run = pyinfra(
            "-y",
            "inventory.py",
            "deploys/upgrade.py",
            env={**DECLARED, "SWARM_DOCKER__VERSION": newest},
            timeout=1500,
        )
        time.sleep(2)
    assert run.returncode == 0, run.output
    assert told(requests, "upgrade") == []


def test_a_second_site_changes_nothing(exposed: Description, pyinfra: Callable[..., Run]) -> None:
    run = pyinfra("-y", "--json", *SITE, env=DECLARED)
    assert run.returncode == 0, run.output
    assert changes_in(run.json) == []


def test_a_proof_says_who_holds_it(exposed: Description, pyinfra: Callable[..., Run]) -> None:
    [holder] = holders()
    run = pyinfra("-y", "inventory.py", "deploys/prove.py", env=DECLARED)
    assert run.returncode == 0, run.output
    assert f"{holder} holds {ADDRESS} for " in run.output


def heard(seconds: float) -> subprocess.Popen[str]:
    """Gratuitous ARP for the address on the cable, as tcpdump prints it."""
    listen = ["timeout", str(seconds), "tcpdump", "-l", "-n", "-e", "-i", addresses.BRIDGE, "arp"]
    return subprocess.Popen(
        inside(addresses.NAMESPACE, listen),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_a_power_cut_of_the_holder_costs_at_most_three_seconds(
    lab: ModuleType, exposed: Description
) -> None:
    # Only tasks elsewhere answer then: what the swarm itself takes to notice is another matter.
    [holder] = holders()
    node = lab.run(
        "node1" if holder != "node1" else "node2",
        "sudo docker node ls --format '{{.Hostname}} {{.ID}}'",
    ).stdout
    assert holder in node
    listening = heard(20)
    with a_visitor(exposed, TARGETS) as requests:
        time.sleep(2)
        cut = time.time()
        lab.power_cut(holder, wait=False)
        time.sleep(12)
    answered = sorted(r.ended for r in requests if not r.problem and r.begun > cut)
    lost = told(requests, "power cut")
    new = holders_but(holder)
    print(f"power cut: answered again {answered[0] - cut:.1f} s after it, {len(lost)} lost")
    assert len(new) == 1
    assert listening.communicate()[0].count(f"{ADDRESS} ") >= 1
    lab.power_on(holder)
    assert answered[0] - cut <= QUICKLY + 1  # its own first try may begin before
    wait_for(lambda: holders() == new, "the one that came back to leave it where it is", 120)


def holders_but(name: str) -> list[str]:
    others = [one for one in HOSTS if one != name]
    said = on_each(others, f"ip -o address show to {ADDRESS}/32")
    return [one for one, text in said.items() if text]


def test_a_pulled_cable_moves_it(lab: ModuleType, exposed: Description) -> None:
    [holder] = holders()
    tap = f"tap{holder[-1]}"
    pull = inside(addresses.NAMESPACE, ["ip", "link", "set", tap, "nomaster"])
    plug = inside(addresses.NAMESPACE, ["ip", "link", "set", tap, "master", addresses.BRIDGE])
    begun = time.monotonic()
    subprocess.run(pull, check=True)
    try:
        wait_for(lambda: len(holders_but(holder)) == 1, "another holder", 10)
        print(f"cable: {time.monotonic() - begun:.1f} s with the time to ask the hosts")
    finally:
        subprocess.run(plug, check=True)
    wait_for(lambda: len(holders()) == 1, "one holder", 10)


def test_a_hung_engine_moves_it(lab: ModuleType, exposed: Description) -> None:
    [holder] = holders()
    lab.run(holder, "sudo sh -c 'kill -STOP $(cat /run/docker.pid)'")
    try:
        wait_for(lambda: holders() not in ([holder], []), "another holder", 15)
    finally:
        lab.run(holder, "sudo sh -c 'kill -CONT $(cat /run/docker.pid)'")


def test_a_hand_made_keepalived_is_refused(
    lab: ModuleType, exposed: Description, pyinfra: Callable[..., Run]
) -> None:
    on_each(["node4"], f"sed -i '1s/.*/# mine, with a secret: hunter2/' {paths.CONFIGURATION}")
    try:
        run = pyinfra("-y", "inventory.py", "deploys/exposure.py", env=DECLARED)
        assert run.returncode == 1
        assert "was not written by this project, and is not overwritten" in run.output
        assert "hunter2" not in run.output
    finally:
        on_each(["node4"], f"rm {paths.CONFIGURATION}")
        assert pyinfra("-y", "inventory.py", "deploys/exposure.py", env=DECLARED).returncode == 0
