"""A visitor outside, who comes through the floating address, while everything is worked on.

Each request goes over a connection of its own, and is asked once: one that fails is lost, whatever
a browser would have done. The address is the only one that the visitor knows.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from lab import addresses
from lab.network import inside
from pyinfra_swarm.floating_address import paths
from tests.netns.floating import together
from tests.scenarios.conftest import (
    SITE,
    Run,
    changes_in,
    description_of_the_lab,
    lines_with,
    on_each,
    settings_without,
    wait_for,
)
from tests.scenarios.drift_cluster import SEED, Checked, Cluster
from tests.scenarios.drift_kinds import GROUPS
from tests.scenarios.floating import (
    ADDRESS,
    ADDRESS6,
    BY_IPV6,
    EXPOSURE,
    HOSTS,
    MANAGERS,
    SECRET,
    URL,
    VALUE,
    VISITORS,
    WORKER,
    Exposed,
    another,
    holders,
    let_have,
    lost,
    outage,
    told,
)
from tests.scenarios.visitor import Request, a_visitor
from tests.scenarios.wire import heard, listening

pytestmark = pytest.mark.lifecycle

QUICKLY = 3.0
"""Seconds that a power cut of the holder may cost."""

EACH = 0.1
"""Seconds after which the next of many visitors comes."""


@pytest.fixture(scope="module")
def exposed(lab: ModuleType, pyinfra: Callable[..., Run]) -> Iterator[Exposed]:
    """The lab with an older engine and a floating address, and a web server behind it."""
    found = description_of_the_lab()
    if any(on_each(HOSTS, "command -v dockerd || :").values()):
        lab.reset()
    declared = {
        "SWARM_EXPOSURE__ADDRESS": ADDRESS,
        "SWARM_EXPOSURE__ADDRESS6": ADDRESS6,
        "SWARM_DOCKER__VERSION": found.docker_versions[0],
        "SWARM_SECRETS": f'[{{"name": "{SECRET}", "env": "{VALUE}"}}]',
        VALUE: "the first",
    }
    made = Exposed(lab, found, pyinfra, declared)
    made.done(SITE[1])
    made.serve()
    yield made
    lab.reset()


@contextmanager
def many_visitors(exposed: Exposed) -> Iterator[list[Request]]:
    """One comes ten times a second, whatever became of those before."""
    with a_visitor(exposed.found, {"address": URL}, every=EACH) as requests:
        time.sleep(2)
        yield requests


# Jobs
# ----


def nothing_is_lost(
    exposed: Exposed, folder: Path, job: str, *words: str, more: dict[str, str] | None = None
) -> Run:
    """Run a job while visitors come through the address, and somebody listens on the cable."""
    with (
        listening(exposed.found, folder) as wire,
        a_visitor(exposed.found, VISITORS) as requests,
    ):
        time.sleep(2)
        run = exposed.run(*words, more=more)
        time.sleep(2)
    (folder / f"{job}.log").write_text(run.output)
    missing = told(requests, job)
    said = heard(wire)
    at_once = together(said.spans())
    print(f"{job}: held by {', '.join(said.held)} in turn, by two at once for {at_once:.1f} s")
    assert run.returncode == 0, run.output
    assert missing == []
    assert at_once <= 1
    if len(said.held) > 1:
        assert said.by(ADDRESS)[-1:] == holders()
    [holder] = holders()
    assert on_each([holder], f"ip -o address show to {ADDRESS6}/128")[holder]
    return run


OPENED = {"SWARM_FIREWALL__OPEN": '[{"port": 8000, "sources": ["203.0.113.0/24"]}]'}
JOBS: dict[str, tuple[Sequence[str], dict[str, str]]] = {
    "site": (SITE[1:], {}),
    "firewall changed": (["deploys/firewall.py"], OPENED),
    "firewall changed back": (["deploys/firewall.py"], {}),
    "refresh": (["deploys/firewall.py", "--data", "refresh=now"], {}),
    "rotation of the tokens": (["deploys/rotate_tokens.py"], {}),
    "rotation of the root CA": (["deploys/rotate_ca.py"], {}),
}


@pytest.mark.parametrize("job", [*JOBS])
def test_no_request_is_lost(job: str, exposed: Exposed, tmp_path: Path) -> None:
    words, more = JOBS[job]
    nothing_is_lost(exposed, tmp_path, job, *words, more=more)


def test_no_request_is_lost_in_the_rotation_of_a_secret(exposed: Exposed, tmp_path: Path) -> None:
    exposed.declared[VALUE] = "the second"
    nothing_is_lost(exposed, tmp_path, "rotation of a secret", "deploys/secrets.py")
    template = "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}}{{end}}"
    assert exposed.docker(f"service inspect web --format '{template}'").strip() == f"{SECRET}_v2"


def test_no_request_is_lost_in_an_upgrade(exposed: Exposed, tmp_path: Path) -> None:
    exposed.declared["SWARM_DOCKER__VERSION"] = newest = exposed.found.docker_versions[-1]
    run = nothing_is_lost(exposed, tmp_path, "upgrade", "deploys/upgrade.py")
    assert f"holds {ADDRESS} now" in run.output
    versions = set(exposed.docker("node ls --format {{.EngineVersion}}").split())
    assert versions == {newest}
    exposed.done(SITE[1])  # all that only the newer engine knows


ONE_AFTER_THE_OTHER = {
    "restart": ["deploys/restart.py"],
    "reboot": ["deploys/reboot.py", "--data", "all=yes"],
}


@pytest.mark.parametrize("job", [*ONE_AFTER_THE_OTHER])
def test_no_request_is_lost_while_nodes_are_worked_on_one_after_the_other(
    job: str, exposed: Exposed, tmp_path: Path
) -> None:
    run = nothing_is_lost(exposed, tmp_path, job, *ONE_AFTER_THE_OTHER[job])
    assert f"holds {ADDRESS} now" in run.output, "it was handed on"


def test_a_second_site_changes_nothing(exposed: Exposed) -> None:
    run = exposed.done("--json", SITE[1])
    assert changes_in(run.json) == []


def test_a_proof_says_who_holds_it(exposed: Exposed) -> None:
    [holder] = holders()
    run = exposed.done("deploys/prove.py")
    assert f"{holder} holds {ADDRESS} for " in run.output


# Faults
# ------


def cut(exposed: Exposed, holder: str, folder: Path) -> tuple[list[Request], str]:
    """The holder loses its power; what became of those who came, and who has the address then."""
    let_have(holder)
    exposed.settled()
    with listening(exposed.found, folder) as wire, many_visitors(exposed) as requests:
        exposed.lab.power_cut(holder, off_for=None)
        time.sleep(25)
    new = another(holder, 1)
    assert heard(wire).by(ADDRESS)[-1] == new
    exposed.lab.power_on(holder)
    exposed.settled()
    assert holders() == [new], "who comes back leaves it where it is"
    return requests, new


def test_a_power_cut_of_the_holder_costs_at_most_three_seconds(
    exposed: Exposed, tmp_path: Path
) -> None:
    # The tasks are elsewhere: how soon the swarm notices that one is dead is another matter.
    requests, _ = cut(exposed, WORKER, tmp_path)
    missing = told(requests, "power cut")
    gap = outage(requests)
    print(f"power cut: no answer for {gap:.1f} s")
    assert gap <= QUICKLY
    assert all(request.begun < missing[0].begun + QUICKLY for request in missing)


def test_a_power_cut_of_a_holder_with_a_task_costs_what_the_swarm_takes_to_notice(
    exposed: Exposed, tmp_path: Path
) -> None:
    requests, _ = cut(exposed, MANAGERS[2], tmp_path)
    begun = [request.begun for request in told(requests, "power cut with a task")]
    span = max(begun) - min(begun) if begun else 0
    print(
        f"power cut with a task: no answer for {outage(requests):.1f} s; "
        f"requests were lost for {span:.1f} s"
    )
    assert outage(requests) <= QUICKLY
    last = max(request.begun for request in requests)
    assert [one for one in lost(requests) if one.begun > last - 5] == []


def cable(name: str, *how: str) -> None:
    tap = f"tap{name.removeprefix('node')}"
    subprocess.run(inside(addresses.NAMESPACE, ["ip", "link", "set", tap, *how]), check=True)


def test_a_pulled_cable_moves_it(exposed: Exposed, tmp_path: Path) -> None:
    let_have(WORKER)
    with listening(exposed.found, tmp_path) as wire, many_visitors(exposed) as requests:
        cable(WORKER, "nomaster")
        try:
            another(WORKER)
            time.sleep(3)
        finally:
            cable(WORKER, "master", addresses.BRIDGE)
        time.sleep(5)
    told(requests, "cable pulled")
    said = heard(wire)
    at_once = together(said.spans())
    print(
        f"cable pulled: no answer for {outage(requests):.1f} s; "
        f"plugged in again, two held it for {at_once:.1f} s"
    )
    assert outage(requests) <= QUICKLY
    assert at_once <= 1
    [kept] = holders()
    assert said.by(ADDRESS)[-1] == kept
    exposed.settled()


def test_a_network_in_two_halves_has_a_holder_each_until_it_is_one_again(
    exposed: Exposed, tmp_path: Path
) -> None:
    let_have("node3")
    near, far = HOSTS[:2], HOSTS[2:]
    count = f"cut -d ' ' -f 3 {paths.ROLE}"
    before = on_each(HOSTS, count)
    subprocess.run(
        inside(addresses.NAMESPACE, ["ip", "link", "add", "half", "type", "bridge"]), check=True
    )
    with listening(exposed.found, tmp_path) as wire:
        try:
            subprocess.run(
                inside(addresses.NAMESPACE, ["ip", "link", "set", "half", "up"]), check=True
            )
            for name in far:
                cable(name, "master", "half")
            wait_for(lambda: len(holders(near)) == 1, "a holder in this half", 15)
            time.sleep(5)
        finally:
            healed = time.time()
            for name in far:
                cable(name, "master", addresses.BRIDGE)
            subprocess.run(
                inside(addresses.NAMESPACE, ["ip", "link", "delete", "half"]), check=True
            )
        time.sleep(5)
        wait_for(lambda: len(holders()) == 1, "one holder", 15)
        [kept] = holders()
    said = heard(wire)
    ends = [end for found in said.spans().values() for _, end in found if end > healed]
    both = sorted(ends)[:-1]
    print(f"split: {kept} keeps it; the other let go {max(both, default=healed) - healed:.1f} s on")
    assert together(said.spans()) <= 1
    assert said.by(ADDRESS)[-1] == kept, "the one that keeps it has the last word"
    after = on_each(HOSTS, count)
    assert after["node4"] == before["node4"], "in the other half, the holder of before kept it"
    exposed.settled()


def test_a_hung_engine_moves_it(exposed: Exposed) -> None:
    let_have(WORKER)
    exposed.settled()
    with many_visitors(exposed) as requests:
        exposed.lab.run(WORKER, "sudo sh -c 'kill -STOP $(cat /run/docker.pid)'")
        try:
            begun = time.monotonic()
            another(WORKER)
            print(f"hung engine: another holder after {time.monotonic() - begun:.1f} s")
        finally:
            exposed.lab.run(WORKER, "sudo sh -c 'kill -CONT $(cat /run/docker.pid)'")
        time.sleep(2)
    told(requests, "hung engine")
    print(f"hung engine: no answer for {outage(requests):.1f} s")
    assert outage(requests) <= QUICKLY
    exposed.settled()


# Drained by hand
# ---------------


def test_no_request_is_lost_when_a_manager_is_drained_by_hand(
    exposed: Exposed, tmp_path: Path
) -> None:
    let_have("node2")
    with a_visitor(exposed.found, VISITORS) as requests:
        time.sleep(2)
        begun = time.monotonic()
        exposed.docker("node update --availability drain node2")
        new = another("node2", 40)
        print(f"drained by hand: {new} has it after {time.monotonic() - begun:.0f} s")
        time.sleep(5)
        assert holders() == [new]
        exposed.docker("node update --availability active node2")
        time.sleep(15)
    # A port of the node itself has nobody behind it until the address has moved.
    by_mesh = [one for one in requests if one.target != BY_IPV6]
    assert told(by_mesh, "drained by hand, by the routing mesh") == []
    told([one for one in requests if one.target == BY_IPV6], "drained by hand, by a node's port")
    exposed.settled()
    assert holders() == [new]


def test_a_drained_worker_that_holds_it_is_told(exposed: Exposed) -> None:
    """Only managers know of a worker that it is drained."""
    let_have(WORKER)
    exposed.docker(f"node update --availability drain {WORKER}")
    try:
        said = exposed.done(EXPOSURE, how="--dry").output
        assert "its node is drained, which a worker does not know of itself" in said
        on_each([WORKER], f"sh {paths.PROGRAM} give-up")  # the remedy
        another(WORKER)
        assert "a worker does not know" not in exposed.done(EXPOSURE).output
        assert WORKER not in holders(), "it stays given up while the node is drained"
    finally:
        exposed.docker(f"node update --availability active {WORKER}")
    assert "has given it up for work that did not end" in exposed.done(EXPOSURE).output
    exposed.settled()


# Drift
# -----

KINDS = GROUPS["exposure"]


@pytest.fixture(scope="module")
def drifted(exposed: Exposed) -> Iterator[tuple[dict[str, str], Checked, Checked]]:
    """All kinds at once: where each was brought about; the checks before and after mending."""
    cluster = Cluster(exposed.lab, exposed.found, {}, exposed.declared, exposed.apply)
    names = random.Random(SEED).sample(HOSTS, len(HOSTS))
    where = {kind.name: names[kind.at] for kind in KINDS}
    let_have(names[1])  # what is wrong there lets it keep the address
    for kind in KINDS:
        cluster.run(where[kind.name], kind, kind.breaks)
    time.sleep(5)  # keepalived asks for a host's health every second
    broken = cluster.check()
    for kind in KINDS:
        if kind.undo:
            cluster.run(where[kind.name], kind, kind.undo)
    exposed.done(EXPOSURE)
    yield where, broken, cluster.check()
    exposed.settled()


def test_each_drift_is_found_on_its_host_with_its_reason(
    drifted: tuple[dict[str, str], Checked, Checked],
) -> None:
    where, broken, _ = drifted
    found = [one for one in broken.found if one["part"] == "exposure"]
    for kind in KINDS:
        matching = [
            one
            for one in found
            if (one["host"], one["what"], one["kind"]) == (where[kind.name], kind.what, kind.kind)
            and kind.reason in one["reason"]
        ]
        assert matching, (SEED, kind.name, found)
        if kind.kind == "change":
            assert matching[0]["mended_by"] == EXPOSURE
        else:
            assert matching[0]["remedy"]
    assert broken.code == 2


def test_drift_is_mended_by_the_deploy(
    drifted: tuple[dict[str, str], Checked, Checked],
) -> None:
    *_, mended = drifted
    assert [one for one in mended.found if one["part"] == "exposure"] == [], SEED


def test_a_hand_made_keepalived_is_refused(exposed: Exposed) -> None:
    on_each([WORKER], f"sed -i '1s/.*/# mine, with a secret: hunter2/' {paths.CONFIGURATION}")
    try:
        run = exposed.run(EXPOSURE)
        assert run.returncode == 1
        assert "was not written by this project, and is not overwritten" in run.output
        assert "hunter2" not in run.output
    finally:
        on_each([WORKER], f"rm {paths.CONFIGURATION}")
        exposed.done(EXPOSURE)


# The end
# -------

LEFT = (
    f"ls -d {' '.join([*paths.MANAGED, paths.STATE, paths.LOADED])} 2>/dev/null; "
    "systemctl is-active keepalived | grep -x active; "
    f"iptables-save -t mangle | grep {ADDRESS}; ip -o address show to {ADDRESS}/32; :"
)
"""Shell: all that holds the address on a host, or could."""


def test_undeclared_nothing_is_left_of_it(exposed: Exposed) -> None:
    assert all(on_each(HOSTS, LEFT).values())
    exposed.done(EXPOSURE, more={"SWARM_EXPOSURE__ADDRESS": "", "SWARM_EXPOSURE__ADDRESS6": ""})
    assert on_each(HOSTS, LEFT) == dict.fromkeys(HOSTS, "")
    exposed.done(EXPOSURE)
    assert len(holders()) == 1


def test_a_node_that_is_removed_hands_it_on_for_good(exposed: Exposed, tmp_path: Path) -> None:
    let_have(WORKER)
    words = ["--data", f"host={WORKER}", "--data", f"confirm={WORKER}"]
    nothing_is_lost(exposed, tmp_path, "removal", "deploys/remove.py", *words)
    assert on_each([WORKER], LEFT) == {WORKER: ""}
    # Gone from the file as well, it is not told who holds the address any more.
    without = {"SWARM_SETTINGS": str(settings_without(tmp_path / "cluster.toml", WORKER))}
    exposed.done(EXPOSURE, more=without)
    address = exposed.found.host(WORKER).address
    told_of_it = f"grep -c {address} {paths.CONFIGURATION} || :"
    assert on_each(MANAGERS, told_of_it) == dict.fromkeys(MANAGERS, "0\n")


def test_a_reset_leaves_nothing_of_it(exposed: Exposed, tmp_path: Path) -> None:
    there = MANAGERS if WORKER not in exposed.docker("node ls") else HOSTS
    gone = [name for name in HOSTS if name not in there]
    without = {"SWARM_SETTINGS": str(settings_without(tmp_path / "cluster.toml", *gone))}
    refused = exposed.run("deploys/reset.py", more=without)
    lines = lines_with(refused.closing, ("--data confirm=",))
    [word] = {line.split("--data confirm=")[1].split()[0] for line in lines}
    exposed.done("deploys/reset.py", "--data", f"confirm={word}", more=without)
    assert on_each(there, LEFT) == dict.fromkeys(there, "")
