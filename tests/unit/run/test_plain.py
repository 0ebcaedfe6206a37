"""A host's words are one line that can be printed, and shell words in a command."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.printable import (
    LIMIT,
    WORD_LIMIT,
    plain,
    plain_lines,
    plain_values,
    quoted,
    quoted_name,
    setting,
    visible,
)
from pyinfra_swarm.swarm.labels import SetLabel
from tests.tools import hostile


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


_UNSEEN = (
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
    *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
)


@pytest.mark.parametrize("number", _UNSEEN)
def test_what_counts_as_printable_and_shows_nothing_is_its_number(number: int) -> None:
    assert plain(f"a{chr(number)}b") == f"a\\u{number:04x}b"


@pytest.mark.parametrize("number", [0xE0100, 0xE01EF])
def test_a_number_of_more_than_four_digits_is_written_with_eight(number: int) -> None:
    assert visible(chr(number)) == f"\\U{number:08x}"


@pytest.mark.parametrize(
    ("number", "written"),
    [(0x1F, r"\x1f"), (0xFF, "ÿ"), (0xAD, r"\xad"), (0x0605, r"\u0605"), (0xFFFF, r"\uffff")],
)
def test_letters_at_the_ends_of_what_is_written_in_one_way(number: int, written: str) -> None:
    assert visible(chr(number)) == written


_BLANKS = "\t\n\v\f\r\u00a0\u1680\u2000\u2005\u200a\u202f\u205f\u3000"


@pytest.mark.parametrize("blank", [*_BLANKS, "  ", _BLANKS])
def test_blanks_of_any_width_and_number_are_one(blank: str) -> None:
    assert plain(f"a{blank}b") == "a b"


def test_of_several_lines_the_ends_stay_and_what_they_begin_with() -> None:
    assert plain_lines("a\n  b  c\n\n\td\x1b") == "a\n  b c\n\n d\\x1b"
    assert plain_lines("Xa\nXX b") == "Xa\nXX b"
    assert plain_lines(" " * 100 + "x") == " " * 40 + "x"


def test_every_text_in_a_value_is_plain_and_nothing_else_is_touched() -> None:
    said = {"a\x1b": ["b\n", ("c\r\n", 1)], "d": {"e": None}, "f": True, "g": 1.5}
    assert plain_values(said) == {
        "a\\x1b": ["b ", ["c ", 1]],
        "d": {"e": None},
        "f": True,
        "g": 1.5,
    }


def test_a_value_for_the_settings_ends_neither_its_quotes_nor_a_command() -> None:
    assert setting("192.168.1.11") == '"192.168.1.11"'
    assert setting('a"b`c\\d\ne') == '"a?b?c?d e"'
    assert len(setting("x" * 1000)) == WORD_LIMIT + 2


def test_a_word_without_backticks_is_quoted_only_where_a_shell_would_split_it() -> None:
    assert (quoted("a b"), quoted("a`b"), quoted("")) == ("'a b'", "'a?b'", "''")
    assert len(quoted("x" * 1000)) == len("''") + WORD_LIMIT


def test_a_node_is_called_by_its_name_where_that_is_an_ordinary_one() -> None:
    for name in ("rk1", "0", "Attic_2.lan-x", "x" * 63):
        assert quoted_name(name, "node1") == name
    for name in ("", "-rf", "_x", ".x", "a b", "rk1\n", "größer", "x" * 64):
        assert quoted_name(name, "node1") == "node1"


def test_what_is_cut_has_room_for_the_words_that_say_so() -> None:
    assert plain("abcdefghijklmnopqrstu", 20) == "abcdef … (shortened)"
    assert plain("ab  cdefghijklmnopqrstu", 20) == "ab cde … (shortened)"
    assert plain("abcde fghijklmnopqrstu", 20) == "abcde … (shortened)"
    assert plain("abcdefghijklmnopqrst", 20) == "abcdefghijklmnopqrst"
    assert plain("é" * 20, 20) == "é" * 20
    assert plain("x" * 14 + "\u202e", 20) == "x" * 14 + r"\u202e"
    # Cut though what is left is short: the rest was not looked at.
    assert plain(" " * 21 + "x", 20) == "  … (shortened)".replace("  ", " ")
    assert (LIMIT, WORD_LIMIT) == (2000, 200)


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
