"""A host's answer: whole, whatever is in it, or none."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.answer import NoAnswer, Sections, asked, sections
from tests.answers import MARK, encoded

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
    with pytest.raises(NoAnswer, match=r"cut short after \d+ bytes: .*log \(`journalctl -e`\)"):
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
