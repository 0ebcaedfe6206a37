"""The recipe of the lab's own kernel: what hosts need is demanded of its configuration."""

import re
from pathlib import Path

import pytest

from lab import kernel

PACKAGE = Path(__file__).resolve().parents[3] / "pyinfra_swarm"

WHOLE = "".join(f"CONFIG_{name}=m\n" for name in kernel.NEEDED)

OF_EVERY_KERNEL = {"tcp", "udp", "icmp", "icmp6"}
"""Matches that come with x_tables itself."""


def test_nothing_is_missing_where_all_is_there_built_in_or_as_a_module() -> None:
    assert kernel.lacking(WHOLE) == []
    assert kernel.lacking(WHOLE.replace("=m", "=y")) == []


@pytest.mark.parametrize("name", kernel.NEEDED)
def test_each_thing_that_hosts_need_is_missed(name: str) -> None:
    without = WHOLE.replace(f"CONFIG_{name}=m\n", f"# CONFIG_{name} is not set\n")
    assert kernel.lacking(without) == [name]


def test_what_our_rules_match_on_is_demanded() -> None:
    text = "\n".join(
        path.read_text() for pattern in ("*.py", "*.sh") for path in PACKAGE.rglob(pattern)
    )
    used = set(re.findall(r"-p \S+ -m ([a-z][a-z0-9]+)|-m ([a-z][a-z0-9]+) --", text))
    names = {name for pair in used for name in pair if name} - OF_EVERY_KERNEL
    assert {"policy", "conntrack", "bpf"} <= names
    assert {name.upper() for name in names} <= set(kernel.MATCHES)


def test_nothing_that_hosts_need_is_switched_off() -> None:
    assert not set(kernel.NEEDED) & set(kernel.SWITCHED_OFF)
    assert {name for _, name in kernel.SWITCHED_ON} & set(kernel.NEEDED)
