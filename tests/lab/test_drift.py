"""The drift check on a real cluster: what it finds, what it leaves alone, and that it is quiet.

`-k` with a batch's name (hosts, firewall, refusals, roles, absent, removal), `silent`, `read_only`,
`timer` or `alarm` runs a part of it; each starts from a converged lab.
"""

from __future__ import annotations

import fnmatch
import json
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from drift.schedule import UNIT, Schedule, units
from lab.description import Description
from tests.lab.conftest import (
    ROOT,
    SITE,
    Run,
    description_of_the_lab,
    environment,
    on_each,
    wait_for,
)
from tests.lab.drift_kinds import BATCHES, Kind
from tests.lab.test_create import SNAPSHOT, names

PYINFRA = Callable[..., Run]
SEED = int(os.environ.get("DRIFT_SEED", "0")) or random.randrange(1, 1_000_000)


@dataclass(frozen=True)
class Checked:
    """A finished check."""

    code: int
    report: dict[str, Any]
    errors: str
    seconds: float

    @property
    def found(self) -> list[dict[str, str]]:
        return [one for host in self.report["hosts"] for one in host["differences"]]

    def host(self, name: str) -> dict[str, Any]:
        return next(host for host in self.report["hosts"] if host["name"] == name)


@dataclass(frozen=True)
class Cluster:
    """A converged lab whose admins, labels and networks are declared."""

    lab: ModuleType
    found: Description
    keys: dict[str, str]
    settings: dict[str, str] = field(repr=False)
    apply: PYINFRA = field(repr=False)

    def check(self, *arguments: str, **settings: str) -> Checked:
        """``python -m drift --lab --json``, as a user runs it."""
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "drift", "--lab", "--json", *arguments],
            cwd=ROOT,
            env=environment({**self.settings, **settings}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.stdout, done.stderr
        took = time.monotonic() - begun
        return Checked(done.returncode, json.loads(done.stdout), done.stderr, took)

    def mend(self) -> None:
        """The whole job once more."""
        run = self.apply("-y", *SITE, env=self.settings)
        assert run.returncode == 0, run.output

    def run(self, host: str, kind: Kind, script: str, *, there: bool = False) -> None:
        """Something that happens to a host, done there or by a manager."""
        at = host if there or not kind.by_manager else self.acting(but=host)
        variables = {**self.keys, "NODE": host, "LOGIN": self.found.host(host).user}
        set_all = "".join(f"{name}='{value}'; " for name, value in variables.items())
        done = self.lab.run(at, ["sudo", "bash", "-c", set_all + script], check=False)
        assert done.returncode == 0, f"{kind.name} on {host}: {done.stdout}{done.stderr}"

    def acting(self, but: str = "") -> str:
        """The manager that speaks for the swarm, as long as ``but`` is none."""
        managers = [host.name for host in self.found.hosts if host.role == "manager"]
        return next(name for name in managers if name != but)


def public(private: Path | str) -> str:
    words = ["ssh-keygen", "-y", "-f", str(private)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return " ".join(said[:2])


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    found = description_of_the_lab()
    folder = tmp_path_factory.mktemp("keys")
    keys = {"LAB": public(found.ssh_key)}
    for name in ("SPARE", "STRANGER"):
        path = folder / name
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True
        )
        keys[name] = public(path)
    hosts = [
        {
            "name": host.name,
            "address": host.address,
            "role": host.role,
            "labels": {"zone": host.name},
            "ssh_host": host.ssh_host,
            "ssh_port": host.ssh_port,
            "ssh_user": host.user,
        }
        for host in found.hosts
    ]
    admin = {"name": found.hosts[0].user, "keys": [keys["LAB"], keys["SPARE"]]}
    settings = {
        "SWARM_HOSTS": json.dumps(hosts),
        "SWARM_ACCESS__ADMINS": json.dumps([admin]),
        "SWARM_NETWORKS__OVERLAYS": json.dumps([{"name": "apps"}]),
    }
    made = Cluster(lab, found, keys, settings, pyinfra)
    made.mend()
    checked = made.check()
    assert (checked.code, checked.found) == (0, []), checked.errors
    yield made
    # Who comes next declares no labels and no networks, and would be told of these.
    undo = "".join(f"docker node update --label-rm zone {host['name']}; " for host in hosts)
    lab.run(made.acting(), ["sudo", "sh", "-c", f"{undo}docker network rm apps"], check=False)


# Thirty kinds of drift and more
# ------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: where each kind was put, and the checks before and after mending."""

    places: dict[str, str]
    broken: Checked
    mended: Checked


_outcomes: dict[str, Outcome | BaseException] = {}


def placed(kinds: tuple[Kind, ...], found: Description) -> dict[str, str]:
    """A random host for each kind, kinds that would be in each other's way on different ones."""
    rest = random.Random(SEED)
    for _ in range(10_000):
        places = {
            kind.name: rest.choice([h.name for h in found.hosts if kind.on in ("any", h.role)])
            for kind in kinds
        }
        together = [(kind.apart, places[kind.name]) for kind in kinds if kind.apart]
        if len(together) == len(set(together)):
            return places
    raise AssertionError("these kinds cannot be put on so few hosts")


def outcome(cluster: Cluster, batch: str) -> Outcome:
    """A batch broken, checked, mended and checked again: done once."""
    if batch not in _outcomes:
        try:
            _outcomes[batch] = _carried_out(cluster, BATCHES[batch])
        except BaseException as error:
            _outcomes[batch] = error
            cluster.lab.reset()  # the next batch begins with hosts that are as they should be
            cluster.mend()
    done = _outcomes[batch]
    if isinstance(done, BaseException):
        raise done
    return done


def _carried_out(cluster: Cluster, kinds: tuple[Kind, ...]) -> Outcome:
    places = placed(kinds, cluster.found)
    for kind in kinds:
        if kind.first:
            cluster.run(places[kind.name], kind, kind.first, there=True)
        cluster.run(places[kind.name], kind, kind.breaks)
    broken = cluster.check()
    # What is only reported is undone by hand; what a deploy mends leaves something to clear.
    by_hand = [kind for kind in kinds if kind.kind != "change" and kind.undo]
    for kind in by_hand:
        cluster.run(places[kind.name], kind, kind.undo, there=kind.undo_there)
    cluster.mend()
    for kind in kinds:
        if kind.undo and kind not in by_hand:
            cluster.run(places[kind.name], kind, kind.undo, there=kind.undo_there)
    return Outcome(places, broken, cluster.check())


def reported_on(cluster: Cluster, kind: Kind, places: dict[str, str]) -> str:
    """The host on which a kind is reported."""
    return (
        cluster.acting(but=places.get("a manager demoted", ""))
        if kind.of_cluster
        else places[kind.name]
    )


EVERY = [
    pytest.param(batch, kind, id=f"{batch}-{kind.name}".replace(" ", "_"))
    for batch, kinds in BATCHES.items()
    for kind in kinds
]


@pytest.mark.lifecycle
@pytest.mark.parametrize(("batch", "kind"), EVERY)
def test_drift_is_found_on_its_host_with_its_reason(
    cluster: Cluster, batch: str, kind: Kind
) -> None:
    seen = outcome(cluster, batch)
    host = reported_on(cluster, kind, seen.places)
    there = [one for one in seen.broken.found if one["host"] == host]
    matching = [
        one
        for one in there
        if (one["part"], one["what"], one["kind"]) == (kind.part, kind.what, kind.kind)
        and kind.reason in one["reason"]
    ]
    assert matching, f"seed {SEED}, on {host}: {json.dumps(there, indent=1)}"
    if kind.kind == "change":
        assert matching[0]["mended_by"] == f"deploys/{kind.part}.py"
    else:
        assert matching[0]["remedy"]
    assert seen.broken.code == 2


@pytest.mark.lifecycle
@pytest.mark.parametrize(("batch", "kind"), EVERY)
def test_drift_is_gone_when_it_was_mended(cluster: Cluster, batch: str, kind: Kind) -> None:
    seen = outcome(cluster, batch)
    left = [
        one for one in seen.mended.found if (one["part"], one["what"]) == (kind.part, kind.what)
    ]
    assert left == []


@pytest.mark.lifecycle
@pytest.mark.parametrize("batch", list(BATCHES))
def test_nothing_else_is_reported_and_mended_is_in_sync(cluster: Cluster, batch: str) -> None:
    seen = outcome(cluster, batch)
    expected: dict[str, set[str]] = {}
    for kind in BATCHES[batch]:
        host = reported_on(cluster, kind, seen.places)
        expected.setdefault(host, set()).update({f"{kind.part}/{kind.what}", *kind.also})
    surprising = [
        one
        for one in seen.broken.found
        if not any(
            fnmatch.fnmatch(f"{one['part']}/{one['what']}", pattern)
            for pattern in expected.get(one["host"], ())
        )
    ]
    assert surprising == [], f"seed {SEED}: {json.dumps(surprising, indent=1)}"
    assert (seen.mended.code, seen.mended.found) == (0, [])


def test_there_are_thirty_kinds_of_drift() -> None:
    kinds = [kind.name for batch in BATCHES.values() for kind in batch]
    assert len(set(kinds)) == len(kinds) >= 30


@pytest.mark.lifecycle
def test_another_engine_version_than_declared_is_reported_on_every_host(cluster: Cluster) -> None:
    other = cluster.found.docker_versions[0]
    checked = cluster.check(SWARM_DOCKER__VERSION=other)
    assert checked.code == 2
    told = {one["host"]: one for one in checked.found if one["what"] == "Docker"}
    assert sorted(told) == sorted(names(cluster.found))
    for one in told.values():
        assert (one["part"], one["kind"], one["expected"]) == ("docker", "notice", other)


# Silent hosts
# ------------


@pytest.mark.lifecycle
def test_silent_a_host_without_power_is_unknown_and_the_others_are_not(cluster: Cluster) -> None:
    down = random.Random(SEED).choice(names(cluster.found))
    cluster.lab.power_cut(down, off_for=None)
    try:
        checked = cluster.check()
    finally:
        cluster.lab.power_on(down)
    assert checked.code == 1, checked.found
    assert checked.host(down)["state"] == "unknown"
    assert re.search("connect|SSH", checked.host(down)["unknown"])
    others = [host["state"] for host in checked.report["hosts"] if host["name"] != down]
    assert others == ["in sync"] * 3
    wait_for(lambda: cluster.check().code == 0, "the cluster to be in sync again", 90)


@pytest.mark.lifecycle
def test_silent_a_host_with_a_swapped_key_is_unknown(cluster: Cluster, tmp_path: Path) -> None:
    swapped, other = random.Random(SEED).sample(names(cluster.found), 2)
    lines = Path(cluster.found.known_hosts).read_text().splitlines()
    address = {name: cluster.found.host(name).address for name in (swapped, other)}
    places = {places for places, _, _ in map(str.split, lines) if address[swapped] in places}
    known = [line for line in lines if address[swapped] not in line]
    keys = [line.partition(" ")[2] for line in lines if address[other] in line]
    known += [f"{place} {key}" for place in places for key in keys]
    assert len(known) == len(lines)
    file = tmp_path / "known_hosts"
    file.write_text("\n".join(known) + "\n")
    checked = cluster.check(SWARM_SSH__KNOWN_HOSTS=str(file))
    assert checked.code == 1
    assert "Host key" in checked.host(swapped)["unknown"]
    assert [host["name"] for host in checked.report["hosts"] if host["unknown"]] == [swapped]


# Read-only
# ---------

MORE = """\
echo '# docker'; docker ps -a --no-trunc --format '{{.ID}} {{.State}}'
docker network ls --no-trunc -q | sort; docker volume ls -q | sort
docker node ls --format '{{.ID}} {{.Status}} {{.Availability}} {{.ManagerStatus}}' 2>/dev/null
docker service ls 2>/dev/null
echo '# started'; systemctl show docker containerd ssh -p ExecMainStartTimestampMonotonic -p MainPID
echo '# modules'; lsmod | awk '{print $1}' | sort
echo '# run'; ls -R /run/pyinfra-swarm 2>/dev/null; cat /proc/sys/net/ipv4/ip_forward
"""


def test_read_only_a_check_changes_nothing_on_any_host(cluster: Cluster) -> None:
    kinds = [
        kind
        for kind in BATCHES["hosts"]
        if kind.name in ("a changed daemon.json", "a node drained")
    ]
    host = names(cluster.found)[-1]
    for kind in kinds:  # there is something to mend, and it is left as it is
        cluster.run(host, kind, kind.breaks)
    try:
        before = on_each(names(cluster.found), SNAPSHOT + MORE)
        checked = cluster.check()
        after = on_each(names(cluster.found), SNAPSHOT + MORE)
    finally:
        for kind in kinds:
            if kind.undo:
                cluster.run(host, kind, kind.undo)
        cluster.mend()
    assert checked.code == 2
    for name in names(cluster.found):
        lines = before[name].splitlines(), after[name].splitlines()
        assert len(lines[0]) > 500  # the snapshot has seen something
        assert lines[0] == lines[1], name


def test_read_only_measures_come_with_the_report(cluster: Cluster) -> None:
    report = cluster.check().report
    assert report["measures"]["managers"] == {
        "managers": 3,
        "reachable": 3,
        "needed": 2,
        "margin": 1,
    }
    assert report["measures"]["networks"] == {"ingress": True, "apps": True}
    nodes = report["measures"]["nodes"]
    assert {name: node["role"] for name, node in nodes.items()} == {
        host.name: host.role for host in cluster.found.hosts
    }
    assert sum(node["leader"] for node in nodes.values()) == 1
    for host in report["hosts"]:
        days = (host["measures"]["certificate expires"] - time.time()) / 86_400
        assert 60 < days <= 91


# The timer
# ---------


def test_timer_fires_on_a_real_systemd(cluster: Cluster) -> None:
    host = names(cluster.found)[-1]
    schedule = Schedule(when="*:*:0/2", jitter=0, python="/bin/stub", root="/", timeout=20)
    lab = cluster.lab
    stub = "#!/bin/sh\\necho checking $*\\nsleep 3\\nexit 2\\n"
    lab.run(host, ["sudo", "sh", "-c", f"printf '{stub}' > /bin/stub; chmod 755 /bin/stub"])
    try:
        for name, text in units(schedule).items():
            lab.run(host, ["sudo", "tee", f"/etc/systemd/system/{name}"], stdin=text)
        lab.run(host, f"sudo systemctl daemon-reload; sudo systemctl enable --now {UNIT}.timer")
        wait_for(lambda: said(lab, host).count("Finished") >= 2, "the timer to fire twice", 60)
        journal = said(lab, host)
        listed = lab.run(host, f"systemctl list-timers {UNIT}.timer").stdout
        assert f"{UNIT}.service" in listed
        # While one check runs, no other begins; and drift is not a failure of the service.
        steps = [
            word
            for line in journal.splitlines()
            for word in ("Starting", "Finished")
            if word in line
        ]
        assert steps[:4] == ["Starting", "Finished"] * 2
        assert f"checking -m drift --since /var/lib/{UNIT}/state.json" in journal
        assert lab.run(host, f"sudo stat -c %a /var/lib/{UNIT}").stdout.strip() == "700"
    finally:
        lab.run(
            host,
            f"sudo systemctl disable --now {UNIT}.timer; sudo rm -rf /bin/stub /var/lib/{UNIT} "
            f"/etc/systemd/system/{UNIT}.*; sudo systemctl daemon-reload",
        )


def said(lab: ModuleType, host: str) -> str:
    """The service's words in the journal."""
    return str(lab.run(host, f"sudo journalctl --no-pager -o cat -u {UNIT}.service").stdout)


# No false alarm
# --------------

CHECKS = int(os.environ.get("DRIFT_CHECKS", "100"))


@pytest.fixture
def quiet(cluster: Cluster, tmp_path: Path) -> Callable[[int], None]:
    """Check so many times; whatever is reported is a false alarm."""
    state = tmp_path / "state.json"

    def check(many: int) -> None:
        for number in range(many):
            checked = cluster.check("--since", str(state))
            assert (checked.code, checked.found) == (0, []), f"check {number + 1} of {many}"
            assert [host["state"] for host in checked.report["hosts"]] == ["in sync"] * 4

    return check


def settled(cluster: Cluster) -> None:
    """Every node is back; a check before that would rightly say that one is not."""
    template = "{{.Status}} {{.ManagerStatus}}"
    wanted = sorted(["Ready Leader", "Ready Reachable", "Ready Reachable", "Ready"])

    def all_ready() -> bool:
        said = cluster.lab.run(
            cluster.acting(), f"sudo docker node ls --format '{template}'", check=False
        ).stdout
        return sorted(line.strip() for line in said.splitlines()) == wanted

    wait_for(all_ready, "all nodes to be ready", 180)


@pytest.mark.lifecycle
def test_alarm_none_on_an_untouched_cluster(quiet: Callable[[int], None]) -> None:
    quiet(CHECKS * 2 // 10)


@pytest.mark.lifecycle
def test_alarm_none_after_reboots(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for name in random.Random(SEED).sample(names(cluster.found), 2):
        cluster.lab.reboot(name)
        settled(cluster)
        quiet(CHECKS // 10)


@pytest.mark.lifecycle
def test_alarm_none_after_docker_restarts(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for name in random.Random(SEED).sample(names(cluster.found), 2):
        cluster.lab.run(name, "sudo systemctl restart docker")
        settled(cluster)
        quiet(CHECKS // 10)


@pytest.mark.lifecycle
def test_alarm_none_after_leader_changes(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for _ in range(2):
        leader = cluster.lab.run(
            cluster.acting(),
            "sudo docker node ls --filter role=manager --format '{{.Hostname}} {{.ManagerStatus}}'"
            " | awk '$2 == \"Leader\" {print $1}'",
        ).stdout.strip()
        cluster.lab.run(leader, "sudo systemctl restart docker")
        settled(cluster)
        quiet(CHECKS // 10)


@pytest.mark.lifecycle
def test_alarm_none_after_range_refreshes(cluster: Cluster, quiet: Callable[[int], None]) -> None:
    for _ in range(2):
        on_each(names(cluster.found), "systemctl start pyinfra-swarm-web-ranges.service")
        quiet(CHECKS // 10)
