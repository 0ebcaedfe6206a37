"""Whatever happens while the firewall changes, the owner gets in, and no half of it stays."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType

import pytest

from tests.scenarios.conftest import Run, killed_at_the_end, wait_for
from tests.scenarios.reach import OPEN, SILENT, reach

pytestmark = pytest.mark.lifecycle

HOST = "node4"
FIREWALL = ("-y", "--limit", HOST, "inventory.py", "deploys/firewall.py")
ARMED = "/var/lib/pyinfra-swarm/rollback/firewall/armed"
QUICK = {"SWARM_SSH__ROLLBACK_AFTER": "20"}
EXTRA = {"SWARM_FIREWALL__OPEN": '[{"port": 9999}]'}
"""A policy that differs from the one on the host."""


@pytest.fixture(scope="module", autouse=True)
def cluster(lab: ModuleType, pyinfra: Callable[..., Run]) -> None:
    run = pyinfra("-y", "inventory.py", "deploys/site.py")
    assert run.returncode == 0, run.output


def root(lab: ModuleType, script: str) -> str:
    """Log in anew, use sudo, return what it said."""
    return str(lab.run(HOST, ["sudo", "sh", "-c", script], timeout=60).stdout).strip()


def rules(lab: ModuleType) -> str:
    """The filter tables of both families, without counters.

    What Docker drops of an encrypted network, in clear text, stands above our jump or below it:
    whoever came last went first. It is put below.
    """
    said = root(
        lab,
        "for t in iptables ip6tables; do $t-save -t filter | grep -v '^#' | sed 's/ \\[.*//'; done",
    )
    jump = "-A INPUT -j SWARM-INPUT\n"
    return re.sub(rf"((?:-A INPUT .*--bytecode .* -j DROP\n)+){jump}", rf"{jump}\1", said)


def is_there(lab: ModuleType) -> bool:
    return "-A INPUT -j SWARM-INPUT" in rules(lab)


def remove(pyinfra: Callable[..., Run]) -> None:
    run = pyinfra("-y", "--limit", HOST, "inventory.py", "deploys/firewall_removed.py")
    assert run.returncode == 0, run.output


def hanging_controller(
    extra: dict[str, str],
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """A run that has changed the firewall and does not get to confirm it."""
    deploy = "tests/scenarios/deploys/firewall_unconfirmed.py"
    words = ("-y", "--limit", HOST, "inventory.py", deploy)
    return killed_at_the_end(*words, settings={**QUICK, **extra})


def changed_but_not_confirmed(lab: ModuleType, extra: dict[str, str]) -> bool:
    looked_for = "--dport 9999" if extra else "SWARM-INPUT"
    return root(lab, f"[ -e {ARMED} ] && iptables-save | grep -c -e '{looked_for}' || :") not in (
        "",
        "0",
    )


def test_a_policy_that_forgets_ssh_undoes_itself_and_is_reported(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    before = rules(lab)
    begun = time.monotonic()
    run = pyinfra(
        *("-y", "--limit", HOST, "inventory.py", "tests/scenarios/deploys/firewall_lockout.py"),
        env=QUICK,
    )
    assert run.returncode == 1
    assert "a new login failed" in run.output or "no new login worked within 20" in run.output
    assert "put back what was there before; a new login confirmed it" in run.output
    assert f"not done: {HOST}" in run.output
    assert rules(lab) == before
    assert time.monotonic() - begun < 90


def test_on_a_host_without_a_firewall_it_is_gone_without_a_trace(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    remove(pyinfra)
    before = rules(lab)
    assert "SWARM" not in before
    run = pyinfra(
        *("-y", "--limit", HOST, "inventory.py", "tests/scenarios/deploys/firewall_lockout.py"),
        env=QUICK,
    )
    assert run.returncode == 1
    assert rules(lab) == before
    assert root(lab, "ls /etc/pyinfra-swarm /usr/local/lib/pyinfra-swarm/firewall 2>&1 || :") in (
        "ls: cannot access '/usr/local/lib/pyinfra-swarm/firewall': No such file or directory\n"
        "/etc/pyinfra-swarm:",
        "/etc/pyinfra-swarm:\n"
        "ls: cannot access '/usr/local/lib/pyinfra-swarm/firewall': No such file or directory",
    )
    assert root(lab, "systemctl is-active docker") == "active"
    again = pyinfra(*FIREWALL)
    assert again.returncode == 0, again.output


@pytest.mark.parametrize("extra", [{}, EXTRA], ids=["the first firewall", "another policy"])
def test_a_killed_controller_leaves_the_host_as_it_was(
    lab: ModuleType, pyinfra: Callable[..., Run], extra: dict[str, str]
) -> None:
    if not extra:
        remove(pyinfra)
    before = rules(lab)
    with hanging_controller(extra):
        wait_for(lambda: changed_but_not_confirmed(lab, extra), "the change", 60)
    wait_for(lambda: rules(lab) == before, "the host to undo it", 60)
    assert root(lab, "systemctl is-active docker") == "active"
    run = pyinfra(*FIREWALL)
    assert run.returncode == 0, run.output
    assert is_there(lab)
    assert "Nothing was changed" in pyinfra(*FIREWALL).output


@pytest.mark.parametrize("extra", [{}, EXTRA], ids=["the first firewall", "another policy"])
def test_a_power_cut_before_the_confirmation_leaves_the_host_as_it_was(
    lab: ModuleType, pyinfra: Callable[..., Run], extra: dict[str, str]
) -> None:
    if not extra:
        remove(pyinfra)
    slow = {**extra, "SWARM_SSH__ROLLBACK_AFTER": "600"}  # the timer is not what undoes it
    with hanging_controller(slow):
        wait_for(lambda: changed_but_not_confirmed(lab, extra), "the change", 60)
        root(lab, "sync")
        lab.power_cut(HOST)
    said = rules(lab)
    assert ("SWARM-INPUT" in said) == bool(extra)
    assert "9999" not in said
    wait_for(lambda: root(lab, "systemctl is-active docker || :") == "active", "Docker", 120)
    run = pyinfra(*FIREWALL)
    assert run.returncode == 0, run.output
    assert is_there(lab)


def test_a_source_that_does_not_cover_this_run_is_refused_before_anything_changes(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    before = rules(lab)
    run = pyinfra(*FIREWALL, env={"SWARM_FIREWALL__SSH_SOURCES": '["10.9.8.0/24"]'})
    assert run.returncode == 1
    assert "this run comes from 192.168.77.1, which is not among them" in run.output
    assert rules(lab) == before


def test_sources_that_do_cover_it_shut_everybody_else_out_of_ssh(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    run = pyinfra(*FIREWALL, env={"SWARM_FIREWALL__SSH_SOURCES": '["192.168.77.1"]'})
    assert run.returncode == 0, run.output
    try:
        target = ("192.168.77.14", 22)
        assert reach(lab, "lab", [target])[target] == OPEN
        assert reach(lab, "stranger", [target])[target] == SILENT
        other = ("fd00:77::14", 22)
        assert reach(lab, "stranger", [other])[other] == SILENT
    finally:
        assert pyinfra(*FIREWALL).returncode == 0
