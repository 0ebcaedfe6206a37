"""Whole sessions at a terminal, on the lab: what a person reads, kept for who reviews it.

``tests/recordings/README.md`` says how they are renewed. What a session shows is compared line by
line where it is the same each time; a first run on another machine has other times and versions.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.scenarios.conftest import ROOT, Run, environment, on_each, pyinfra_argv
from tests.tools.terminal import Terminal

pytestmark = pytest.mark.lifecycle

RECORDINGS = ROOT / "tests/recordings/lab"
SITE = ("inventory.py", "deploys/site.py")
HOSTS = ("node1", "node2", "node3", "node4")
PATIENCE = 900


def at_a_terminal(*arguments: str, **settings: str) -> Terminal:
    return Terminal(pyinfra_argv(*arguments), cwd=ROOT, env=environment(settings))


def steady(text: str) -> str:
    """What was shown, without what differs from time to time."""
    text = re.sub(r"\x1b\[[0-9;]*[mK]", "", text).replace("\r\n", "\n").replace("\r", "")
    text = text.replace("^C", "").replace(str(ROOT), "PROJECT")
    for pattern, instead in (
        (r"\b\d+:\d\d\b", "0:00"),
        (r"\b\d+ (seconds|minutes|hours|days)\b", r"9 \1"),
        (r"\b\d+\.\d+\.\d+\b(?!\.)", "1.2.3"),
        (r"\b\d+\.\d+\.\d+\.\d+(/\d+)?\b", "192.0.2.1"),
        (r"\b[0-9a-z]{25}\b", "ID"),
        (r"python\S* \S*-m pyinfra|\S*pyinfra/__main__\.py", "pyinfra"),
    ):
        text = re.sub(pattern, instead, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n")) + "\n"


def recorded(name: str, terminal: Terminal) -> str:
    """The session; written where recordings are renewed, or there is none yet."""
    path, shown = RECORDINGS / f"{name}.txt", steady(terminal.shown)
    if os.environ.get("RENEW_RECORDINGS") or not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown)
    return shown


def test_a_first_run(lab: ModuleType) -> None:
    lab.reset()
    terminal = at_a_terminal(*SITE)
    terminal.wait_for("Do it?", timeout=PATIENCE)
    assert "--> The plan, after" in terminal.words
    terminal.type("y\n")
    assert terminal.finish(PATIENCE) == 0
    shown = recorded("first-run", terminal)
    assert re.search(r"(?m)^All 4 hosts are done after 0:00: \d+ changed", shown)
    assert "No changes" not in shown


def test_a_rerun(lab: ModuleType) -> None:
    terminal = at_a_terminal(*SITE)
    assert terminal.finish(PATIENCE) == 0
    shown = recorded("rerun", terminal)
    assert "Nothing was changed." in shown
    assert len(shown.splitlines()) <= 25


def test_one_declared_port(lab: ModuleType) -> None:
    port = '[{"port": 8080, "sources": ["203.0.113.10"]}]'
    terminal = at_a_terminal("--dry", *SITE, SWARM_FIREWALL__OPEN=port)
    assert terminal.finish(PATIENCE) == 0
    shown = recorded("one-port", terminal)
    plan = shown[shown.index("--> The plan") :].splitlines()
    assert [line for line in plan if "8080" in line] == [
        "    ~ firewall  node1–node4: 8080/tcp from 192.0.2.1: is to be opened"
    ]
    assert len([line for line in plan if line.strip()]) <= 6


def test_a_refusal(lab: ModuleType) -> None:
    terminal = at_a_terminal(*SITE, SWARM_FIREWALL__SSH_SOURCES='["198.51.100.0/24"]')
    assert terminal.finish(PATIENCE) == 1
    shown = recorded("refusal", terminal)
    assert shown.count("would be locked out") <= 2


def test_a_failure(lab: ModuleType) -> None:
    own = "/etc/apt/apt.conf.d/90pyinfra-swarm"
    on_each(["node1", "node2", "node3"], f"rm -f {own}")
    on_each(["node2"], "chattr +i /etc/apt/apt.conf.d")
    try:
        terminal = at_a_terminal("-y", "inventory.py", "deploys/updates.py")
        assert terminal.finish(PATIENCE) == 1
    finally:
        on_each(["node2"], "chattr -i /etc/apt/apt.conf.d")
    shown = recorded("failure", terminal)
    assert "not done: node2" in shown


def test_ctrl_c(lab: ModuleType) -> None:
    terminal = at_a_terminal(*SITE)
    terminal.wait_for("Planning", timeout=PATIENCE)
    terminal.read(2)
    os.kill(terminal.process.pid, 2)
    assert terminal.finish(60) == 130
    shown = recorded("ctrl-c", terminal)
    assert "The run was interrupted; nothing was changed." in shown


def test_a_drift_check(lab: ModuleType, pyinfra: Callable[..., Run]) -> None:
    on_each(["node1", "node2", "node3"], "rm -f /etc/apt/apt.conf.d/90pyinfra-swarm")
    argv = [*pyinfra_argv()[:2], "-m", "pyinfra_swarm.drift", "--lab"]
    terminal = Terminal(argv, cwd=ROOT, env=environment())
    assert terminal.finish(PATIENCE) == 2
    recorded("drift", terminal)
    assert pyinfra("-y", "inventory.py", "deploys/updates.py").returncode == 0
