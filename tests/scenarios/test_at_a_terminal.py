"""What a person at a terminal sees: the plan first, a question, and an honest end."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.scenarios.conftest import ROOT, Run, environment, pyinfra_argv
from tests.tools.terminal import Terminal

OWN_FILE = "/etc/apt/apt.conf.d/90pyinfra-swarm"
QUESTION = "Do it?"


def at_a_terminal(*arguments: str) -> Terminal:
    """pyinfra, as a person at a terminal starts it."""
    return Terminal(pyinfra_argv(*arguments), cwd=ROOT, env=environment())


@pytest.fixture
def drifted(lab: ModuleType, pyinfra: Callable[..., Run]) -> ModuleType:
    """Updates as declared everywhere, but for one file that is gone from node2."""
    run = pyinfra("-y", "inventory.py", "deploys/updates.py")
    assert run.returncode == 0, run.output
    lab.run("node2", f"sudo rm {OWN_FILE}")
    return lab


def test_the_plan_is_shown_and_enter_carries_it_out(drifted: ModuleType) -> None:
    terminal = at_a_terminal("inventory.py", "deploys/updates.py")
    terminal.wait_for(QUESTION)
    assert re.search(r"~ updates +node2: ", terminal.words)
    assert drifted.run("node2", f"test -e {OWN_FILE}", check=False).returncode == 1
    terminal.type("\n")
    assert terminal.finish() == 0
    assert "hosts are done" in terminal.shown
    assert drifted.run("node2", f"test -e {OWN_FILE}", check=False).returncode == 0


@pytest.mark.parametrize("answer", ["n\n", None], ids=["no", "ctrl-c"])
def test_anything_else_changes_nothing(drifted: ModuleType, answer: str | None) -> None:
    terminal = at_a_terminal("inventory.py", "deploys/updates.py")
    terminal.wait_for(QUESTION)
    if answer is None:
        terminal.interrupt()
        assert terminal.finish() == 130
        assert "The run was interrupted; nothing was changed" in terminal.shown
    else:
        terminal.type(answer)
        terminal.finish()
        assert "nothing was changed yet" in terminal.shown
    assert drifted.run("node2", f"test -e {OWN_FILE}", check=False).returncode == 1


def test_without_a_terminal_a_run_says_what_to_give(
    drifted: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    run = pyinfra("inventory.py", "deploys/updates.py")
    assert run.returncode == 1
    assert "A dry run shows what would change, -y changes it" in run.output
    assert "Traceback" not in run.output
    assert "Connecting" not in run.output


def test_a_run_limited_to_one_host_leaves_the_others_alone(
    drifted: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    run = pyinfra("-y", "inventory.py", "deploys/updates.py", "--limit", "node1")
    assert run.returncode == 0, run.output
    assert "node1 is as declared. Nothing was changed." in run.output
    assert drifted.run("node2", f"test -e {OWN_FILE}", check=False).returncode == 1
