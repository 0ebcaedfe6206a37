"""The whole job on Debian 12 and on Ubuntu's userland, in one cluster.

One host is Debian 12: OpenSSH 9.2, iptables 1.8.9, systemd 252, from its own archives. The others
stand for Ubuntu (``lab.userland``): Debian 13's packages of the same programs, such as sudo-rs,
Rust's coreutils, netplan and chrony. All of them are managers, so that what is done on a manager
only is done on each. One story, in the order of this file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab import api, description
from tests.scenarios.conftest import (
    ROOT,
    SITE,
    Run,
    changes_in,
    description_of_the_lab,
    environment,
    on_each,
    wait_for,
)
from tests.scenarios.reports import assert_tells_of_machines_alone
from tests.tools import must_run

pytestmark = pytest.mark.lifecycle

PYINFRA = Callable[..., Run]
USERLANDS = ("ubuntu26", "debian12", "ubuntu24")
HOSTS = ("node1", "node2", "node3")


@pytest.fixture(scope="session")
def lab() -> Iterator[ModuleType]:
    """A lab of one manager of each userland."""
    up = description.read()
    if up is not None:
        if tuple(host.userland for host in up.hosts) != USERLANDS:
            must_run.give_up("another lab is up on this machine: `pyinfra-swarm lab down`")
        yield api
        return
    api.up(len(USERLANDS), 0, userland=",".join(USERLANDS))
    yield api
    api.down()


@dataclass(frozen=True)
class Checked:
    """What a check has found: host to its state, and to what differs there."""

    code: int
    states: dict[str, str]
    found: dict[str, list[str]]
    errors: str


def checked(settings: dict[str, str] | None = None) -> Checked:
    done = subprocess.run(
        [sys.executable, "-m", "pyinfra_swarm.drift", "--lab", "--json"],
        cwd=ROOT,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.stdout, done.stderr
    hosts: list[dict[str, Any]] = json.loads(done.stdout)["hosts"]
    return Checked(
        done.returncode,
        {host["name"]: host["state"] for host in hosts},
        {host["name"]: [one["what"] for one in host["differences"]] for host in hosts},
        done.stderr,
    )


IN_SYNC = dict.fromkeys(HOSTS, "in sync")


@pytest.fixture(scope="module")
def fresh(lab: ModuleType) -> description.Description:
    lab.reset()
    on_each(HOSTS, "systemctl is-system-running --wait || true")
    return description_of_the_lab()


def test_the_hosts_have_the_programs_of_what_they_stand_for(
    fresh: description.Description,
) -> None:
    ask = """
    . /etc/os-release; echo "$ID $VERSION_ID"
    sudo --version 2>&1 | head -n 1
    stat --version | head -n 1; sort --version | head -n 1; cp --version | head -n 1
    systemctl is-active chrony systemd-timesyncd ssh.socket
    if command -v netplan > /dev/null; then netplan get | head -n 1; fi
    systemctl --failed --no-legend --plain
    """
    said = {name: lines.splitlines() for name, lines in on_each(HOSTS, ask).items()}
    rusts, debians, gnus = (said[name] for name in HOSTS)
    assert [lines[0] for lines in (rusts, debians, gnus)] == [
        "ubuntu 26.04",
        "debian 12",
        "ubuntu 24.04",
    ]
    assert "sudo-rs" in rusts[1]
    assert [("uutils" in line) or ("GNU" not in line) for line in rusts[2:5]] == [
        True,
        True,
        False,
    ]
    assert rusts[5:] == ["active", "inactive", "active", "network:"]
    for lines in (debians, gnus):
        assert "Sudo version" in lines[1]
        assert all("GNU" in line for line in lines[2:5])
    assert debians[5:] == ["inactive", "active", "inactive"]
    assert gnus[5:] == ["inactive", "active", "active", "network:"]


def test_debian_12_is_that_release(fresh: description.Description) -> None:
    ask = "ssh -V 2>&1; iptables -V; systemctl --version; dpkg-query -W -f '${Version}\\n' libc6"
    said = on_each(["node2"], ask)["node2"]
    for version in ("OpenSSH_9.2", "iptables v1.8.9 ", "systemd 252", "\n2.36-"):
        assert version in said


@pytest.fixture(scope="module")
def looked(fresh: description.Description, pyinfra: PYINFRA) -> Run:
    return pyinfra("--dry", *SITE)


def test_a_dry_run_refuses_nothing(looked: Run) -> None:
    assert looked.returncode == 0, looked.output
    assert "✗" not in looked.stderr


@pytest.fixture(scope="module")
def built(looked: Run, pyinfra: PYINFRA) -> Run:
    return pyinfra("-y", *SITE)


def test_one_run_makes_a_cluster_of_them(built: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n  fresh hosts to a cluster: {built.seconds:.0f} s")
    assert built.returncode == 0, built.output
    assert "All 3 hosts are done" in built.closing


def test_a_second_run_changes_nothing(built: Run, pyinfra: PYINFRA) -> None:
    run = pyinfra("-y", "--json", *SITE)
    assert run.returncode == 0, run.stderr
    assert changes_in(run.json) == []


def test_a_check_finds_nothing(built: Run) -> None:
    seen = checked()
    assert (seen.code, seen.states) == (0, IN_SYNC), (seen.found, seen.errors)


def test_the_encryption_is_proven_between_them(
    built: Run, pyinfra: PYINFRA, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    run = pyinfra("-y", "inventory.py", "deploys/prove.py", "--data", f"report={report}")
    assert run.returncode == 0, run.output
    assert "6 of 6" in run.output
    told = assert_tells_of_machines_alone(report, description_of_the_lab())
    assert {one["distribution"] for one in told["hosts"]} == {"debian", "ubuntu"}


BREAK = """\
iptables -F SWARM-INPUT
echo '{}' > /etc/docker/daemon.json
echo 'PasswordAuthentication yes' > /etc/ssh/sshd_config.d/00-aaa.conf
sed -i 's/"1"/"0"/' /etc/apt/apt.conf.d/20auto-upgrades
rm -f /etc/apt/apt.conf.d/*pyinfra-swarm*
"""
OVERRIDDEN_NO_MORE = "rm /etc/ssh/sshd_config.d/00-aaa.conf"
"""What overrides the managed file is somebody's own: a run names it, and leaves it there."""


def test_what_was_changed_by_hand_is_found_and_mended(built: Run, pyinfra: PYINFRA) -> None:
    on_each(HOSTS, BREAK)
    seen = checked()
    assert seen.code == 2, (seen.found, seen.errors)
    for host in HOSTS:
        parts = " ".join(seen.found[host])
        assert "daemon.json" in parts, seen.found
        assert "PasswordAuthentication" in parts, seen.found
        assert "SWARM-INPUT" in parts or "chain" in parts, seen.found
        assert len(seen.found[host]) >= 4, seen.found
    on_each(HOSTS, OVERRIDDEN_NO_MORE)
    run = pyinfra("-y", *SITE)
    assert run.returncode == 0, run.output
    wait_for(lambda: checked().code == 0, "the hosts to be in sync again", 90)


ARM = """\
set -e
printf 'before\\n' > /etc/kept; chmod 640 /etc/kept; ln -sf kept /etc/kept-link
sh /usr/local/lib/pyinfra-swarm/restore --arm trial 4 'echo undone > /run/trial' \\
  file:root:/etc/kept file:root:/etc/kept-link file:root:/etc/not-there
printf 'after\\n' > /etc/kept; chmod 600 /etc/kept; rm /etc/kept-link; : > /etc/not-there
"""
LOOK = """\
cat /etc/kept; stat -c %a /etc/kept; readlink /etc/kept-link; cat /run/trial
[ -e /etc/not-there ] || echo gone
systemctl is-failed pyinfra-swarm-rollback-trial.service || true
"""


def test_a_change_that_nobody_confirms_undoes_itself(built: Run) -> None:
    on_each(HOSTS, ARM)
    done = ["before", "640", "kept", "undone", "gone", "inactive"]

    def undone() -> bool:
        return all(lines.splitlines() == done for lines in on_each(HOSTS, LOOK).values())

    try:
        wait_for(undone, "the changes to be undone", 60)
    finally:
        on_each(HOSTS, "rm -rf /etc/kept /etc/kept-link /var/lib/pyinfra-swarm/rollback/trial")


@pytest.mark.parametrize("host", ["node1", "node2"])
def test_after_a_reboot_they_are_as_declared(lab: ModuleType, built: Run, host: str) -> None:
    lab.reboot(host)
    wait_for(lambda: checked().code == 0, "the hosts to be in sync again", 120)
    assert checked().states == IN_SYNC
