"""A file as a tree with places, read as docker's YAML library reads it."""

from __future__ import annotations

import time

import pytest

from pyinfra_swarm.stacks.document import (
    DEPTH_LIMIT,
    NODE_LIMIT,
    SIZE_LIMIT,
    Items,
    NotReadable,
    Place,
    Scalar,
    Table,
    parse,
)


def tree(text: str) -> Table:
    return parse("a.yml", text.encode()).root


def value(text: str) -> object:
    node = tree(f"key: {text}").entries["key"]
    assert isinstance(node, Scalar)
    return node.value


def refused(text: str | bytes) -> NotReadable:
    with pytest.raises(NotReadable) as error:
        parse("a.yml", text.encode() if isinstance(text, str) else text)
    return error.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("true", True), ("True", True), ("TRUE", True)),
        *(("false", False), ("False", False), ("FALSE", False), ("tRUE", "tRUE")),
        *(("yes", "yes"), ("no", "no"), ("on", "on"), ("Off", "Off"), ("y", "y")),
        *(("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None)),
        *(("nUll", "nUll"), ("! 80", "80"), ("! true", "true"), ("!odd 80", "80")),
        *(("0O17", 15), ("-0o17", -15), ("-1e400", "-1e400")),
        *(("0" * 400, 0), ("0" * 401, "0" * 401)),
        *(("18446744073709551615", 2**64 - 1), ("18446744073709551616", 2.0**64)),
        *(("-9223372036854775808", -(2**63)), ("-9223372036854775809", -(2.0**63))),
        *(("0440", 288), ("0o440", 288), ("0x1F", 31), ("0b101", 5), ("-0x10", -16)),
        *(("1_000", 1000), ("+7", 7), ("08", 8.0), ("0", 0), ("00", 0)),
        *(("22:22", "22:22"), ("1:30:00", "1:30:00"), ("1e400", "1e400")),
        *(("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("1.", 1.0), ("1.2.3", "1.2.3")),
        *(('"80"', "80"), ("'true'", "true"), ("!!str 80", "80"), ('!!int "80"', 80)),
        *(("9" * 100, 1e100), ("9" * 401, "9" * 401), ("0x", "0x"), ("-", "-"), ("+", "+")),
    ],
)
def test_a_plain_word_means_what_it_means_to_docker(text: str, expected: object) -> None:
    if text == "-":
        return  # a list
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_everything_knows_where_it_stands() -> None:
    root = tree("services:\n  web:\n    ports:\n      - 80:80\n      - {target: 443}\n")
    services = root.entries["services"]
    assert isinstance(services, Table)
    assert (services.keys["web"].line, services.keys["web"].column) == (2, 3)
    web = services.entries["web"]
    assert isinstance(web, Table)
    ports = web.entries["ports"]
    assert isinstance(ports, Items)
    assert [(one.place.line, one.place.column) for one in ports.items] == [(4, 9), (5, 9)]
    assert ports.items[0].place.file == "a.yml"


def test_merged_keys_come_after_own_ones_and_the_first_mapping_wins() -> None:
    root = tree(
        "x: &x {a: x, b: x, c: x}\ny: &y {b: y, d: y}\n"
        "one: {<<: *x, a: own}\ntwo: {<<: [*y, *x]}\nthree: {a: own, <<: *x}\n"
    )

    def plain(key: str) -> dict[str, object]:
        table = root.entries[key]
        assert isinstance(table, Table)
        return {k: v.value for k, v in table.entries.items() if isinstance(v, Scalar)}

    assert plain("one") == {"a": "own", "b": "x", "c": "x"}
    assert plain("two") == {"b": "y", "d": "y", "a": "x", "c": "x"}
    assert plain("three") == {"a": "own", "b": "x", "c": "x"}


def test_a_merged_key_stands_where_it_is_written() -> None:
    root = tree("x: &x\n  a: 1\none:\n  <<: *x\n")
    one = root.entries["one"]
    assert isinstance(one, Table)
    assert one.keys["a"].line == 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "there twice, first in line 1"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a: *b\n", 1, "&b"),
        ("a: &a\n  - *a\n", 2, "stands inside of what it stands for"),
        ("a: {\n", 2, "is not YAML"),
        ("a: b: c\n", 1, "is not YAML"),
        ("a:\n  - b\n c: d\n", 3, "is not YAML"),
        ("- a\n", 1, "no mapping"),
        ("# a list\n\n- a\n", 3, "no mapping"),
        ("? \n: a\n", 1, "the key null is no text"),
        ("a: {<<: [{b: 1},\n  2]}\n", 2, "merged by <<"),
        ("a: 1\nb: \x07\n", 2, "does not allow"),
        ("\n\x07\n", 2, "does not allow"),
        ("text\n", 1, "no mapping"),
        ("", 1, "is empty"),
        ("# nothing\n", 1, "is empty"),
        ("80: a\n", 1, "no text"),
        ("true: a\n", 1, "no text"),
        ("~: a\n", 1, "no text"),
        ("? [a]\n: b\n", 1, "no text"),
        ("a: {<<: 1}\n", 1, "merged by <<"),
        ("a: \x07\n", 1, "does not allow"),
        ("a: @b\n", 1, "is not YAML"),
        ("a: !<tag:yaml.org,2002:python/object/apply:os.system> [id]\nb: *x\n", 2, "&x"),
    ],
)
def test_what_docker_cannot_read_is_told_with_its_line(text: str, line: int, says: str) -> None:
    error = refused(text)
    assert error.place.line == line
    assert says in error.reason
    assert error.remedy


