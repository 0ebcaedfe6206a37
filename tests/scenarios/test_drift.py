"""The drift check on a real cluster: what it finds, what it leaves alone, and that it is quiet.

`-k` with a group's name (hosts, firewall, refusals, roles, absent, removal), `silent`, `read_only`,
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

from lab.description import Description
from pyinfra_swarm.drift.schedule import UNIT, Schedule, install, remove, show
from tests.scenarios.conftest import (
    ROOT,
    SITE,
    Run,
    description_of_the_lab,
    environment,
    load_web_image,
    on_each,
    wait_for,
)
from tests.scenarios.drift_kinds import GROUPS, Kind
from tests.scenarios.test_create import SNAPSHOT, names

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
        """``python -m pyinfra_swarm.drift --lab --json``, as a user runs it."""
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pyinfra_swarm.drift", "--lab", "--json", *arguments],
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

    def mend(self, deploy: str = SITE[1]) -> None:
        """The whole job once more, or one deploy of it."""
        run = self.apply("-y", SITE[0], deploy, env=self.settings)
        assert run.returncode == 0, run.output

    def run(self, host: str, kind: Kind, script: str, *, there: bool = False) -> None:
        """Something that happens to a host, done there or by a manager."""
        at = host if there or not kind.by_manager else self.acting(but=host)
        variables = {**self.keys, "NODE": host, "LOGIN": self.found.host(host).user}
        set_all = "".join(f"{name}='{value}'; " for name, value in variables.items())
        done = self.lab.run(at, ["sudo", "bash", "-c", set_all + script], check=False)
        assert done.returncode == 0, f"{kind.name} on {host}: {done.stdout}{done.stderr}"

    def acting(self, but: str = "") -> str:
        """The manager that speaks for the swarm, and is not ``but``."""
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


# Thirty kinds of drift and more, one by one
# ------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What became of a kind: the host it was put on, and the checks before and after mending."""

    host: str
    broken: Checked
    mended: Checked


_outcomes: dict[str, Outcome | BaseException] = {}


def outcome(cluster: Cluster, kind: Kind) -> Outcome:
    """A kind brought about, checked, mended and checked again: done once."""
    if kind.name not in _outcomes:
        try:
            _outcomes[kind.name] = _carried_out(cluster, kind)
        except BaseException as error:
            _outcomes[kind.name] = error
        if not _in_sync(_outcomes[kind.name]):
            cluster.lab.reset()  # the next begins with hosts that are as they should be
            cluster.mend()
    done = _outcomes[kind.name]
    if isinstance(done, BaseException):
        raise done
    return done


def _in_sync(done: Outcome | BaseException) -> bool:
    return isinstance(done, Outcome) and done.mended.code == 0


def _carried_out(cluster: Cluster, kind: Kind) -> Outcome:
    able = [host.name for host in cluster.found.hosts if kind.on in ("any", host.role)]
    host = random.Random(f"{SEED} {kind.name}").choice(able)
    if kind.first:
        cluster.run(host, kind, kind.first, there=True)
    cluster.run(host, kind, kind.breaks)
    broken = cluster.check()
    by_hand = kind.kind != "change"
    if by_hand and kind.undo:
        cluster.run(host, kind, kind.undo, there=kind.undo_there)
    deploys = dict.fromkeys(one["mended_by"] for one in broken.found if one["mended_by"])
    if kind.kind == "refusal":  # the remedy ends with "run again"
        deploys = {SITE[1]: None}
    for deploy in deploys:
        cluster.mend(deploy)
    if kind.undo and not by_hand:  # what a deploy has mended leaves something to clear
        cluster.run(host, kind, kind.undo, there=kind.undo_there)
    return Outcome(host, broken, cluster.check())


EVERY = [
    pytest.param(kind, id=f"{group}-{kind.name}".replace(" ", "_"))
    for group, kinds in GROUPS.items()
    for kind in kinds
]


@pytest.mark.lifecycle
@pytest.mark.parametrize("kind", EVERY)
def test_drift_is_found_on_its_host_with_its_reason(cluster: Cluster, kind: Kind) -> None:
    seen = outcome(cluster, kind)
    host = cluster.acting() if kind.of_cluster else seen.host
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
    surprising = [
        one
        for one in seen.broken.found
        if one["host"] != host
        or not any(
            fnmatch.fnmatch(f"{one['part']}/{one['what']}", pattern)
            for pattern in (f"{kind.part}/{kind.what}", *kind.also)
        )
    ]
    assert surprising == [], f"seed {SEED}: {json.dumps(surprising, indent=1)}"


@pytest.mark.lifecycle
@pytest.mark.parametrize("kind", EVERY)
def test_drift_is_mended_by_the_deploy_that_is_named(cluster: Cluster, kind: Kind) -> None:
    seen = outcome(cluster, kind)
    assert (seen.mended.code, seen.mended.found) == (0, []), f"seed {SEED}, on {seen.host}"


