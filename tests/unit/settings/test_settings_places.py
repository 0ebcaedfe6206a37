"""Where in the file a problem stands: by line, and in the order of the file."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.settings.paths import ROOT
from pyinfra_swarm.settings.places import line_of, lines_of, loc_of
from tests.unit.settings.conftest import BOARDS, Write, refused

MIXED = """\
a."x.y".b = 1 # [no]
[t]
k = \"\"\"
[[no]]
\\\"\"\" = 1
\"\"\"
l = [ # c ]
 1,
 { a = 2, b.c = "}" },
]
'lit.eral' = '''
no = 1
'''
[[t.m]]
x = 1
[t.m.sub]
y = 2
[[t.m]]
[[ t . m . n ]]
z = 1979-05-27 07:32:00
"""


def test_every_place_of_a_mixed_file_is_found() -> None:
    tomllib.loads(MIXED)
    found = lines_of(MIXED)
    assert found[("a", "x.y", "b")] == 1
    assert found[("t",)] == 2
    assert found[("t", "k")] == 3
    assert found[("t", "l")] == 7
    assert found[("t", "l", 0)] == 8
    assert found[("t", "l", 1, "b", "c")] == 9
    assert found[("t", "lit.eral")] == 11
    assert found[("t", "m", 0)] == 14
    assert found[("t", "m", 0, "sub", "y")] == 17
    assert found[("t", "m", 1)] == 18
    assert found[("t", "m", 1, "n", 0, "z")] == 20
    assert ("no",) not in found


def places(value: Any, loc: tuple[int | str, ...] = ()) -> set[tuple[int | str, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = {loc} if loc else set()
    for key, one in inner:
        here = (*loc, key)
        found |= places(one, here) if isinstance(one, dict | list) else {here}
    return found


def test_every_place_of_the_example_is_found_with_all_that_is_optional() -> None:
    text = (ROOT / "cluster.example.toml").read_text(encoding="utf-8")
    whole = re.sub(r"^#(?=[a-z_]+ = |\[\[)", "", text, flags=re.MULTILINE)
    assert places(tomllib.loads(whole)) <= {*lines_of(whole)}


NAME = st.text("abz_-1", min_size=1, max_size=4) | st.text(max_size=4)
VALUE = st.recursive(
    st.integers()
    | st.booleans()
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=6,
)


def toml(value: Any) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{quoted(key)} = {toml(one)}" for key, one in value.items())
        return "{ " + pairs + " }"
    if isinstance(value, list):
        return "[\n" + "".join(f"  {toml(one)}, # ]\n" for one in value) + "]"
    return quoted(value) if isinstance(value, str) else str(value).lower()


def quoted(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(sign):04x}" if ord(sign) < 32 or ord(sign) == 127 else sign
        for sign in text.replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'


@given(st.dictionaries(NAME, VALUE, max_size=4))
def test_every_place_of_any_file_is_found(data: dict[str, Any]) -> None:
    text = "".join(f"{quoted(key)} = {toml(value)}\n" for key, value in data.items())
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # an array within an inline table, over several lines
    assert places(read) == {*lines_of(text)}


@given(st.text(max_size=60))
def test_a_text_that_is_no_toml_is_no_error(text: str) -> None:
    assert isinstance(lines_of(text), dict)


@pytest.mark.parametrize(
    ("field", "loc"),
    [
        ('hosts[2] "rk3".address', ("hosts", 2, "address")),
        ("firewall.open[1].port", ("firewall", "open", 1, "port")),
        ('hosts[0] "a \\"b\\" [1]".labels.disk', ("hosts", 0, "labels", "disk")),
        ("ssh", ("ssh",)),
        ("", ()),
    ],
)
def test_a_field_names_its_place(field: str, loc: tuple[int | str, ...]) -> None:
    assert loc_of(field) == loc


def test_a_place_that_is_not_written_is_in_the_one_around_it() -> None:
    lines = {("hosts",): 3, ("hosts", 0): 3}
    assert line_of(("hosts", 0, "role"), lines) == 3
    assert line_of(("ssh", "user"), lines) is None


def test_problems_carry_their_lines_and_stand_in_the_order_of_the_file(write: Write) -> None:
    write(
        BOARDS
        + '\n[[hosts]]\nname = "rk2"\naddress = "192.168.1.12/24"\nrole = "master"\n'
        + '\n[firewall]\nopen = [\n  { port = "9000-8000" },\n]\n[ssh]\nusr = "ada"\n',
        env="SWARM_SSH__PORT=x\n",
    )
    said = refused()
    heads = re.findall(r"^line (\d+): (\S+)", said, re.MULTILINE)
    assert heads == [
        ("9", "hosts[1]"),
        ("10", "hosts[1]"),
        ("14", "firewall.open[0].port"),
        ("17", "ssh.usr"),
    ]
    assert 'instead: "192.168.1.12"' in said
    assert 'instead: "8000-9000"' in said
    assert said.rindex("ssh.port (from SWARM_SSH__PORT") > said.rindex("line 17")


def test_a_setting_that_is_missing_has_the_line_of_its_table(write: Write) -> None:
    write('\n\n[[hosts]]\nname = "rk1"\naddress = "192.168.1.11"\n')
    assert 'line 3: hosts[0] "rk1".role\n' in refused()
    assert json.dumps("rk1") in refused()
