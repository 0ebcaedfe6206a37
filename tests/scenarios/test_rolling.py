"""Rolling work under the eyes of a visitor: no request is lost that goes through the other nodes.

A client outside asks every node all the time, each request over a connection of its own, for a
page of a replicated service. Counted are the requests to nodes that are not being worked on.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import pytest

from lab import description
from pyinfra_swarm.run.telling import named
from tests.scenarios.conftest import (
    ROOT,
    SITE,
    Run,
    description_of_the_lab,
    environment,
    load_web_image,
    on_each,
    pyinfra_argv,
    wait_for,
)
from tests.scenarios.visitor import Request, a_visitor

pytestmark = pytest.mark.lifecycle

HOSTS = ("node1", "node2", "node3", "node4")
MARGIN = 1.0
"""Seconds by which the log's lines may be late: what a node's time of being worked on begins and
ends with is known from them."""


@dataclass
class Watched:
    """A run of pyinfra, each line with the time it came; and a visitor's requests meanwhile."""

    returncode: int = -1
    lines: list[tuple[float, str]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    @property
    def output(self) -> str:
        return "".join(line for _, line in self.lines)

    def worked_on(self) -> dict[str, tuple[float, float]]:
        """When each node was being worked on, by the log."""
        begun: dict[str, float] = {}
        spans: dict[str, tuple[float, float]] = {}
        for at, line in self.lines:
            for name in HOSTS:
                if f"[{name}] draining it" in line:
                    begun[name] = at
                if name in begun and name not in spans and f"[{name}] Success" in line:
                    spans[name] = (begun[name], at)
        return spans

    def turns(self) -> list[str]:
        return sorted(spans := self.worked_on(), key=lambda name: spans[name])

    def through_the_others(self) -> list[Request]:
        """The requests that no work on their own node has touched."""
        spans = self.worked_on()

        def touched(request: Request) -> bool:
            begin, end = spans.get(request.target, (0.0, 0.0))
            return request.ended > begin - MARGIN and request.begun < end + MARGIN

        return [request for request in self.requests if not touched(request)]


def watched(found: description.Description, *arguments: str, env: dict[str, str]) -> Watched:
    """Run pyinfra while a visitor looks."""
    seen = Watched()
    targets = {name: f"http://{found.host(name).address}/" for name in HOSTS}
    with a_visitor(found, targets) as requests:
        time.sleep(3)
        process = subprocess.Popen(
            pyinfra_argv("-v", *arguments),  # with each host's end of each operation
            cwd=ROOT,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            seen.lines.append((time.time(), line))
        seen.returncode = process.wait()
        time.sleep(3)
    seen.requests = requests
    return seen


def serve(lab: ModuleType, found: description.Description) -> None:
    """A replicated web server behind port 80 of every node."""
    load_web_image(HOSTS)
    lab.run(
        "node1",
        "sudo docker service create --quiet --detach --name web --no-resolve-image --replicas 3 "
        "--publish 80:80 lab/web:1",
    )
    ask = ["curl", "-fs", "--max-time", "5"]
    addresses = [f"http://{found.host(name).address}/" for name in HOSTS]
    wait_for(
        lambda: all(
            lab.in_namespace("cloudflare", [*ask, url]).returncode == 0 for url in addresses
        ),
        "every node to answer",
        180,
    )


def report(seen: Watched, path: Path) -> str:
    """What was counted, for the log of the tests."""
    others = seen.through_the_others()
    lost = [request for request in others if request.problem]
    for name, (begin, end) in seen.worked_on().items():
        own = [r for r in seen.requests if r.target == name and begin < r.begun < end]
        print(
            f"{name}: {end - begin:.0f} s, {sum(bool(r.problem) for r in own)} of {len(own)} lost"
        )
    print(f"through the others: {len(lost)} of {len(others)} lost")
    path.write_text("".join(f"{at:.1f} {line}" for at, line in seen.lines))
    return "\n".join(map(str, lost))


def listed(lab: ModuleType, on: str = "node1") -> list[str]:
    template = "{{.Hostname}} {{.Status}} {{.Availability}} {{.EngineVersion}}"
    said = lab.run(on, f"sudo docker node ls --format '{template}'").stdout
    return sorted(said.splitlines())


def labels(lab: ModuleType, on: str = "node1") -> str:
    nodes = "$(sudo docker node ls -q)"
    template = "{{range $key, $value := .Spec.Labels}}{{$key}} {{end}}"
    return str(lab.run(on, f"sudo docker node inspect --format '{template}' {nodes}").stdout)


def leader(lab: ModuleType) -> str:
    said = lab.run("node1", "sudo docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'")
    [name] = [row.split()[0] for row in said.stdout.splitlines() if row.endswith("Leader")]
    return str(name)


def boots(names: Sequence[str] = HOSTS) -> dict[str, str]:
    return on_each(names, "cat /proc/sys/kernel/random/boot_id")


def test_docker_is_upgraded_while_visitors_are_served(
    lab: ModuleType, pyinfra: Callable[..., Run], tmp_path: Path
) -> None:
    """From the oldest version that the lab offers to the next, and on to the newest."""
    lab.reset()
    found = description_of_the_lab()
    oldest, *later = found.docker_versions
    made = pyinfra("-y", *SITE, env={"SWARM_DOCKER__VERSION": oldest})
    assert made.returncode == 0, made.output
    serve(lab, found)
    lab.run("node1", "sudo docker node update --availability drain node4")  # and so it stays
    assert later
    for newer in later:
        last = leader(lab)
        declared = {"SWARM_DOCKER__VERSION": newer}
        site = pyinfra("--dry", *SITE, env=declared)
        assert "deploys/upgrade.py upgrades the nodes" in site.output
        seen = watched(found, "-y", "inventory.py", "deploys/upgrade.py", env=declared)
        lost = report(seen, tmp_path / f"upgrade-{newer}.log")
        assert seen.returncode == 0, seen.output
        assert seen.turns()[2:] == [last, "node4"]
        assert listed(lab) == [
            f"{name} Ready {'Drain' if name == 'node4' else 'Active'} {newer}" for name in HOSTS
        ]
        assert labels(lab).split() == []
        held = "apt-mark showhold | grep -c -e docker -e containerd"
        assert on_each(HOSTS, held) == dict.fromkeys(HOSTS, "5\n")
        assert len(seen.through_the_others()) > 1000
        assert lost == ""
        again = pyinfra("-y", "inventory.py", "deploys/upgrade.py", env=declared)
        assert again.closing == "All 4 hosts are as declared. Nothing was changed."
        # Firewall, configuration and networks as well: the new engine has started with all of it.
        site = pyinfra("--dry", *SITE, env=declared)
        assert site.closing == (
            "All 4 hosts are as declared, except for the 1 item marked ! above. "
            "Nothing was changed."
        ), site.output


def test_a_power_cut_in_the_middle_of_an_upgrade_is_made_good_by_the_same_command(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    lab.reset()
    older, newer = description_of_the_lab().docker_versions[-2:]
    made = pyinfra("-y", *SITE, env={"SWARM_DOCKER__VERSION": older})
    assert made.returncode == 0, made.output
    last = leader(lab)
    cut, *rest = [name for name in HOSTS if name != last]
    declared = {"SWARM_DOCKER__VERSION": newer}
    process = subprocess.Popen(
        pyinfra_argv("-y", "inventory.py", "deploys/upgrade.py"),
        cwd=ROOT,
        env=environment(declared),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if f"[{cut}] installing Docker" in line:
            # Until dpkg is at it: what is cut off then is neither the old engine nor the new one.
            wait_for(lambda: unpacking(lab, cut), "dpkg to unpack", 90)
            lab.power_cut(cut, wait=False)
    assert process.wait() == 1, "".join(said)
    output = "".join(said)
    assert f"not done: {cut}: upgrade: the connection broke" in output
    later = f"  not done: {named([*rest, last], HOSTS)}: "
    [line] = [line for line in output.splitlines() if line.startswith(later)]
    assert f"the rolling job stopped at {cut}, and all later nodes" in line
    lab.power_on(cut)
    # What cannot read the other's configuration is started again and again, until systemd has
    # enough of it: no start is granted then, not even to the package's own.
    wait_for(lambda: engine_is_settled(lab, cut), "the engine to run, or to be given up", 90)
    on = last if cut == "node1" else "node1"
    found = {row.split()[0]: row.split()[2:] for row in listed(lab, on)}
    assert found[cut][0] == "Drain"
    del found[cut]
    assert set(found) == {*rest, last}
    assert all(row == ["Active", older] for row in found.values())
    assert "availability-before" in labels(lab, on)
    run = pyinfra("-y", "inventory.py", "deploys/upgrade.py", env=declared)
    assert run.returncode == 0, run.output
    assert listed(lab) == [f"{name} Ready Active {newer}" for name in HOSTS]
    assert labels(lab).split() == []
    assert on_each(HOSTS, "dpkg --audit") == dict.fromkeys(HOSTS, "")
    site = pyinfra("--dry", *SITE, env=declared)
    assert site.closing == "All 4 hosts are as declared. Nothing was changed.", site.output


def engine_is_settled(lab: ModuleType, host: str) -> bool:
    asked = "systemctl is-active docker.service || systemctl is-failed docker.service"
    return bool(lab.run(host, asked, check=False).returncode == 0)


def unpacking(lab: ModuleType, host: str) -> bool:
    done = lab.run(host, "grep -q ' upgrade docker-ce:' /var/log/dpkg.log", check=False)
    return bool(done.returncode == 0)


def test_hosts_that_wait_for_it_are_rebooted_while_visitors_are_served(
    lab: ModuleType, converged: description.Description, tmp_path: Path
) -> None:
    lab.run("node1", "sudo docker node update --availability active node4")
    serve(lab, converged) if "web" not in lab.run(
        "node1", "sudo docker service ls --format '{{.Name}}'"
    ).stdout else None
    last = leader(lab)
    other = next(name for name in HOSTS[:3] if name != last)
    waiting = (other, last, "node4")
    on_each(waiting, "touch /run/reboot-required")
    before = boots()
    seen = watched(converged, "-y", "inventory.py", "deploys/reboot.py", env={})
    lost = report(seen, tmp_path / "reboot.log")
    assert seen.returncode == 0, seen.output
    assert seen.turns() == [other, last, "node4"]
    after = boots()
    assert {name for name in HOSTS if before[name] != after[name]} == set(waiting)
    assert [row.split()[1:3] for row in listed(lab)] == [["Ready", "Active"]] * 4
    assert lost == ""
