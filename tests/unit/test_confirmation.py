"""What destroys something is asked for: at a terminal by a word, elsewhere by giving it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.settings_sources import ROOT
from operations.confirmation import refusal
from tests.terminal import Terminal

SUBJECT = '''
"""A job that destroys what a host says is there."""
from cluster.findings import Change
from operations.confirmation import confirmed
from operations.converge import converges, script, tell


@converges("erase")
def erased():
    if not tell("erase", [Change("the data", "is not wanted any more")]):
        return
    confirmed("rk4", "rk4 leaves the swarm, and its volumes are lost.")
    yield script("erase the data")


@converges("erase")
def erased_again():
    confirmed("rk4", "rk4 leaves the swarm, and its volumes are lost.")
    yield script("erase the rest")
'''

INVENTORY = """
import atexit as _atexit

from pyinfra.context import ctx_state as _ctx_state

from operations import story as _story

hosts = [
    (f"@fake/{{name}}", {{"fake_delay": 0.02, "fake_delay_jitter": 0, **{data!r}}})
    for name in ("rk1", "rk2", "rk3")
]
_story.install()


def _count(path={erased!r}):
    inventory = _ctx_state.get().inventory
    said = [command for host in inventory for command in host.connector.executed_commands]
    open(path, "w").write(str(sum("erase the" in command for command in said)))


_atexit.register(_count)
"""

DEPLOY = """
import subject
subject.erased(name="Erase", _serial={serial})
subject.erased_again(name="Erase the rest")
"""

QUESTION = "To go on, type rk4 and press enter; anything else changes nothing: "
CONFIRMED = 6  # three hosts, two commands each


class Job:
    """The job in a folder of its own."""

    def __init__(self, folder: Path, *, serial: bool = False, data: object = None) -> None:
        self.folder = folder
        (folder / "subject.py").write_text(SUBJECT)
        (folder / "deploy.py").write_text(DEPLOY.format(serial=serial))
        (folder / "inventory.py").write_text(
            INVENTORY.format(erased=str(folder / "erased"), data=data or {})
        )

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{self.folder}"}

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "pyinfra", *arguments, "inventory.py", "deploy.py"]

    def run(self, *arguments: str) -> tuple[int, str]:
        """Without a terminal: the exit code and all that was said."""
        done = subprocess.run(
            self.argv(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout

    @property
    def erased(self) -> int:
        return int((self.folder / "erased").read_text())


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def start(job: Job, *arguments: str) -> Terminal:
        started.append(Terminal(job.argv(*arguments), cwd=job.folder, env=job.environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()


@pytest.mark.parametrize("serial", [False, True], ids=["at once", "one by one"])
def test_the_word_typed_at_a_terminal_has_it_done_and_is_asked_for_once(
    tmp_path: Path, terminal: Callable[..., Terminal], serial: bool
) -> None:
    job = Job(tmp_path, serial=serial)
    shown = terminal(job, "-y")
    shown.wait_for(QUESTION)
    assert "rk4 leaves the swarm, and its volumes are lost." in shown.shown
    shown.type("rk4\n")
    assert shown.finish() == 0
    assert shown.words.count(QUESTION) == 1
    assert job.erased == CONFIRMED


def test_nothing_is_written_over_the_question(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    shown = terminal(Job(tmp_path), "-y")
    shown.wait_for(QUESTION)
    before = shown.shown
    for _ in range(5):  # pyinfra's spinner would have turned five times
        shown.read(0.2)
    assert shown.shown == before
    assert shown.words.endswith(QUESTION)


def test_it_is_asked_after_pyinfras_own_question_and_not_before(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    job = Job(tmp_path)
    shown = terminal(job)
    shown.wait_for("Press enter to execute")
    assert QUESTION not in shown.words
    shown.type("\n")
    shown.wait_for(QUESTION)
    shown.type("rk4\n")
    assert shown.finish() == 0
    assert job.erased == CONFIRMED


@pytest.mark.parametrize("answer", ["\n", "y\n", "RK4\n", "\x04"], ids=["enter", "y", "RK4", "^D"])
def test_anything_else_changes_nothing(
    tmp_path: Path, terminal: Callable[..., Terminal], answer: str
) -> None:
    job = Job(tmp_path)
    shown = terminal(job, "-y")
    shown.wait_for(QUESTION)
    shown.type(answer)
    assert shown.finish() == 1
    assert job.erased == 0
    assert "the answer was another word" in shown.shown
    assert "0 of 3 hosts are done" in shown.shown


def test_ctrl_c_changes_nothing(tmp_path: Path, terminal: Callable[..., Terminal]) -> None:
    job = Job(tmp_path)
    shown = terminal(job, "-y")
    shown.wait_for(QUESTION)
    shown.interrupt()
    assert shown.finish() == 130
    assert job.erased == 0


def test_consent_to_the_run_is_not_the_word_where_nobody_can_be_asked(tmp_path: Path) -> None:
    job = Job(tmp_path)
    code, said = job.run("-y")
    assert (code, job.erased) == (1, 0)
    assert "rk4 leaves the swarm, and its volumes are lost, and nobody has confirmed that" in said
    assert "-y inventory.py deploy.py --data confirm=rk4" in said
    assert QUESTION not in said


def test_the_word_given_answers_without_a_question(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    job = Job(tmp_path)
    code, said = job.run("-y", "--data", "confirm=rk4")
    assert (code, job.erased) == (0, CONFIRMED), said
    shown = terminal(job, "-y", "--data", "confirm=rk4")
    assert shown.finish() == 0
    assert QUESTION not in shown.words


def test_another_word_given_is_an_answer_too(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    job = Job(tmp_path)
    shown = terminal(job, "-y", "--data", "confirm=rk3")
    assert shown.finish() == 1
    assert job.erased == 0
    assert QUESTION not in shown.words


def test_a_word_in_the_inventory_confirms_nothing(tmp_path: Path) -> None:
    job = Job(tmp_path, data={"confirm": "rk4"})
    code, _ = job.run("-y")
    assert (code, job.erased) == (1, 0)


def test_a_dry_run_asks_nothing(tmp_path: Path, terminal: Callable[..., Terminal]) -> None:
    job = Job(tmp_path)
    shown = terminal(job, "--dry")
    assert shown.finish() == 0
    assert QUESTION not in shown.words
    assert "3 differences" in shown.shown
    assert job.erased == 0


def test_what_to_type_holds_the_right_word_once() -> None:
    said = refusal(
        "rk4",
        "rk4 leaves the swarm.",
        "rk3",
        ["-y", "inventory.py", "deploys/remove.py", "--data", "host=rk4", "--data", "confirm=rk3"],
    )
    assert said.sentence() == (
        "confirmation: rk4 leaves the swarm, and the answer was another word (rk3 → rk4). To have "
        "it done, answer rk4 when asked at a terminal, or type: pyinfra -y inventory.py "
        "deploys/remove.py --data host=rk4 --data confirm=rk4"
    )
