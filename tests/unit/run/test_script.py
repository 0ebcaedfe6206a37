"""A script that a function runs on a host: how it ends, and that no secret is repeated."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.run.script import Outcome, quietly


class Here:
    """A host that is this computer, without sudo."""

    name = "rk1"
    state = SimpleNamespace(print_input=True)

    def __init__(self, *, keeps: int | None = None) -> None:
        self.keeps = keeps
        self.options: dict[str, Any] = {}

    def run_shell_command(self, command: Any, **options: Any) -> tuple[bool, Any]:
        self.options = options
        sent = options.get("_stdin")
        done = subprocess.run(
            ["sh", "-c", str(command)], input=sent or "", capture_output=True, text=True
        )
        printed = done.stdout[: self.keeps]
        output = SimpleNamespace(stdout_lines=printed.splitlines(), stderr=done.stderr)
        return done.returncode == 0, output


def on_this_host(text: str, *, keeps: int | None = None, **options: Any) -> Outcome:
    return quietly(Here(keeps=keeps), text, **options)  # type: ignore[arg-type]


def test_what_it_prints_is_there_whole() -> None:
    outcome = on_this_host("echo one; echo; echo two; section more; echo three; exit 0")
    assert outcome.done
    assert not outcome.silent
    assert (outcome.text, outcome.said["more"]) == ("one\n\ntwo", ["three"])


def test_its_input_arrives() -> None:
    assert on_this_host("cat", stdin='{"a": "$b"}').text == '{"a": "$b"}'


def test_it_ends_at_its_first_error_and_says_why() -> None:
    outcome = on_this_host("echo 'no such node' >&2; false; echo more")
    assert (outcome.done, outcome.silent, outcome.text) == (False, False, "")
    assert outcome.problem == "no such node"
    assert on_this_host("exit 3").problem == "the script did not say why"


def test_a_secret_is_not_repeated() -> None:
    outcome = on_this_host("read -r token; echo $token >&2; exit 1", stdin="abc", hidden=["abc"])
    assert outcome.problem == "…"


SECRET = "SWMTKN-1-abcdef"


@pytest.mark.parametrize("shown", range(1, len(SECRET)))
def test_nor_is_the_beginning_of_one_where_the_words_are_cut(shown: int) -> None:
    """The host hands on 4000 bytes of an error, wherever they end: here 1400 letters or fewer."""
    before = "€" * 1300 + "." * (100 - shown)
    outcome = on_this_host(f"echo '{before}{SECRET}' >&2; exit 1", hidden=["other", SECRET])
    assert outcome.problem == f"{before}…"


def test_nor_any_of_what_is_there_of_one_that_repeats_itself() -> None:
    before = "€" * 1300 + "." * 96
    outcome = on_this_host(f"echo '{before}zazazb' >&2; exit 1", hidden=["zazazb", "az"])
    assert outcome.problem == f"{before}…"
    assert on_this_host("echo '...zaz' >&2; exit 1", hidden=["zazazb"]).problem == "...zaz"


def test_one_that_ends_the_words_whole_is_hidden_whole() -> None:
    before = "€" * 1300 + "." * 95
    outcome = on_this_host(f"echo '{before}abcab more' >&2; exit 1", hidden=["ab", "abcab"])
    assert outcome.problem == f"{before}…"


def test_nor_where_the_words_are_shortened_for_a_person() -> None:
    for before in range(1970, 2001):
        words = "." * before + SECRET
        outcome = on_this_host(f"echo {words} >&2; exit 1", hidden=[SECRET])
        assert "S" not in outcome.problem


def test_one_that_begins_another_does_not_show_the_rest() -> None:
    outcome = on_this_host(f"echo {SECRET} >&2; exit 1", hidden=[SECRET[:3], SECRET])
    assert outcome.problem == "…"


def test_nor_one_of_several_lines() -> None:
    outcome = on_this_host("cat >&2; exit 1", stdin="one\n  two", hidden=["one\n  two"])
    assert outcome.problem == "…"


def test_an_answer_that_is_cut_is_none() -> None:
    outcome = on_this_host("echo one", keeps=80)
    assert outcome.silent
    assert not outcome.done
    assert outcome.problem.startswith("its answer was cut short")


def test_a_host_that_is_silent_may_have_done_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **options: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(Here, "run_shell_command", silent)
    assert on_this_host("true") == Outcome("no answer (TimeoutError)", silent=True)


@pytest.mark.parametrize("shown", [True, False])
def test_nothing_is_shown_unless_asked_for(shown: bool) -> None:
    host = Here()
    quietly(host, "true", shown=shown)  # type: ignore[arg-type]
    assert (host.options["print_input"], host.options["print_output"]) == (shown, False)


def test_a_script_that_was_killed_may_have_done_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """So may one whose connection breaks: pyinfra gives that as a status, and no error."""
    said = ["sudo: a password is required\n", ""]

    def fails(*_: object, **options: object) -> tuple[bool, Any]:
        return False, SimpleNamespace(stdout_lines=[], stderr=said.pop(0))

    monkeypatch.setattr(Here, "run_shell_command", fails)
    assert on_this_host("true") == Outcome("sudo: a password is required")
    assert on_this_host("true") == Outcome(
        "it was cut short: the connection broke, or the script was killed", silent=True
    )