def test_there_are_thirty_kinds_of_drift() -> None:
    kinds = [kind.name for kinds in GROUPS.values() for kind in kinds]
    assert len(set(kinds)) == len(kinds) >= 30


DOWNGRADE = """\
version=$(apt-cache madison docker-ce | awk -v wanted=OLDER '$3 ~ wanted {print $3; exit}')
sed -i '/"ip6tables"/d' /etc/docker/daemon.json  # which that engine does not know
DEBIAN_FRONTEND=noninteractive apt-get install -yq --allow-downgrades --allow-change-held-packages \
  docker-ce=$version docker-ce-cli=$version
apt-mark hold docker-ce docker-ce-cli
"""


@pytest.mark.lifecycle
def test_absent_another_engine_version_is_found_where_it_is_and_mended_by_the_upgrade(
    cluster: Cluster,
) -> None:
    older, *_, newest = cluster.found.docker_versions
    worker = next(host.name for host in cluster.found.hosts if host.role == "worker")
    cluster.lab.run(worker, ["sudo", "sh", "-ec", DOWNGRADE.replace("OLDER", older)], timeout=300)
    settled(cluster)
    undeclared = cluster.check()
    assert undeclared.code == 2
    refused = [one for one in undeclared.found if one["what"] == "Docker Engine"]
    assert sorted(one["host"] for one in refused) == sorted(names(cluster.found))
    for one in refused:
        assert f"{older} on {worker}" in one["reason"]
        assert f'Declare docker.version = "{newest}"' in one["remedy"]
    declared = cluster.check(SWARM_DOCKER__VERSION=newest)
    assert declared.code == 2
    (one,) = declared.found
    assert (one["host"], one["part"], one["what"], one["kind"]) == (
        worker,
        "docker",
        "Docker",
        "notice",
    )
    assert (one["expected"], one["found"]) == (newest, older)
    assert one["remedy"].startswith("deploys/upgrade.py")
    wanted = {**cluster.settings, "SWARM_DOCKER__VERSION": newest}
    run = cluster.apply("-y", "inventory.py", "deploys/upgrade.py", env=wanted)
    assert run.returncode == 0, run.output
    mended = cluster.check(SWARM_DOCKER__VERSION=newest)
    assert (mended.code, mended.found) == (0, [])


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
echo '# docker'; docker ps -aq --no-trunc | xargs -r docker inspect \
  --format '{{.Id}} {{.State.Status}} {{.State.StartedAt}} {{json .NetworkSettings.Networks}}'
docker network ls --no-trunc -q | sort; docker volume ls -q | sort
docker node ls --format '{{.ID}} {{.Status}} {{.Availability}} {{.ManagerStatus}}' 2>/dev/null
docker service ls -q 2>/dev/null | xargs -r docker service inspect --format '{{json .}}'
echo '# state'; find /var/lib/pyinfra-swarm -type f -exec sha256sum {} + | sort -k 2
echo '# started'; systemctl show docker containerd ssh -p ExecMainStartTimestampMonotonic -p MainPID
echo '# modules'; lsmod | awk '{print $1}' | sort
echo '# run'; ls -R /run/pyinfra-swarm 2>/dev/null; cat /proc/sys/net/ipv4/ip_forward
"""
SERVICE = "docker service create -q --detach=false --mode global --name web lab/web:1"
CONTAINER = "docker run -d --name alone lab/web:1"


@pytest.mark.lifecycle
def test_read_only_a_check_changes_nothing_on_any_host(cluster: Cluster) -> None:
    kinds = [
        kind
        for kind in GROUPS["hosts"]
        if kind.name in ("a changed daemon.json", "a label added", "a node relabelled")
    ]
    hosts, host = names(cluster.found), names(cluster.found)[-1]
    load_web_image(hosts)
    on_each([cluster.acting()], f"{SERVICE} && {CONTAINER}")
    for kind in kinds:  # there is something to mend, and it is left as it is
        cluster.run(host, kind, kind.breaks)
    try:
        before = on_each(hosts, SNAPSHOT + MORE)
        checked = cluster.check()
        after = on_each(hosts, SNAPSHOT + MORE)
    finally:
        on_each([cluster.acting()], "docker rm -f alone; docker service rm web")
        for kind in kinds:
            if kind.undo:
                cluster.run(host, kind, kind.undo)
        cluster.mend()
    assert checked.code == 2
    for name in hosts:
        lines = before[name].splitlines(), after[name].splitlines()
        assert len(lines[0]) > 500  # the snapshot has seen something
        assert sum(" running " in line for line in lines[0]) >= 1  # the service's task, at least
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

FORWARD = """\
#!{python} -P
# A controller's command, given to the systemd of a host: the units first, then the words.
import json, pathlib, shlex, sys
given = json.loads(pathlib.Path(__file__).with_name("given.json").read_text())
sys.path.insert(0, given["root"])
from lab import api
there, script = given["there"], ""
for path in pathlib.Path(given["units"]).glob("*.*"):
    script += f"printf %s {{shlex.quote(path.read_text())}} > {{there}}/{{path.name}}\\n"
