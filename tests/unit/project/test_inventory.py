"""What pyinfra makes of `inventory.py`: run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.run.inventory import make_room_for_host_keys
from pyinfra_swarm.settings.model import Ssh
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked

BOARDS = """
[cluster]
name = "home"
[[hosts]]
name = "rk1"
address = "192.168.1.11"
role = "manager"
[[hosts]]
name = "rk2"
address = "192.168.1.12"
role = "manager"
ssh_host = "rk2.example.org"
ssh_port = 2222
[[hosts]]
name = "rk3"
address = "192.168.1.13"
role = "worker"
"""

COMMON = {"address", "role", "ssh_hostname", "ssh_port", "ssh_user", "ssh_strict_host_key_checking"}


def pyinfra(
    *arguments: str, settings: Path | str, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SWARM_")}
    return forked.run(
        # -P: as the console script, without the working directory in front of everything.
        [sys.executable, "-P", "-m", "pyinfra", *arguments],
        env={**clean, "SWARM_SETTINGS": str(settings), **environment},
        cwd=cwd,
    )


def inventory(settings: Path) -> dict[str, Any]:
    ran = pyinfra("inventory.py", "debug-inventory", "--json", settings=settings)
    assert ran.returncode == 0, ran.stderr
    return {host["name"]: host for host in json.loads(ran.stdout)}


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(BOARDS)
    return path


def test_every_host_is_in_the_group_of_its_role(boards: Path) -> None:
    hosts = inventory(boards)
    groups = {name: set(host["groups"]) for name, host in hosts.items()}
    assert groups == {
        "rk1": {"managers", "inventory"},
        "rk2": {"managers", "inventory"},
        "rk3": {"workers", "inventory"},
    }


def test_a_host_is_reached_as_declared(boards: Path) -> None:
    data = inventory(boards)["rk2"]["data"]
    assert data["ssh_hostname"] == "rk2.example.org"
    assert data["ssh_port"] == 2222
    assert data["ssh_strict_host_key_checking"] == "accept-new"
    assert data["address"] == "192.168.1.12"
    assert data["role"] == "manager"


def test_a_host_has_no_data_but_what_is_declared(boards: Path) -> None:
    data = inventory(boards)["rk1"]["data"]
    own = {key for key in data if not key.startswith(("_", "ssh_connect_"))}
    assert own == COMMON


def test_every_fact_and_operation_uses_sudo_and_has_a_timeout(boards: Path) -> None:
    data = inventory(boards)["rk3"]["data"]
    assert data["_sudo"] is True
    assert data["_timeout"] > 0


def test_a_key_and_known_hosts_are_passed_on_where_they_are_set(
    boards: Path, tmp_path: Path
) -> None:
    (tmp_path / "id").write_text("")
    boards.write_text(f'{BOARDS}[ssh]\nkey = "{tmp_path}/id"\nknown_hosts = "{tmp_path}/known"\n')
    data = inventory(boards)["rk1"]["data"]
    assert data["ssh_key"] == f"{tmp_path}/id"
    assert data["ssh_known_hosts_file"] == f"{tmp_path}/known"


def test_the_first_line_names_the_inventory_and_the_next_what_is_doubtful(boards: Path) -> None:
    ran = pyinfra("inventory.py", "debug-inventory", settings=boards)
    lines = ran.stderr.splitlines()
    at = lines.index("--> Loading inventory...")
    assert lines[at + 1].strip() == (
        f'Cluster "home": 3 hosts (2 managers, 1 worker) from cluster.toml ({boards.parent})'
    )
    assert "2 managers, an even number" in lines[at + 2]


def test_it_works_from_anywhere_with_chdir(boards: Path, tmp_path: Path) -> None:
    ran = pyinfra(
        "--chdir", str(ROOT), "inventory.py", "debug-inventory", settings=boards, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert 'Cluster "home"' in ran.stderr


def test_all_that_is_wrong_is_printed_without_a_traceback(boards: Path) -> None:
    boards.write_text(BOARDS.replace("192.168.1.11", "192.168.1.311") + "colour = 1\n")
    ran = pyinfra("inventory.py", "debug-inventory", settings=boards)
    assert ran.returncode == 1
    assert "--> The settings cannot be used: 2 problems in cluster.toml" in ran.stderr
    assert 'hosts[0] "rk1".address = "192.168.1.311"' in ran.stderr
    assert 'hosts[2] "rk3".colour' in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Connecting" not in ran.stderr


def test_a_host_that_does_not_answer_is_named_with_a_command_that_shows_why(
    boards: Path,
) -> None:
    text = boards.read_text().replace("rk2.example.org", "127.0.0.2")
    for last in ("1", "3"):
        address = f'address = "192.168.1.1{last}"\n'
        text = text.replace(address, f'{address}ssh_host = "127.0.0.{last}"\n')
    boards.write_text(text)
    ran = pyinfra(
        "--dry", "inventory.py", "deploys/preflight.py", settings=boards, SWARM_SSH__PORT="1"
    )
    assert ran.returncode == 1
    assert "0 of 3 hosts could be looked at." in ran.stderr
    lines = [line for line in ran.stderr.splitlines() if "not done: " in line]
    assert "not done: rk1: Could not connect" in lines[0]
    assert lines[0].endswith(". To see why: ssh -p 1 ubuntu@127.0.0.1")
    assert lines[1].endswith(". To see why: ssh -p 2222 ubuntu@127.0.0.2")


def test_a_place_for_findings_that_is_none_is_said_before_any_host_is_asked(
    boards: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "no" / "reasons"
    ran = pyinfra(
        "--dry", "inventory.py", "deploys/site.py", settings=boards, SWARM_REASONS=str(nowhere)
    )
    assert ran.returncode == 1
    assert f"SWARM_REASONS = {nowhere}: the findings cannot be written there: No such" in ran.stderr
    assert "Connecting" not in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("limit", ["rk9", "manager"])
def test_a_limit_that_is_no_host_does_not_end_as_a_run_that_found_nothing(
    boards: Path, limit: str
) -> None:
    ran = pyinfra("--limit", limit, "-y", "inventory.py", "deploys/site.py", settings=boards)
    assert ran.returncode == 1
    assert f"--limit {limit} is no host's name" in ran.stderr
    assert "instead: rk1, rk2, rk3; or managers, workers" in ran.stderr
    assert "Connecting" not in ran.stderr


def test_a_limit_to_a_group_without_hosts_is_refused_as_well(boards: Path) -> None:
    boards.write_text(BOARDS.replace('role = "worker"', 'role = "manager"'))
    ran = pyinfra("--limit", "workers", "-y", "inventory.py", "deploys/site.py", settings=boards)
    assert ran.returncode == 1
    assert "--limit workers names nobody: there are none" in ran.stderr
    assert "Connecting" not in ran.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--exclude", "rk*"], "--exclude leaves no host"),
        (["--limit", "rk3", "--exclude", "workers"], "--exclude leaves no host"),
        (["--exclude", "rk9"], "--exclude rk9 is no host's name"),
    ],
)
def test_an_exclusion_of_all_hosts_or_of_none_is_refused(
    boards: Path, options: list[str], message: str
) -> None:
    ran = pyinfra(*options, "-y", "inventory.py", "deploys/site.py", settings=boards)
    assert ran.returncode == 1
    assert message in ran.stderr
    assert "Connecting" not in ran.stderr


def test_an_exclusion_that_leaves_hosts_is_taken(boards: Path) -> None:
    ran = pyinfra("--exclude", "rk1", "inventory.py", "debug-inventory", settings=boards)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("limit", ["rk2", "rk*", "workers"])
def test_a_limit_to_hosts_or_groups_is_taken(boards: Path, limit: str) -> None:
    ran = pyinfra("--limit", limit, "inventory.py", "debug-inventory", settings=boards)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("stranger", ["package", "module"])
def test_a_package_that_hides_the_facts_is_named_and_stops_nothing(
    boards: Path, tmp_path: Path, stranger: str
) -> None:
    file = tmp_path / "facts/__init__.py" if stranger == "package" else tmp_path / "facts.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("")
    ran = pyinfra("inventory.py", "debug-inventory", settings=boards, PYTHONPATH=str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    hidden_by = str(file if stranger == "module" else file.parent)
    assert f"another package named facts ({hidden_by}) hides this project's own" in ran.stderr


def test_a_python_without_the_package_is_named(boards: Path, tmp_path: Path) -> None:
    (tmp_path / "pyinfra_swarm.py").write_text("raise ModuleNotFoundError('no', name='pydantic')\n")
    ran = pyinfra("inventory.py", "debug-inventory", settings=boards, PYTHONPATH=str(tmp_path))
    assert ran.returncode == 1
    assert f'The Python that runs pyinfra ({sys.executable}) has no module "pydantic"' in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("ssh", "made"),
    [
        (Ssh(), "home/.ssh"),
        (Ssh(known_hosts="~/.config/cluster/known"), "home/.config/cluster"),
        (Ssh(strict_host_keys="yes"), ""),
    ],
)
def test_the_first_host_key_that_is_taken_has_a_folder_to_be_kept_in(
    ssh: Ssh, made: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for _ in range(2):
        make_room_for_host_keys(ssh)
    found = [path for path in (tmp_path / "home").rglob("*") if not any(path.iterdir())]
    assert found == ([tmp_path / made] if made else [])
    assert not made or (tmp_path / made).stat().st_mode & 0o777 == 0o700


def test_where_no_folder_can_be_made_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    make_room_for_host_keys(Ssh())
