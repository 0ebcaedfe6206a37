"""Every host takes part in every operation, in one order, and a converged host costs little.

pyinfra orders operations by what each host calls; an operation that only some hosts call can come
before one that it rests on. So roles are decided inside of operations, and this proves it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.description import Description
from tests.bench.remote_commands import commands_in, facts_in, parts, table
from tests.scenarios.conftest import SITE, Run, changes_in, reasons

PYINFRA = Callable[..., Run]
MOST_COMMANDS = 8
"""Remote commands a host may see in a dry run of the whole site."""


@pytest.fixture(scope="module")
def debugged(converged: Description, pyinfra: PYINFRA) -> Any:
    """What pyinfra knows of the operations of the whole site."""
    run = pyinfra(*SITE, "--debug-operations", "--json")
    assert run.returncode == 0, run.stderr
    return run.json


def test_every_operation_is_called_on_every_host_under_one_name(
    converged: Description, debugged: Any
) -> None:
    everyone = sorted(host.name for host in converged.hosts)
    assert debugged["op_order"]
    for operation in debugged["op_order"]:
        assert operation["hosts"] == everyone, operation["names"]
        assert len(operation["names"]) == 1


def test_every_host_calls_them_in_the_order_in_which_they_run(
    converged: Description, debugged: Any
) -> None:
    order = [operation["op_hash"] for operation in debugged["op_order"]]
    called = debugged["operations"]
    assert len(called) == len(converged.hosts)
    for host, operations in called.items():
        assert list(operations) == order, host


def test_the_order_is_the_story_of_the_site(debugged: Any) -> None:
    titles = [operation["names"][0].split(" | ")[0] for operation in debugged["op_order"]]
    story = ["Preflight", "Access", "SSH", "Updates", "Docker", "VPN", "Firewall", "Swarm"]
    story += ["Secrets and configs", "Stacks", "Exposure", "Doors"]
    assert list(dict.fromkeys(titles)) == story
    assert titles == sorted(titles, key=story.index)


def test_on_converged_hosts_no_operation_yields_anything(
    converged: Description, pyinfra: PYINFRA, tmp_path: Path
) -> None:
    run = pyinfra("--dry", "--json", *SITE, env={"SWARM_REASONS": str(tmp_path / "reasons")})
    assert run.returncode == 0, run.stderr
    assert changes_in(run.json) == []
    assert [entry for entry in reasons(tmp_path / "reasons") if entry["kind"] != "notice"] == []
    for operation in run.json["plan"]:
        assert len(operation["names"]) == 1


def test_a_dry_run_asks_each_host_once_for_each_part(
    converged: Description, pyinfra: PYINFRA, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pyinfra("--dry", "-vv", *SITE)
    assert run.returncode == 0, run.stderr
    everyone = [host.name for host in converged.hosts]
    counted, asked = commands_in(run.output), parts(facts_in(run.output))
    with capsys.disabled():
        print(f"\n\n{table(asked, everyone)}\n")
    for part, counts in asked.items():
        assert dict(counts) == dict.fromkeys(everyone, 1), part
    for host in everyone:
        assert counted[host] == len(asked)  # nothing was sent that is not one of these facts
        assert counted[host] <= MOST_COMMANDS
