"""What a program writes into its log is repeated without the secrets that this run knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyinfra_swarm.run.context import begin_another_run
from pyinfra_swarm.run.hidden import never_repeat, repeated


@pytest.fixture(autouse=True)
def _run() -> Iterator[None]:
    begin_another_run()
    yield
    begin_another_run()


def test_a_secret_is_left_out_wherever_it_stands() -> None:
    never_repeat(b"hunter2\n")
    assert repeated(["password hunter2, hunter2!", "no such user"]) == [
        "password …, …!",
        "no such user",
    ]


def test_of_a_longer_one_each_line_is_left_out() -> None:
    never_repeat(b"-----BEGIN KEY-----\nhunter2hunter2\n-----END KEY-----\n")
    assert repeated(["key: hunter2hunter2", "-----BEGIN KEY-----"]) == ["key: …", "…"]


def test_one_that_holds_another_is_left_out_whole() -> None:
    never_repeat(b"hunter2")
    never_repeat(b"hunter2-and-more")
    assert repeated(["hunter2-and-more"]) == ["…"]


def test_a_text_that_is_in_any_other_is_not_told_by_its_absence() -> None:
    never_repeat(b"e")
    never_repeat(b"\n\n")
    assert repeated(["one line", ""]) == ["one line", ""]


def test_another_run_knows_nothing_of_it() -> None:
    never_repeat(b"hunter2")
    begin_another_run()
    assert repeated(["hunter2"]) == ["hunter2"]
