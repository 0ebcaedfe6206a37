"""Every program and option that our scripts use on hosts is in the table, and tried."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import pytest

from tests.tools import host_programs as programs
from tests.tools.shell_script import Use, Word, parsed

TABLE = programs.table()


@cache
def used() -> list[Use]:
    return programs.uses()


def test_what_the_scripts_run_is_in_the_table() -> None:
    wrong = sorted({one for use in used() for one in programs.wrong(use, TABLE)})
    assert not wrong, (
        "look whether every userland has it, and add it to tests/tools/programs.toml with a try:\n"
        + "\n".join(wrong)
    )


def test_the_table_has_nothing_that_no_script_uses() -> None:
    found = programs.options_of(used(), TABLE)
    assert sorted(set(TABLE.programs) - set(found)) == []
    unused = {
        f"{name} {word}"
        for name, program in TABLE.programs.items()
        for word in {*program.valued, *program.verbs, *program.keywords}
        - found[name]
        - program.unseen
    }
    assert sorted(unused) == []


def test_what_only_a_reader_sees_stands_in_a_script() -> None:
    text = "".join(
        path.read_text()
        for pattern in ("*.py", "*.sh")
        for path in sorted(programs.PACKAGE.rglob(pattern))
    )
    for program in TABLE.programs.values():
        assert all(re.search(rf"(?<![\w-]){option}\b", text) for option in program.unseen)


def test_whatever_takes_the_lock_of_iptables_waits_for_it() -> None:
    """Docker holds it at any moment; with the legacy back end, it is one for all namespaces."""
    takes_it = ("iptables", "ip6tables", "iptables-restore", "ip6tables-restore")
    calls = [use for use in used() if TABLE.named.get(use.program, use.program) in takes_it]
    assert len(calls) > 10
    words = {use.where: {word.text for word in use.words} for use in calls}
    assert [where for where, said in words.items() if not said & {"-w", "--version"}] == []


def test_each_option_is_tried() -> None:
    untried = set()
    for name, program in TABLE.programs.items():
        if program.tried_by:
            continue
        tries = [use for text in program.tries for use in programs.of_a_try(text, TABLE)]
        found = programs.options_of((use for use in tries if use.program == name), TABLE)
        assert name in found, f"{name} is not tried"
        untried |= {
            f"{name} {option}" for option in {*program.valued, *program.verbs} - found[name]
        }
    assert sorted(untried) == []


def test_whoever_tries_a_program_elsewhere_is_there() -> None:
    for program in TABLE.programs.values():
        assert not program.tried_by or (programs.ROOT / program.tried_by).exists()


def words(*texts: str) -> Sequence[Word]:
    return tuple(map(Word, texts))


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("timeout -k 5 30 docker -H x info", ["timeout -k", "docker -H"]),
        ("a | head -c 5 && exec grep -q x", ["a", "head -c", "grep -q"]),
        ("sh -euc 'stat -c %a \"$1\"' name", ["sh -c -e -u", "stat -c"]),
        ("trap 'rm -f \"$x\"' EXIT", ["rm -f"]),
        ("x=$(date +%s); [ -e y ] || echo z", ["date"]),
        ('f() { timeout 5 curl -s "$@"; }; f -X POST u', ["timeout", "curl -X -s"]),
        ('twice() { n=$1; shift; until "$@"; do :; done; }; twice 3 tail -n 1', ["tail -n"]),
        ("env -i A=b sort -u <<END\n$(wc -l)\nEND", ["env -i", "sort -u", "wc -l"]),
    ],
)
def test_a_script_is_read_as_a_shell_reads_it(
    script: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "scripts", lambda: {"it": parsed(script, "it")})
    monkeypatch.setattr(programs, "in_python", lambda _: [])
    found: dict[str, set[str]] = {}
    for use in programs.uses():
        its = TABLE.programs.get(use.program, programs.Program("?"))
        found.setdefault(use.program, set()).update(programs.taken(its, use.words)[0])
    assert {name: sorted(options) for name, options in found.items()} == {
        one.split()[0]: sorted(one.split()[1:]) for one in expected
    }


def test_what_is_not_in_the_table_is_told_with_its_place() -> None:
    uses = parsed("\nrealpath x\nhead --silent x\nsystemctl edit x\n", "a.sh").uses
    assert [one for use in uses for one in programs.wrong(use, TABLE)] == [
        "a.sh:2: the program realpath",
        "a.sh:3: head --silent",
        "a.sh:4: systemctl edit",
    ]


def test_a_script_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.sh:2 is not understood: .*"):
        parsed("true\nif then fi (\n", "a.sh")


def test_commands_that_stand_in_python_are_found() -> None:
    found = {use.program for use in programs.in_python(TABLE)}
    assert {"usermod", "useradd", "visudo", "sysctl", "systemctl", "mkdir", "ln"} <= found
