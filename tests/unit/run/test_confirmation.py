"""What destroys something is asked for: at a terminal by a word, elsewhere by giving it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.run.confirmation import Proposal, differences, refusal
from pyinfra_swarm.run.findings import Change, Refusal
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked
from tests.tools.terminal import Terminal

SUBJECT = '''
"""A job that destroys what a host says is there."""
from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Refusal
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.confirmation import Proposal, confirmed
from pyinfra_swarm.run.converge import converges, observe_all, script


@dataclass(frozen=True)
class World(Observation):
    word: str


class Seen(SubjectFact[World]):
    def script(self):
        return "say what is there"

    def parse(self, said):
        return World(said["word"][0])


def proposal():
    """What is there is erased; a quorum that is back forbids it."""
    [word] = {seen.word for seen in observe_all(Seen).values()}
    if word == "quorum":
        return Proposal("erase", [Refusal("the swarm", "has its quorum")], None)
    if word == "nothing":
        return Proposal("erase", [], None)
    consequence = f"rk4 leaves the swarm, and its {word} are lost"
    change = Change("the data", "is not wanted any more", found=word)
    return Proposal("erase", [change], word, "rk4", consequence)


@converges("erase")
def erased():
    word = confirmed(proposal)
    if word:
        yield script(f"erase the {word}")


@converges("erase")
def erased_again():
    word = confirmed(proposal)
    if word:
        yield script(f"erase the rest of the {word}")
'''

INVENTORY = """
import atexit as _atexit

from pyinfra.context import ctx_state as _ctx_state

from pyinfra_swarm.run import start as _start
from tests.tools.answers import encoded as _encoded

class _Answers(dict):
    # What the hosts say of the world, which may change at any time.
    def items(self):
        word = open({world!r}).read()
        return {{"say what is there": _encoded(["", "#> word", word])}}.items()


_answers = _Answers(there=True)
hosts = [
    (
        f"@fake/{{name}}",
        {{"fake_delay": 0.02, "fake_delay_jitter": 0, "fake_responses": _answers, **{data!r}}},
    )
    for name in ("rk1", "rk2", "rk3")
]
_start.install()


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
            INVENTORY.format(
                erased=str(folder / "erased"), world=str(folder / "world"), data=data or {}
            )
        )
        self.world = "volumes"

    @property
    def world(self) -> str:
        """What the hosts find when they are asked."""
        return (self.folder / "world").read_text()

    @world.setter
    def world(self, word: str) -> None:
        (self.folder / "world").write_text(word)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{self.folder}"}

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "pyinfra", *arguments, "inventory.py", "deploy.py"]

    def run(self, *arguments: str) -> tuple[int, str]:
        """Without a terminal: the exit code and all that was said."""
        done = forked.run(
            self.argv(*arguments),
            cwd=self.folder,
            env=self.environment,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout

    @property
    def erased(self) -> int:
        return int((self.folder / "erased").read_text())


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def start(job: Job, *arguments: str, alone: bool = False) -> Terminal:
        argv = job.argv(*arguments)
        if not alone:
            argv[0] = forked.python()
        started.append(Terminal(argv, cwd=job.folder, env=job.environment))
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


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("quorum", "so nothing was done: the swarm: has its quorum. Run the same command again"),
        (
            "secrets",
            "no longer: the data: is not wanted any more (found volumes); now: the data: is not "
            "wanted any more (found secrets); now: rk4 leaves the swarm, and its secrets are lost",
        ),
        (
            "nothing",
            "no longer: the data: is not wanted any more (found volumes); now: nothing is to be "
            "done",
        ),
    ],
)
def test_what_changes_while_the_question_waits_is_told_and_nothing_is_done(
    tmp_path: Path, terminal: Callable[..., Terminal], word: str, told: str
) -> None:
    job = Job(tmp_path)
    shown = terminal(job, "-y")
    shown.wait_for(QUESTION)
    job.world = word
    shown.type("rk4\n")
    assert shown.finish() == 1
    assert job.erased == 0
    assert "things changed while the question waited, so nothing was done" in shown.words
    assert told in shown.words
    assert "0 of 3 hosts are done" in shown.words


def test_what_changed_back_before_the_answer_is_the_same(
    tmp_path: Path, terminal: Callable[..., Terminal]
) -> None:
    job = Job(tmp_path)
    shown = terminal(job, "-y")
    shown.wait_for(QUESTION)
    job.world = "quorum"
    shown.read(0.5)
    job.world = "volumes"
    shown.type("rk4\n")
    assert shown.finish() == 0
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
    shown.wait_for("Do it?")
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
    shown = terminal(job, "-y", alone=True)
    shown.wait_for(QUESTION)
    shown.interrupt()
    assert shown.finish() == 130
    assert job.erased == 0


def test_consent_to_the_run_is_not_the_word_where_nobody_can_be_asked(tmp_path: Path) -> None:
    job = Job(tmp_path)
    code, said = job.run("-y")
    assert (code, job.erased) == (1, 0)
    assert "rk4 leaves the swarm, and its volumes are lost; nobody has confirmed that" in said
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
    assert "1 to change, on 3 of 3 hosts" in shown.shown
    assert job.erased == 0


@pytest.mark.parametrize(
    ("shown", "now", "told"),
    [
        ({}, {}, []),
        ({}, {"plan": 2}, ["what the plan was made from is not the same any more"]),
        ({}, {"word": "rk5"}, ["what the plan was made from is not the same any more"]),
        ({}, {"consequence": "rk4 stays"}, ["now: rk4 stays"]),
        ({}, {"whole": [Change("rk4", "goes")]}, ["now: rk4: goes"]),
        ({"whole": [Change("rk4", "goes")]}, {}, ["no longer: rk4: goes"]),
        (
            {"findings": [Change("rk4", "goes")]},
            {"findings": [Refusal("the quorum", "is there again")]},
            ["the quorum: is there again"],
        ),
    ],
)
def test_whatever_is_not_as_it_was_shown_is_a_difference(
    shown: dict[str, Any], now: dict[str, Any], told: list[str]
) -> None:
    same: dict[str, Any] = {
        "part": "erase",
        "findings": [],
        "plan": 1,
        "word": "rk4",
        "consequence": "rk4 goes",
    }
    assert differences(Proposal(**same | shown), Proposal(**same | now)) == told


def test_what_to_type_holds_the_right_word_once() -> None:
    said = refusal(
        "rk4",
        "rk4 leaves the swarm.",
        "rk3",
        ["-y", "inventory.py", "deploys/remove.py", "--data", "host=rk4", "--data", "confirm=rk3"],
    )
    assert said.sentence() == (
        "confirmation: rk4 leaves the swarm; the answer was another word (rk3 → rk4). To have "
        "it done, answer rk4 when asked at a terminal, or type: pyinfra -y inventory.py "
        "deploys/remove.py --data host=rk4 --data confirm=rk4"
    )
