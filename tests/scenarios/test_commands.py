"""The commands of ``pyinfra-swarm`` on real hosts, as a user types them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab import network
from lab.description import Description
from pyinfra_swarm.settings import Settings
from tests.scenarios.conftest import (
    ROOT,
    SITE,
    Run,
    description_of_the_lab,
    environment,
    load_web_image,
    on_each,
    settings_with,
    wait_for,
)

pytestmark = pytest.mark.lifecycle

COMMAND = [sys.executable, "-P", "-m", "pyinfra_swarm.cli"]
NAMES = ["node1", "node2", "node3", "node4"]


def run(*words: str, env: dict[str, str] | None = None, inside: str = "") -> Run:
    """``pyinfra-swarm …`` from the project's folder; inside: from a namespace of the lab."""
    begun = time.monotonic()
    command = [*COMMAND, *words]
    done = subprocess.run(
        network.inside(inside, command) if inside else command,
        cwd=ROOT,
        env=environment({"PYTHONPATH": str(ROOT), **(env or {})}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)


def without_times(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? ?(s|seconds?|MiB)\b", "…", text)


# A plan, a run
# -------------


def test_a_plan_is_pyinfras_own(converged: Description, pyinfra: Callable[..., Run]) -> None:
    ours, theirs = run("plan"), pyinfra(*SITE, "--dry")
    assert (ours.returncode, theirs.returncode) == (0, 0), ours.output
    assert without_times(ours.closing) == without_times(theirs.closing)


def test_apply_changes_what_differs_and_then_nothing(converged: Description) -> None:
    on_each(["node4"], "docker swarm leave --force; sleep 5")
    planned = run("plan", "--limit", "node4")
    assert planned.returncode == 0, planned.output
    done = run("apply", "-y")
    assert done.returncode == 0, done.output
    again = run("apply", "-y")
    assert again.returncode == 0
    assert "as declared" in again.closing


# Status
# ------


@pytest.fixture(scope="module")
def served(converged: Description) -> Iterator[None]:
    """A service that is published where nobody outside reaches it."""
    load_web_image(NAMES)
    create = (
        "docker service create --quiet --detach --name shown --replicas 2 --publish 8080:80 "
        "--no-resolve-image lab/web:1 >/dev/null"
    )
    on_each(["node1"], create)
    ready = "docker service ls --filter name=shown --format '{{.Replicas}}'"
    wait_for(lambda: on_each(["node1"], ready)["node1"].strip() == "2/2", "two tasks")
    yield
    on_each(["node1"], "docker service rm shown >/dev/null")


def test_a_cluster_that_is_well_fits_a_screen(served: None) -> None:
    found = run("status")
    assert found.returncode == 0, found.output
    lines = found.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 110
    assert lines[0].endswith("4 of 4 nodes ready; 3 of 3 managers reachable, 1 more may fail")
    for name in NAMES:
        [row] = [line for line in lines if line.startswith(f"  {name} ")]
        assert re.search(r" ready +active +\d+\.\d+\.\d+ +\d+% of \S+ +\d+% of \S+ ", row), row
    [row] = [line for line in lines if line.startswith("  shown ")]
    assert re.fullmatch(r"  shown +2/2 +8080/tcp +nobody outside", row)
    assert found.seconds < 60


def test_status_for_programs(served: None) -> None:
    told = run("status", "--json").json
    assert [node["name"] for node in told["nodes"]] == NAMES
    assert all(node["memory"] > node["memory_used"] > 0 for node in told["nodes"])
    assert all(80 <= node["certificate_days"] <= 90 for node in told["nodes"])
    assert all(node["ranges_age"] is not None for node in told["nodes"])
    [shown] = [one for one in told["services"] if one["name"] == "shown"]
    assert (shown["running"], shown["wanted"]) == (2, 2)
    [port] = shown["ports"]
    assert (port["number"], port["protocol"]) == (8080, "tcp")
    assert (port["reached_by"], port["lacking"]) == (["nobody outside"], [])


def test_status_changes_nothing(served: None) -> None:
    look = "md5sum /etc/docker/daemon.json; docker service inspect shown -f '{{.Version}}'; ls /etc"
    before = on_each(NAMES, look)
    assert run("status").returncode == 0
    assert on_each(NAMES, look) == before


def test_a_host_without_power_hides_no_other(served: None, lab: ModuleType) -> None:
    lab.power_cut("node4", off_for=None)
    try:
        found = run("status", "--json")
        told = found.json
        by_name = {node["name"]: node for node in told["nodes"]}
        assert found.returncode in (1, 2), found.output
        assert by_name["node4"]["silent"]
        assert by_name["node1"]["disk"] is not None
        assert told["services"]
        assert "node4: " in run("status").stdout
    finally:
        lab.power_on("node4")
        wait_for(lambda: run("status", "--json").returncode == 0, "node4 to be back", 240)


# A new project
# -------------


def test_init_finds_the_hosts_and_writes_settings_that_plan(
    converged: Description, tmp_path: Path
) -> None:
    lab = description_of_the_lab()
    addresses = [str(host.address) for host in lab.hosts]
    for address in addresses:
        subprocess.run(["ssh-keygen", "-R", address], capture_output=True, check=False)
    folder = tmp_path / "home"
    try:
        made = run(
            *("init", str(folder), "--find", f"{addresses[0]}/28", "--user", lab.hosts[0].user),
            *("--key", str(lab.ssh_key)),
            inside=lab.namespace,
        )
    finally:
        for address in addresses:
            subprocess.run(["ssh-keygen", "-R", address], capture_output=True, check=False)
    assert made.returncode == 0, made.output
    assert made.stdout.count(": ready\n") == len(addresses)
    read = tomllib.loads((folder / "cluster.toml").read_text())
    assert [host["address"] for host in read["hosts"]] == addresses
    assert [host["name"] for host in read["hosts"]] == NAMES
    assert len(Settings(**read).managers) == 3
    written = (folder / "cluster.toml").read_text()
    again = run("init", str(folder), "--hosts", addresses[0], inside=lab.namespace)
    assert "was left as it is" in again.stdout
    assert (folder / "cluster.toml").read_text() == written


def test_init_says_what_a_board_needs(converged: Description, tmp_path: Path) -> None:
    lab = description_of_the_lab()
    address = str(lab.hosts[3].address)
    made = run(
        *("init", str(tmp_path / "home"), "--hosts", address, "--user", "nobody-here"),
        inside=lab.namespace,
    )
    subprocess.run(["ssh-keygen", "-R", address], capture_output=True, check=False)
    assert made.returncode == 2, made.output
    assert "it does not take your key for nobody-here" in made.stdout
    assert f"ssh-copy-id nobody-here@{address}" in made.stdout


def test_the_labs_settings_are_the_lab(converged: Description, tmp_path: Path) -> None:
    written = run("lab", "settings")
    assert written.returncode == 0, written.output
    (tmp_path / "lab.toml").write_text(written.stdout)
    planned = run("plan", env={"SWARM_SETTINGS": str(tmp_path / "lab.toml")})
    assert planned.returncode == 0, planned.output
    assert "as declared" in planned.closing


# "Your first service", as the README has it
# ------------------------------------------


def test_the_first_service_of_the_readme_answers_at_every_node(
    converged: Description, lab: ModuleType, tmp_path: Path
) -> None:
    """With an image of the lab's, and the lab's network in the place of the reader's."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [opening] = re.findall(r"^ {4}(open = .*)$", readme, re.MULTILINE)
    text = readme.partition("## Your first service")[2]
    stack, settings = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE)[:2]
    found = description_of_the_lab()
    image = re.sub(r"nginx:\S+", f"{found.registry}/lab/web:1", stack)
    image = re.sub(r"curl.*?127\.0\.0\.1\"", 'true"', image).replace('"-fs", ', "")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/hello.yml").write_text(re.sub(r"^ {4}", "", image, flags=re.MULTILINE))
    admin = found.clients["admin"]
    settings = re.sub(r"^ {4}", "", settings, flags=re.MULTILINE)
    more = f"[firewall]\n{opening}\n\n{settings}"
    more = more.replace("192.168.1.0/24", str(admin.address))
    path = settings_with(tmp_path / "lab.toml", more)
    variables = {"SWARM_SETTINGS": str(path)}
    assert run("lint", env=variables).returncode == 0
    done = run("apply", "-y", env=variables)
    try:
        assert done.returncode == 0, done.output
        for host in found.hosts:
            answer = lab.in_namespace(
                "admin", ["curl", "-fsS", "-m", "5", f"http://{host.address}"]
            )
            assert answer.returncode == 0, answer.stderr
        shown = json.loads(run("status", "--json", env=variables).stdout)
        [web] = [one for one in shown["services"] if one["name"] == "hello_web"]
        assert web["ports"][0]["reached_by"] == ["Cloudflare", str(admin.address)]
    finally:
        on_each(["node1"], "docker stack rm hello >/dev/null")