if not script:
    script = f"rm -f {{there}}/{{given['unit']}}.*\\n"
script += given["prefix"] + shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])
words = [*given["as"], "sh", "-c", f"mkdir -p {{there}}\\n{{script}}"]
done = api.run(given["host"], words, check=False)
sys.stdout.write(done.stdout)
sys.stderr.write(done.stderr)
sys.exit(done.returncode)
"""
USERS_MANAGER = """\
systemctl start user-runtime-dir@{uid}
systemd-run -q -u users-manager --uid={login} -E XDG_RUNTIME_DIR=/run/user/{uid} \
  -E HOME=/home/{login} -p Delegate=yes -p Type=notify /usr/lib/systemd/systemd --user
"""
"""Elsewhere libpam-systemd starts it (``loginctl enable-linger``); the lab's hosts have none."""
STUB = "#!/bin/sh\necho checking $*\nsleep {seconds}\nexit 2\n"


@pytest.mark.lifecycle
@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_timer_is_installed_fires_is_shown_and_removed_on_a_real_systemd(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: bool
) -> None:
    lab, host = cluster.lab, names(cluster.found)[-1]
    login = cluster.found.host(host).user
    uid = lab.run(host, "id -u").stdout.strip()
    there = f"/home/{login}/.config/systemd/user" if user else "/etc/systemd/system"
    state = f"/home/{login}/.local/state/{UNIT}" if user else f"/var/lib/{UNIT}"
    prefix = f"export XDG_RUNTIME_DIR=/run/user/{uid}; " if user else ""
    begun = lab.run(host, "date +%s").stdout.strip()
    asked = ["sudo", "-u", login] if user else ["sudo"]

    def systemctl(words: str) -> str:
        return str(lab.run(host, [*asked, "sh", "-c", prefix + words], check=False).stdout)

    units, commands = tmp_path / "units", tmp_path / "bin"
    commands.mkdir()
    given = {
        "root": str(ROOT),
        "units": str(units),
        "unit": UNIT,
        "host": host,
        "there": there,
        "prefix": prefix,
        "as": asked,
    }
    (commands / "given.json").write_text(json.dumps(given))
    for name in ("systemctl", "systemd-analyze"):
        (commands / name).write_text(FORWARD.format(python=sys.executable))
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.setattr("pyinfra_swarm.drift.schedule.folder", lambda **_: units)
    lab.run(host, ["sudo", "tee", "/bin/stub"], stdin=STUB.format(seconds=3))
    lab.run(host, "sudo chmod 755 /bin/stub")
    if user:
        on_each([host], USERS_MANAGER.format(uid=uid, login=login))
    schedule = Schedule(
        when="*:*:0/2", jitter=0, python="/bin/stub", root="/", timeout=20, user=user
    )
    ctl = "systemctl --user" if user else "systemctl"
    try:
        assert "The check runs *:*:0/2" in install(schedule)
        wait_for(
            lambda: journal(lab, host, begun).count("Finished") >= 2, "the timer to fire twice", 60
        )
        # While one check runs, no other begins; and drift is not a failure of the service.
        steps = [
            word
            for line in journal(lab, host, begun).splitlines()
            for word in ("Starting", "Finished")
            if word in line
        ]
        assert steps[:4] == ["Starting", "Finished"] * 2
        assert f"checking -m pyinfra_swarm.drift --since {state}/state.json" in journal(
            lab, host, begun
        )
        assert lab.run(host, f"sudo stat -c %a {state}").stdout.strip() == "700"
        # So far one run followed the other; now there is time to look between them.
        lab.run(host, ["sudo", "tee", "/bin/stub"], stdin=STUB.format(seconds=0))
        wait_for(lambda: "ExecMainStatus=2" in show(user=user), "a run that has ended", 60)
        shown = show(user=user)
        assert f"{UNIT}.timer" in shown
        assert "Result=success" in shown
        assert "The timer is removed" in remove(user=user)
        assert f"{UNIT}" not in systemctl(f"{ctl} list-timers --all {UNIT}.timer")
        assert f"{UNIT}" not in systemctl(f"{ctl} list-unit-files {UNIT}.timer")
        assert not list(units.iterdir())
    finally:
        systemctl(f"{ctl} disable --now {UNIT}.timer; rm -rf {there}/{UNIT}.* {state}")
        systemctl(f"{ctl} daemon-reload")
        stop = f"systemctl stop users-manager user-runtime-dir@{uid}; " if user else ""
        on_each([host], f"{stop}rm -f /bin/stub")


def journal(lab: ModuleType, host: str, since: str) -> str:
    """The words of the service since then (seconds since 1970), whoever's manager runs it."""
    words = f"_SYSTEMD_UNIT={UNIT}.service + UNIT={UNIT}.service"
    words += f" + USER_UNIT={UNIT}.service + SYSLOG_IDENTIFIER=stub"
    return str(lab.run(host, f"sudo journalctl --no-pager -o cat --since @{since} {words}").stdout)


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