def test_bytes_that_are_no_text_are_told_with_their_line() -> None:
    assert refused(b"a: 1\nb: \xff\n").place.line == 2
    assert refused(b"\n\xff\n").place.line == 2


def test_why_a_file_cannot_be_read_is_what_the_error_says() -> None:
    error = refused("")
    assert str(error) == error.reason == "is empty"
    assert error.place == Place("a.yml", 1, 1)


def test_a_key_in_quotes_is_a_text_whatever_it_says() -> None:
    assert [*tree("\"80\": a\n'~': b\n'<<': c\n").entries] == ["80", "~", "<<"]


def test_what_a_person_may_read_of_a_value() -> None:
    place = Place("a.yml", 1)
    assert Scalar(80, place).shown == "80"
    assert Scalar("hunter2", place, written="${PASSWORD}").shown == "${PASSWORD}"


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert [*parse("a.yml", b"\xef\xbb\xbfa: 1\n").root.entries] == ["a"]


def test_the_limits_are_far_above_what_anybody_writes_by_hand() -> None:
    assert (SIZE_LIMIT, DEPTH_LIMIT, NODE_LIMIT) == (524_288, 40, 50_000)


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not() -> None:
    assert parse("a.yml", b"a: 1\n#" + b"x" * (SIZE_LIMIT - 6)).root
    error = refused(b"a: 1\n#" + b"x" * (SIZE_LIMIT - 5))
    assert "512" in error.reason
    assert error.place.line == 1


def test_anchors_that_stand_for_billions_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    begun = time.monotonic()
    assert str(NODE_LIMIT) in refused("\n".join(lines)).reason
    assert time.monotonic() - begun < 5


def test_a_tree_of_as_many_parts_as_may_be_is_read_and_one_more_is_refused() -> None:
    """The root, 1000 parts, 48 times those again in a list, and a list for the rest."""

    def text(rest: int) -> str:
        lists = {"a": "&a [" + "x," * 999 + "]", "b": "[" + "*a," * 48 + "]"}
        return "".join(f"{key}: {said}\n" for key, said in lists.items()) + f"c: [{'x,' * rest}]\n"

    assert NODE_LIMIT == 1 + 1000 + (1 + 48 * 1000) + (1 + 997)
    assert tree(text(997)).size == NODE_LIMIT
    assert str(NODE_LIMIT) in refused(text(998)).reason


