"""The cluster's lock: its words, and its shell on a file of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from pyinfra_swarm.run.lock_state import (
    FILE,
    LAST,
    LOOK,
    SILENCE,
    Holder,
    Met,
    announcement,
    before,
    believed,
    deploys_in,
    in_progress,
    met,
    overtaken,
    refusal,
    replaced,
    take,
)

ADA = Holder("ada", "desk", 4711, "deploys/upgrade.py", "5f3c")
NOW = datetime(2026, 11, 24, 16, 23, 45)


# Its words
# ---------


def test_a_second_run_is_told_who_from_where_since_when_and_what_to_do() -> None:
    assert refusal(Met(194, ADA), NOW) == (
        "another run is changing this cluster: ada@desk, since 16:20:31 (deploys/upgrade.py, "
        "3 minutes ago; process 4711 there). Nothing was changed by this one. Wait until the "
        "other has ended, or end it; then run again"
    )


def test_a_report_names_the_run() -> None:
    assert Met(194, ADA).sentence(NOW) == "held by ada from desk since 16:20:31"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "since 16:23:45 (deploys/upgrade.py, just now;"),
        (1, "since 16:23:44 (deploys/upgrade.py, 1 second ago;"),
        (7300, "since 14:22:05 (deploys/upgrade.py, 2 hours ago;"),
        (172800, "since 2026-11-22 16:23:45 (deploys/upgrade.py, 2 days ago;"),
    ],
)
def test_how_long_it_is_ago_is_said(seconds: int, words: str) -> None:
    for say in (refusal, overtaken, in_progress):
        assert words in say(Met(seconds, ADA), NOW)


def test_a_run_in_progress_is_believed_from_declared_managers_only() -> None:
    theirs, own = Met(9, ADA), Met(5, None)
    assert believed(["rk1", "rk2"], {"rk3": own, "rk1": None}) is None
    assert believed(["rk1", "rk2"], {"rk3": own, "rk1": None, "rk2": theirs}) == theirs
    assert believed(["rk1", "rk2"], {"rk2": own, "rk1": theirs}) == theirs  # the first declared
    assert believed([], {"rk3": own}) is None


def test_what_a_run_leaves_is_what_the_next_one_reads() -> None:
    assert met(f"busy 5 {announcement(ADA)}") == Met(5, ADA)


@pytest.mark.parametrize(
    ("said", "last"),
    [("held", None), ("held ", None), (f"held {announcement(ADA)}", ADA)],
)
def test_who_gets_it_learns_who_had_it_before(said: str, last: Holder | None) -> None:
    assert before(said) == last


def test_what_cannot_be_read_was_somebody_all_the_same() -> None:
    last = before("held {half a li")
    assert last is not None
    assert "another run has been at work since: somebody@another computer." in replaced(last)


def test_a_run_that_wakes_up_after_another_is_told_who_that_was() -> None:
    assert replaced(ADA) == (
        "this run was silent for too long to keep the cluster's lock, and another run has been "
        "at work since: ada@desk (deploys/upgrade.py). This run changes nothing more, because its "
        "plan is out of date. Run it again: it makes a new plan"
    )


@pytest.mark.parametrize("left", ["", " ", " {", " 5", ' {"user": "ada"}', ' {"process": "x"}'])
def test_a_lock_that_says_nothing_of_its_holder_is_held_all_the_same(left: str) -> None:
    assert met(f"busy 5{left}") == Met(5)
    assert Met(5).sentence(NOW) == "held by somebody since 16:23:40"
    assert "somebody, since 16:23:40" in refusal(Met(5), NOW)


@pytest.mark.parametrize("said", ["", "held", "sudo: a password is required", "busy", "busy x {}"])
def test_other_words_are_no_lock(said: str) -> None:
    with pytest.raises(ValueError, match=r"nothing that a lock says|invalid literal|unpack"):
        met(said)


def test_what_another_computer_says_cannot_move_the_cursor() -> None:
    wild = Holder("a\x1b[2Jda\n", "d" * 1000, 1, "x\r", "5f\x07")
    assert "\n" not in announcement(wild)
    read = met(f"busy 5 {announcement(wild)}").holder
    assert read == Holder(r"a\x1b[2Jda ", f"{'d' * 186} … (shortened)", 1, "x ", r"5f\x07")


def test_a_run_is_known_by_its_deploys_and_never_by_its_data() -> None:
    line = [
        "-y",
        "inventory.py",
        "deploys/remove.py",
        "--data",
        "token=secret.py",
        "--limit",
        "rk4",
    ]
    assert deploys_in(line) == "deploys/remove.py"
    assert deploys_in(["--data=token=secret.py", "inventory.py", "a.py", "b.py"]) == "a.py, b.py"
    assert deploys_in(["inventory.py", "exec", "--", "uptime"]) == ""


# Its shell
# ---------


class Managers:
    """A manager's lock, on a file of this machine."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "lock"
        self._taken: list[subprocess.Popen[str]] = []

    def _here(self, script: str) -> str:
        assert FILE in script
        return script.replace(FILE, str(self.file)).replace(LAST, f"{self.file}.last")

    def take(self, *, silence: int = SILENCE) -> tuple[subprocess.Popen[str], str]:
        """A run's channel, and what it is told."""
        script = self._here(take(silence=silence))
        shell = subprocess.Popen(
            ["bash", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._taken.append(shell)
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(f"{announcement(ADA)}\n")
        return shell, shell.stdout.readline().strip()

    def look(self) -> str:
        """What a fact is told besides."""
        script = 'section() { echo "#> $1"; }\n' + self._here(LOOK)
        return subprocess.run(
            ["sh", "-euc", script], capture_output=True, text=True, check=True, timeout=10
        ).stdout

    def end(self) -> None:
        for shell in self._taken:
            shell.kill()
            shell.wait()
            for pipe in (shell.stdin, shell.stdout):
                if pipe is not None:
                    pipe.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Managers]:
    made = Managers(tmp_path)
    yield made
    made.end()


def test_one_holds_it_and_others_are_told_who(manager: Managers) -> None:
    assert manager.look() == ""
    _, said = manager.take()
    assert before(said) is None
    for _ in range(2):
        other, said = manager.take()
        assert met(said).holder == ADA
        assert other.wait(5) == 0
        title, told = manager.look().splitlines()
        assert (title, met(told).holder) == ("#> lock", ADA)
    assert manager.file.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def hang_ups() -> Iterator[None]:
    """A hang-up ends processes here, also where these tests were started by ``nohup``."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hang_ups")
@pytest.mark.parametrize(
    "end",
    [
        lambda shell: shell.stdin.close(),
        lambda shell: os.kill(shell.pid, signal.SIGKILL),
        lambda shell: os.kill(shell.pid, signal.SIGHUP),
    ],
    ids=["its input ends", "it is killed", "it is hung up"],
)
def test_it_ends_with_its_shell(
    manager: Managers, end: Callable[[subprocess.Popen[str]], None]
) -> None:
    shell, _ = manager.take()
    end(shell)
    shell.wait(5)
    assert manager.look() == ""
    assert before(manager.take()[1]) == ADA


def test_who_has_ended_a_moment_ago_is_not_in_the_way(manager: Managers) -> None:
    shell, _ = manager.take()
    ending = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill {shell.pid}"])
    assert before(manager.take()[1]) == ADA
    ending.wait(5)


def test_it_is_let_go_when_the_run_falls_silent(manager: Managers) -> None:
    shell, _ = manager.take(silence=1)
    assert shell.stdin is not None
    assert shell.stdout is not None
    for _ in range(3):
        with pytest.raises(subprocess.TimeoutExpired):
            shell.wait(0.7)
        shell.stdin.write("\n")
        assert shell.stdout.readline() == "\n", "a sign of life has no answer"
    assert manager.look() != ""
    assert shell.wait(5) == 0
    assert manager.look() == ""
