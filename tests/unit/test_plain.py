"""A host's words are one line that can be printed, and shell words in a command."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cluster.findings import Change, Finding, Notice, Refusal
from cluster.plain import LIMIT, WORD_LIMIT, plain, quoted
from cluster.steps import SetLabel
from tests import hostile


@given(hostile.texts())
def test_whatever_a_host_says_is_one_line_that_shows_all_that_is_in_it(text: str) -> None:
    said = plain(text)
    hostile.assert_plain(said)
    assert len(said.splitlines()) <= 1
    assert len(said) <= LIMIT


@given(hostile.texts())
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    "text", ["rk1", "“auto” → drain …", "größer, 日本語, naïve", "a\\x1bb", "✗ ~ !"]
)
def test_ordinary_words_are_not_touched(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rk4\u200b", r"rk4\u200b"),
        ("\x1b[2J", r"\x1b[2J"),
        ("evil\u2028x\x85y", r"evil\u2028x\x85y"),
        ("a\r\n\tb", "a b"),
        ("\udcff", r"\udcff"),
        ("a\u00a0b", "a b"),
        ("\U000e0101", r"\U000e0101"),
    ],
)
def test_what_cannot_be_seen_is_shown(text: str, said: str) -> None:
    assert plain(text) == said


def test_what_is_cut_says_so() -> None:
    assert plain("x" * 100_000).endswith("x … (shortened)")
    assert len(plain("x" * 100_000)) == LIMIT
    assert plain("x" * LIMIT) == "x" * LIMIT
    assert len(plain("\x1b" * LIMIT)) <= LIMIT


@settings(max_examples=60)
@given(hostile.texts())
@example(f"x`; touch {hostile.CANARY}; `y")
def test_a_word_to_be_copied_is_one_word_for_a_shell(text: str) -> None:
    word = quoted(text)
    assert "`" not in word
    assert len(shlex.split(word)) == 1
    assert hostile.CANARY not in hostile.unquoted(word)
    assert hostile.runs_as_one_word(word)
    assert len(word) <= 6 * WORD_LIMIT


def test_a_name_that_is_one_is_not_quoted() -> None:
    assert quoted("rk1.example-lan") == "rk1.example-lan"


@pytest.mark.parametrize("kind", [Finding, Change, Notice, Refusal])
@given(text=hostile.texts())
def test_no_finding_can_hold_raw_text(kind: type[Finding], text: str) -> None:
    made = kind(text, text, expected=text, found=text, remedy=text)
    hostile.assert_plain(made.record())
    hostile.assert_plain(made.sentence())


@given(hostile.texts())
def test_a_step_keeps_what_it_carries_out_as_it_is(text: str) -> None:
    step = SetLabel(f"label {text}", "is declared", expected=text, key="a", value=text)
    hostile.assert_plain(step.record())
    assert step.value == text


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40))
def test_a_finding_of_plain_words_is_what_it_was(text: str) -> None:
    """What a check remembers from before is known again."""
    if plain(text) == text:
        assert Change(text, text).what == text