@pytest.mark.parametrize("innermost", ["[]", "[x]", "{}", "{x: x}"])
def test_a_tree_is_as_deep_as_may_be_and_no_deeper(innermost: str) -> None:
    def written(levels: int) -> str:
        return "a: " + "[" * (levels - 2) + innermost + "]" * (levels - 2)

    def anchored(levels: int) -> str:
        lines = [f"a0: &a0 {innermost}"]
        lines += [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels - 1)]
        return "\n".join(lines)

    for text in (written, anchored):
        assert tree(text(DEPTH_LIMIT)).depth == DEPTH_LIMIT
        followed = " once its anchors are followed" if text is anchored else ""
        deeper = refused(text(DEPTH_LIMIT + 1))
        assert deeper.reason == f"is nested more than 40 levels deep{followed}"


def test_nesting_is_bounded_written_out_or_by_anchors() -> None:
    assert "levels" in refused("a: " + "[" * 5000).reason
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 5000))]
    assert "levels" in refused("\n".join(lines)).reason


def test_tags_make_nothing_and_odd_ones_are_named() -> None:
    document = parse("a.yml", b"a: !reset null\nb: !!python/name:os.system x\nc: !!str 1\n")
    assert [(odd.tag, odd.place.line) for odd in document.odd] == [
        ("!reset", 1),
        ("!!python/name:os.system", 2),
    ]


def test_tags_of_yaml_s_own_are_not_odd_and_those_that_docker_does_not_know_are() -> None:
    known = ["!!str", "!!int", "!!float", "!!bool", "!!null", "!!merge", "!!timestamp", "!"]
    text = "".join(f"a{number}: {tag} x\n" for number, tag in enumerate(known))
    assert parse("a.yml", f"{text}b: !!map {{}}\nc: !!seq []\n".encode()).odd == ()
    others = parse("a.yml", b"a: !!binary x\nb: !!set {}\nc: !!omap []\nd: !x []\n").odd
    assert [odd.tag for odd in others] == ["!!binary", "!!set", "!!omap", "!x"]


def test_a_comment_beside_a_text_that_looks_like_one_is_found() -> None:
    both = parse("a.yml", b"a: 'x # pyinfra-swarm: no' # pyinfra-swarm: yes\n").comments
    assert [(one.text, one.place.column, one.alone) for one in both] == [("yes", 28, False)]
    [first] = parse("a.yml", b"# pyinfra-swarm: first\na: 'x'\n").comments
    assert (first.text, first.place) == ("first", Place("a.yml", 1, 1))
    assert parse("a.yml", b"'x # pyinfra-swarm: no': 1\n").comments == ()
    within = parse("a.yml", b"a: 1 # pyinfra-swarm: one # pyinfra-swarm: two\n").comments
    assert [one.text for one in within] == ["one # pyinfra-swarm: two"]


def test_comments_are_found_however_far_down_a_file_they_stand() -> None:
    lines = [f"# pyinfra-swarm: {n}\nk{n}: '# pyinfra-swarm: no, {'x' * 90}'" for n in range(60)]
    found = parse("a.yml", "\n".join(lines).encode()).comments
    assert [(one.text, one.place.line) for one in found] == [(f"{n}", 2 * n + 1) for n in range(60)]


def test_comments_to_this_package_are_found_and_texts_that_look_like_them_are_not() -> None:
    document = parse(
        "a.yml",
        b"a: 1 # pyinfra-swarm: ignore S5 because x\n"
        b"  # pyinfra-swarm:  two  \n"
        b"b: 'x # pyinfra-swarm: no'\n"
        b"c: |\n  # pyinfra-swarm: no\n  text\n"
        b"# pyinfra-swarm: three\n"
        b"d: >\n\n  text # pyinfra-swarm: no\n\n"
        b"e: x#pyinfra-swarm:no\n",
    )
    assert [(one.place.line, one.text, one.alone) for one in document.comments] == [
        (1, "ignore S5 because x", False),
        (2, "two", True),
        (7, "three", True),
    ]
