"""Ctrl-C ends a run wherever it is met: also inside of a thread that drops exceptions."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked

SCRIPT = '''
from gevent import monkey

monkey.patch_all()
import os
import signal
import sys
import threading
import time

import gevent

from pyinfra_swarm.run import interruption

WHERE = {where!r}
interruption.is_executing = lambda: True


def last_lines():
    os.write(1, b"last lines\\n")


def meets_it():
    """As paramiko's reader of a connection, which is a thread to Python."""
    time.sleep(0.2)
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
    print("it goes on reading", flush=True)
    time.sleep(30)


interruption.GRACE, interruption._AT_LAST = {grace}, 1
interruption.notice_interruptions(last_lines)
if WHERE == "thread":
    threading.Thread(target=meets_it, daemon=True).start()
    gevent.sleep(30)
elif WHERE == "greenlet":
    gevent.spawn(meets_it)
    gevent.sleep(30)
elif WHERE == "main":
    gevent.spawn_later(0.2, os.kill, os.getpid(), signal.SIGINT)
    while True:
        gevent.sleep(0.01)
elif WHERE == "under way":
    gevent.spawn_later(0.2, os.kill, os.getpid(), signal.SIGINT)

    def step():
        with interruption.under_way("rk1"):
            gevent.sleep(0.6)
            print("the step is through", flush=True)
        interruption.stop_if_interrupted("rk1")
        print("another step", flush=True)

    gevent.spawn(step).join()
    gevent.sleep(30)
elif WHERE == "twice":
    for after in (0.2, 0.5):
        gevent.spawn_later(after, os.kill, os.getpid(), signal.SIGINT)
    with interruption.under_way("rk1"):
        gevent.sleep(30)
elif WHERE == "serial":
    gevent.spawn_later(0.2, os.kill, os.getpid(), signal.SIGINT)
    with interruption.under_way("rk1"):
        gevent.sleep(0.5)
        print("the step is through", flush=True)
    interruption.stop_if_interrupted("rk1")
    print("another step", flush=True)
elif WHERE == "stuck":
    gevent.spawn_later(0.2, os.kill, os.getpid(), signal.SIGINT)
    with interruption.under_way("rk1"):
        gevent.sleep(0.4)
        monkey.get_original("time", "sleep")(30)
elif WHERE == "over":
    interruption.too_late()
    os.kill(os.getpid(), signal.SIGINT)
    print("through", flush=True)
'''


def ended(folder: Path, where: str, grace: float = 5) -> tuple[int, str]:
    """How a process has ended that was interrupted there, and what it has shown."""
    (folder / "interrupted.py").write_text(SCRIPT.format(where=where, grace=grace))
    done = forked.run(
        [sys.executable, "-m", "interrupted"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
        stderr=-2,
        timeout=20,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("where", ["thread", "greenlet", "main"])
def test_it_ends_the_run_wherever_the_signal_is_met(tmp_path: Path, where: str) -> None:
    status, shown = ended(tmp_path, where)
    assert status == 130, shown
    assert "Ending." in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("where", ["under way", "serial"])
def test_a_step_that_is_under_way_comes_to_its_end_and_no_other_begins(
    tmp_path: Path, where: str
) -> None:
    status, shown = ended(tmp_path, where)
    assert status == 130, shown
    assert "what hosts are in the middle of may take 5 seconds more" in shown
    assert "the step is through" in shown
    assert "another step" not in shown


def test_a_second_one_ends_it_at_once(tmp_path: Path) -> None:
    status, shown = ended(tmp_path, "twice", grace=15)
    assert status == 130, shown


def test_a_step_that_does_not_end_is_waited_for_no_longer_than_is_said(tmp_path: Path) -> None:
    status, shown = ended(tmp_path, "under way", grace=0.1)
    assert status == 130
    assert "the step is through" not in shown


def test_a_run_that_is_stuck_ends_all_the_same_with_its_last_lines(tmp_path: Path) -> None:
    status, shown = ended(tmp_path, "stuck", grace=0.5)
    assert status == 130
    assert "last lines" in shown


def test_at_the_end_there_is_nothing_to_interrupt_any_more(tmp_path: Path) -> None:
    assert ended(tmp_path, "over") == (0, "through\n")
