"""`docs/facts.md` shows what the facts really give: recorded on a host, made by their code."""

from __future__ import annotations

import re

import pytest

from tests.facts_page import PAGE, RECORDED, answer, asked, facts, shown, with_answers

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_fact_has_a_section_and_every_section_a_fact() -> None:
    assert sorted(re.findall(r"(?m)^### `([\w.]+)`$", TEXT)) == sorted(facts())


def test_the_answers_are_what_the_code_makes_of_the_recorded_output() -> None:
    assert with_answers(TEXT) == TEXT, "python -m tests.facts_page write"


@pytest.mark.parametrize("name", sorted(facts()))
def test_a_section_says_what_its_fact_is_and_shows_an_answer(name: str) -> None:
    section = TEXT.split(f"### `{name}`\n")[1].split("\n#")[0]
    assert re.match(r"\n[A-Z][^\n]{20,}", section), "first what it is, in words"
    assert shown(name) in section
    assert answer(name), "record it where there is something to show"


def test_nothing_was_recorded_that_no_fact_asks_for() -> None:
    wanted = {asked(name, fact)[0] for name, fact in facts().items()}
    assert {path.stem for path in RECORDED.glob("*.txt")} == wanted


def test_what_was_recorded_holds_no_secret() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in RECORDED.glob("*.txt"))
    assert not re.search(r"SWMTKN-|PRIVATE KEY|\$6\$|\$y\$", text)
