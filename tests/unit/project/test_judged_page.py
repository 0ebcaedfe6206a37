"""The page on outside judges says what the lab is held to."""

from __future__ import annotations

from tests.tools.docker_bench import CHECKS, TITLES
from tests.tools.judged import PAGE, page


def test_the_tables_are_those_of_the_checks() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "python -m tests.tools.judged write"


def test_each_number_of_the_judge_is_there_once_and_holds_or_says_why() -> None:
    assert [number for check in CHECKS for number in check.numbers] == [*TITLES]
    for check in CHECKS:
        assert check.shell or check.reason, check.number


def test_what_no_command_can_tell_is_what_the_judge_leaves_to_a_person() -> None:
    for check in CHECKS:
        assert check.shell or "(Manual)" in check.title, check.number
