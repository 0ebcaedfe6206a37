"""Every fact, fed answers that were cut, damaged or forged: the truth, or nothing."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import ShortFactBase

from tests.tools.answers import MARK, encoded
from tests.tools.facts_page import ARGUMENTS, OF_A_WORKER, RECORDED, facts

ASKED = {name: fact for name, fact in facts().items() if not issubclass(fact, ShortFactBase)}
HOSTS = {"manager": RECORDED, "worker": OF_A_WORKER}

each_of_each_host = pytest.mark.parametrize(
    ("name", "host"),
    [
        (name, host)
        for name in sorted(ASKED)
        for host in sorted(HOSTS)
        if (name, host) != ("facts.swarm.UnlockKey", "worker")  # which cannot tell it
    ],
)

ODD = (
    st.binary(max_size=200)
    | st.text(max_size=200).map(str.encode)
    | st.sampled_from(
        [b"", b"\n" * 9, b"\x00" * 99, b"#> state\nabsent", b"[[[[", b"0", b"a b c d e"]
    )
)


@cache
def said(name: str, host: str) -> str:
    return (HOSTS[host] / f"{name}.txt").read_text(encoding="utf-8")


def value(name: str, lines: list[str]) -> Any:
    """What a fact makes of it, as plain data. Whatever else than ``FactProcessError`` it raises
    would end the whole run, on all hosts."""
    fact = ASKED[name]()
    fact.command(**ARGUMENTS.get(name, {}))
    return json.loads(json.dumps(fact.process(lines), default=lambda one: one.to_json()))


@each_of_each_host
@settings(max_examples=10)  # of each fact: where an answer ends is judged before it is parsed
@given(data=st.data())
def test_an_answer_that_was_cut_is_no_answer(name: str, host: str, data: st.DataObject) -> None:
    whole = "\n".join(encoded(said(name, host)))
    end = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(FactProcessError):
        value(name, whole[:end].split("\n"))


@each_of_each_host
@settings(max_examples=10)
@given(data=st.data())
def test_a_script_that_ended_early_has_not_answered(
    name: str, host: str, data: st.DataObject
) -> None:
    """The encoder came to its end, and what it was given did not."""
    text = base64.b64decode(encoded(said(name, host))[2])
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(FactProcessError):
        value(name, ["", f"#> {MARK}", base64.b64encode(text[:end]).decode()])


@each_of_each_host
@settings(max_examples=30)
@given(data=st.data())
def test_any_bytes_anywhere_give_a_value_or_the_facts_own_error(
    name: str, host: str, data: st.DataObject
) -> None:
    parts = said(name, host).split("#> ")
    at = data.draw(st.integers(1, len(parts) - 1))
    title, _, body = parts[at].partition("\n")
    odd = data.draw(ODD)
    lines = body.encode().split(b"\n")
    row = data.draw(st.integers(0, len(lines)))
    damaged = data.draw(
        st.sampled_from(
            [odd, b"\n".join([*lines[:row], odd, *lines[row + 1 :]]), odd + body.encode()]
        )
    )
    before, after = (
        b"".join(f"\n#> {MARK} {part}".encode() for part in some)
        for some in (parts[1:at], parts[at + 1 :])
    )
    text = before + f"\n#> {MARK} {title}\n".encode() + damaged + after
    whole = text + f"\n#! {MARK}\n\n#. {MARK} 0\n".encode()
    lines_said = ["", f"#> {MARK}", base64.b64encode(whole).decode()]
    told = ""
    try:
        value(name, lines_said)
    except FactProcessError as error:
        told = str(error)
    assert told.isprintable()
