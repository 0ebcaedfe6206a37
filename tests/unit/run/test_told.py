"""The tests' own tool: what is told once for several hosts is found for each."""

from __future__ import annotations

import pytest

from tests.tools.told import of_each


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        ("  not done: rk1–rk3: refused", [f"  not done: rk{n}: refused" for n in (1, 2, 3)]),
        ("  not done: rk1, rk3: a: b", ["  not done: rk1: a: b", "  not done: rk3: a: b"]),
        ("    [node1, node4] it waits", ["    [node1] it waits", "    [node4] it waits"]),
        (
            "    ~ ssh       rk1, rk2: sshd: odd",
            ["    [rk1] ~ ssh | sshd: odd", "    [rk2] ~ ssh | sshd: odd"],
        ),
        ("3 of 4 hosts are done: rk1, rk2, rk3.", ["3 of 4 hosts are done: rk1, rk2, rk3."]),
        ("--> 2 of 5, 0:00: SSH", ["--> 2 of 5, 0:00: SSH"]),
        ("    done: rk1–rk3, in 0:01", ["    done: rk1–rk3, in 0:01"]),
    ],
)
def test_lines(line: str, lines: list[str]) -> None:
    assert of_each(f"\x1b[33m{line}\x1b[0m").split("\n") == lines
