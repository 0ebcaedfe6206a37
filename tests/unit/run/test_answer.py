"""A host's answer: whole, whatever is in it, or none."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.run.answer import LIMIT, NoAnswer, Sections, asked, sections, without
from tests.tools.answers import MARK, encoded

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]


def run(script: str, shell: str = "sh", **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [shell, "-c", asked(script)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", **environment},
        timeout=30,
    )


def told(script: str, shell: str = "sh") -> Sections:
    """What a script has said, read as pyinfra reads it: any byte but ASCII would end its reader."""
    done = run(script, shell)
    assert (done.returncode, done.stderr) == (0, b"")
    return sections(done.stdout.decode("ascii").split("\n"))


# On the host
# -----------


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_may_do_what_a_script_does(shell: str) -> None:
    script = """
case x in x) ready=yes ;; y) ready=no ;; esac
section "first one"; echo "$ready"; echo "a word beside" >&2
section here; cat << 'END'
 ) and esac
END
section "" ; section last; (exit 3) || echo $?
exit 0
"""
    assert told(script, shell) == {
        "first one": ["yes"],
        "here": [" ) and esac"],
        "": [],
        "last": ["3"],
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_any_bytes_arrive_and_lines_are_lines(shell: str, tmp_path: Path) -> None:
    wild = "ü\x85\u2028\u2029\x0b\x0c\x1c\r\x00 end"
    (tmp_path / "file").write_bytes(wild.encode() + b"\xff\xfe\n\tnext")
    assert told(f"section file; cat {tmp_path}/file", shell) == {
        "file": [wild + r"\xff\xfe", "\tnext"]
    }


def test_a_script_that_fails_has_not_answered_and_its_words_are_told() -> None:
    done = run("section nodes; echo none; printf 'the engine is stopp\\351d\\n' >&2; exit 4")
    assert done.returncode == 0
    with pytest.raises(NoAnswer, match=r"exit status 4\): the engine is stopp\\xe9d$"):
        sections(done.stdout.decode("ascii").split("\n"))


def test_an_error_of_the_shell_is_no_answer() -> None:
    with pytest.raises(NoAnswer, match="exit status 2"):
        sections(run("set -u; section a; echo yes $nothing").stdout.decode().split("\n"))


def test_a_script_cannot_change_its_marks_by_a_name_of_its_own() -> None:
    with pytest.raises(NoAnswer, match=r"SECTION_MARK.*read.?only"):
        sections(run("section a; SECTION_MARK=x; section b").stdout.decode().split("\n"))


def test_a_script_that_is_killed_has_not_answered() -> None:
    done = run("section a; echo yes; sh -c 'kill -9 $PPID'")
    with pytest.raises(NoAnswer, match="exit status 137"):
        sections(done.stdout.decode("ascii").split("\n"))


def test_a_host_without_the_encoder_fails_the_command_and_says_why(tmp_path: Path) -> None:
    shell = shutil.which("dash") or "/bin/sh"
    done = run("section a; echo yes", shell, PATH=str(tmp_path))
    assert done.returncode != 0
    assert b"base64" in done.stderr


def test_a_mark_is_another_one_each_time_and_in_no_argument_list() -> None:
    script = "section a; tr '\\0' ' ' < /proc/$$/cmdline; echo; echo \"$SECTION_MARK\"; env"
    first, second = told(script)["a"], told(script)["a"]
    marks = [
        next(line for line in lines if re.fullmatch("[0-9a-f-]{36}", line))
        for lines in (first, second)
    ]
    assert marks[0] != marks[1]
    for mark, lines in zip(marks, (first, second), strict=True):
        assert [line for line in lines if mark in line] == [mark]


# On this side
# ------------


def test_what_a_login_script_prints_before_is_no_part_of_it() -> None:
    assert sections(["Welcome!", "", *encoded(["#> a", "1"])]) == {"a": ["1"]}


def test_what_somebody_prints_into_the_middle_spoils_it() -> None:
    head, mark, line = encoded(["#> a", "1" * 9000])
    with pytest.raises(NoAnswer, match="reads at a login"):
        sections([head, mark, line[:5000], "Welcome! (you have mail)", line[5000:]])


def test_an_answer_that_is_cut_anywhere_is_none() -> None:
    whole = "\n".join(encoded(["#> a", "1", "#> b", "ü", "2"], words="x"))
    text = base64.b64decode(whole.split("\n")[2]).decode()
    assert sections(whole.split("\n")) == {"a": ["1"], "b": ["ü", "2"]}
    for end in range(len(whole)):
        with pytest.raises(NoAnswer):
            sections(whole[:end].split("\n"))
    for end in range(len(text)):  # where the encoder came to its end, and the script did not
        cut = base64.b64encode(text[:end].encode()).decode()
        with pytest.raises(NoAnswer, match="cut short"):
            sections(["", f"#> {MARK}", cut])


def test_a_cut_is_told_in_words() -> None:
    head, mark, line = encoded(["#> a", "1"])
    with pytest.raises(
        NoAnswer, match=r"cut short after \d+ bytes: .*log \(`sudo journalctl -e`\)"
    ):
        sections([head, mark, line[:40]])
    with pytest.raises(NoAnswer, match="cut short after 0 bytes"):
        sections([])


def forgeries() -> Iterator[str]:
    for begin in ("#> ", "#! ", "#. ", "\r#> ", "\x85#> ", "\u2028#> "):
        for number in ("", "0f3c6c1e-0000-0000-0000-000000000000 "):
            for name in ("state", "lock", "0", "keys"):
                yield f"{begin}{number}{name}"


@pytest.mark.parametrize("forged", [*forgeries()])
def test_the_content_of_a_file_begins_no_section_and_ends_no_answer(
    forged: str, tmp_path: Path
) -> None:
    lines = ["first", forged, "absent", "last"]
    (tmp_path / "file").write_text("\n".join(lines))
    said = told(f"section state; echo running; section file; cat {tmp_path}/file")
    assert said == {"state": ["running"], "file": lines}


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_whatever_two_sections_hold_neither_changes_the_other(one: bytes, two: bytes) -> None:
    text = b"\n\n#> M one\n" + one + b"\n\n#> M two\n" + two + b"\n#! M\n\n#. M 0\n"
    found = sections(["#> M", base64.b64encode(text).decode()])
    assert [*found] == ["one", "two"]
    for name, content in (("one", one), ("two", two)):
        whole = content.decode(errors="backslashreplace")
        assert "\n".join(found[name]).strip() == whole.strip()


@given(st.lists(st.text()))
def test_anything_else_that_comes_is_no_answer(lines: list[str]) -> None:
    with pytest.raises(NoAnswer):
        sections(lines)


@given(st.binary(max_size=300))
def test_what_a_failed_script_says_is_told_in_one_printable_line(words: bytes) -> None:
    text = b"\n#! M\n" + words + b"\n#. M 1\n"
    with pytest.raises(NoAnswer) as error:
        sections(["#> M", base64.b64encode(text).decode()])
    assert str(error.value).isprintable()


# Files, and what is odd about them
# ---------------------------------


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_is_shown_or_what_is_odd_about_it(shell: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("\n \none\n\n two \n\n")
    (tmp_path / "full").write_bytes(b"x" * LIMIT)
    (tmp_path / "over").write_bytes(b"x" * (LIMIT + 1))
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    names = ("file", "full", "over", "folder", "pipe", "link", "none")
    script = "\n".join(f"show {name} {tmp_path}/{name} || echo $? for {name} >&2" for name in names)
    found = told(f"{script}\nsection end; show none {tmp_path}/none || echo $?", shell)
    assert found == {
        "file": ["one", "", " two "],
        "full": ["x" * 65536],
        "over": ["x" * 65537],
        "end": ["1"],
    }
    assert found.odd == {
        "over": f"{tmp_path}/over is larger than 64 KiB",
        "folder": f"{tmp_path}/folder is a directory",
        "pipe": f"{tmp_path}/pipe is a device or a pipe",
        "link": f"{tmp_path}/link is a link to nothing",
    }


def test_a_section_of_a_file_read_in_another_way_and_an_oddness_said_by_hand() -> None:
    found = told('begin hosts /etc/hosts; echo read; odd other "/a b" "not what it was"')
    assert found == {"hosts": ["read"]}
    assert found.odd == {"other": "/a b is not what it was"}


def test_of_what_a_script_says_beside_the_first_words_are_told() -> None:
    with pytest.raises(NoAnswer) as caught:
        sections(run("head -c 5000 /dev/zero | tr '\\0' x >&2; exit 7").stdout.decode().split("\n"))
    text = str(caught.value)
    assert text.startswith("its script failed there (exit status 7): xxx")
    assert text.endswith(" … (shortened)")
    assert len(run("head -c 5000 /dev/zero | tr '\\0' x >&2").stdout) < 4200 * 4 / 3


# The answer, letter by letter
# ----------------------------


def answer(text: str) -> Sections:
    return sections(["#> M", base64.b64encode(text.encode()).decode()])


def refused(text: str) -> str:
    with pytest.raises(NoAnswer) as caught:
        answer(text)
    return str(caught.value)


END = "\n#! M\n\n#. M 0\n"


def test_each_kind_of_part_is_taken_for_what_it_is() -> None:
    found = answer(f"before\n#> M one\n1\n#= M two\n/path\n2\n\n#- M three\n odd thing \n{END}")
    assert found == {"one": ["1"], "two": ["2"]}
    assert found.odd == {"three": "odd thing"}
    assert answer(END) == {}
    assert answer(f"\n#= M empty\n/path{END}") == {"empty": []}
    assert answer(f"\n#> M only{END}") == {"only": []}


def test_a_section_that_comes_twice_is_no_answer() -> None:
    twice = refused(f"\n#> M one\n1\n#= M one\n/path\n2{END}")
    assert twice == "its answer has two sections 'one'"
    assert answer(f"\n#- M one\na\n#- M one\nb\n#> M one\n1{END}").odd == {"one": "b"}


@pytest.mark.parametrize("status", ["", "x", "-1", "1000", "1 ", "0\n\n", "00000"])
def test_a_status_that_no_shell_has_is_no_end(status: str) -> None:
    assert "cut short" in refused(f"\n#> M one\n1\n#! M\n\n#. M {status}\n")


def test_the_last_end_counts_and_what_failed_says_why_or_that_it_did_not() -> None:
    text = f"\n#> M one\n1{END}more\n#! M\n a \nb\n\n#. M 12\n"
    assert refused(text) == "its script failed there (exit status 12): a / b"
    assert refused("\n#! M\n\n#. M 255\n").endswith("(exit status 255): it did not say why")


def test_an_end_without_its_beginning_or_the_other_way_round_is_none() -> None:
    assert "cut short" in refused("\n#> M one\n1\n#. M 0\n")
    assert "cut short" in refused("\n#> M one\n1\n#! M\n0\n")
    words = "\n#! M\nwhat\n#. M 0\nit said\n#. M 12\n"
    assert refused(words).startswith("its script failed there (exit status 12): what / #. M 0 /")


def test_blank_lines_around_what_is_said_are_none_of_it() -> None:
    assert answer(f"\n#> M one\n \n\t\n 1\n\n2 \n \n\t{END}") == {"one": [" 1", "", "2 "]}


def test_a_cut_tells_how_much_came() -> None:
    assert "cut short after 9 bytes" in refused("\n#> M one")
    assert "cut short after 0 bytes" in refused("")


def test_lines_are_joined_and_what_is_no_code_is_told() -> None:
    code = base64.b64encode(f"\n#> M one\nlonger{END}".encode()).decode()
    lines = ["words", "#> M ", *(f" {code[at : at + 7]} " for at in range(0, len(code), 7))]
    assert sections(lines) == {"one": ["longer"]}
    with pytest.raises(NoAnswer, match="other words in the middle"):
        sections(["#> M", code[:8] + "!!!!" + code[8:]])
    for end in range(len(code) - 4, len(code)):
        with pytest.raises(NoAnswer, match="cut short"):
            sections(["#> M", code[:end]])
    with pytest.raises(NoAnswer, match="cut short after 0 bytes"):
        sections([code])


@pytest.mark.parametrize(
    ("words", "hidden", "cut", "left"),
    [
        ("a b c", ["b"], False, "a … c"),
        ("a b c", ["", "b"], False, "a … c"),
        ("abc abd", ["ab", "abd", "abc"], False, "… …"),
        ("zz abc", ["zz", "abc"], False, "… …"),
        ("so a", ["abc"], False, "so a"),  # the words end there
        ("so a", ["abc"], True, "so …"),
        ("so abc", ["abc"], True, "so …"),
        ("so", ["abc"], True, "so"),
        ("abc", ["b", "abc"], False, "…"),
        ("so abcab", ["abcab"], True, "so …"),
        ("so bxb", ["xbc", "bxbc"], True, "so …"),
        ("so xab", ["bz", "xabc"], True, "so …"),
    ],
)
def test_secrets_are_taken_out_of_words(
    words: str, hidden: list[str], cut: bool, left: str
) -> None:
    assert without(words, hidden, cut=cut) == left
    assert cut or without(words, hidden) == left
