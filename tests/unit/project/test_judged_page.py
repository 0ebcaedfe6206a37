"""The page on outside judges says what the lab is held to."""

from __future__ import annotations

from tests.tools.judged import CHECKS, PAGE, page


def test_the_tables_are_those_of_the_checks() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "python -m tests.tools.judged write"


def test_each_check_has_its_number_once_and_holds_or_says_why() -> None:
    numbers = [check.number for check in CHECKS]
    assert len(set(numbers)) == len(numbers)
    for check in CHECKS:
        assert check.shell or check.reason, check.number
