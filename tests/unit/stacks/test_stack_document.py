"""A file as a tree with places, read as docker's YAML library reads it."""

from __future__ import annotations

import time

import pytest

from pyinfra_swarm.stacks.document import (
    NODE_LIMIT,
    SIZE_LIMIT,
    Items,
    NotReadable,
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
        *(("true", True), ("True", True), ("FALSE", False)),
        *(("yes", "yes"), ("no", "no"), ("on", "on"), ("Off", "Off"), ("y", "y")),
        *(("", None), ("~", None), ("null", None), ("NULL", None), ("nUll", "nUll")),
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
        ("- a\n", 1, "no mapping"),
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


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert [*parse("a.yml", b"\xef\xbb\xbfa: 1\n").root.entries] == ["a"]


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not() -> None:
    assert parse("a.yml", b"a: 1\n#" + b"x" * (SIZE_LIMIT - 6)).root
    assert "512" in refused(b"a: 1\n#" + b"x" * (SIZE_LIMIT - 5)).reason


def test_anchors_that_stand_for_billions_are_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    begun = time.monotonic()
    assert str(NODE_LIMIT) in refused("\n".join(lines)).reason
    assert time.monotonic() - begun < 5


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
