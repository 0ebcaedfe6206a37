"""One YAML file as a tree that knows where each part of it stands.

Nothing is constructed: the tree is made of the parser's events, so that no tag can make an object.
Plain words mean what they mean to the docker CLI (go.yaml.in/yaml/v3): ``yes`` is a text, ``0440``
a number, ``22:22`` a text. (Dates stay texts as well: docker writes them out in another form.)
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import yaml

SIZE_LIMIT = 512 * 1024
"""Bytes of a file; nobody writes longer ones by hand, and the parser takes a second for that."""

DEPTH_LIMIT = 40
"""Levels of a tree, its anchors followed."""

NODE_LIMIT = 50_000
"""Nodes of a tree once its anchors are followed: a few lines of anchors can stand for billions."""


@dataclass(frozen=True)
class Place:
    """Where something stands in a file; line and column count from 1."""

    file: str
    line: int
    column: int = 1


@dataclass(frozen=True)
class Scalar:
    """A text, a number, a truth value or nothing.

    written: the text in the file, where a variable has been replaced in it; "" elsewhere.
    unknown: the value holds a variable whose value nobody knows here.
    """

    value: str | int | float | bool | None
    place: Place
    written: str = ""
    unknown: bool = False
    size: int = 1
    depth: int = 0

    @property
    def shown(self) -> str:
        """What a person may read of it: never what a variable holds."""
        return self.written or str(self.value)


@dataclass(frozen=True)
class Table:
    """A mapping. keys: where each key stands."""

    entries: Mapping[str, Node]
    place: Place
    keys: Mapping[str, Place] = field(default_factory=dict)
    size: int = 1
    depth: int = 1


@dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    place: Place
    size: int = 1
    depth: int = 1


Node: TypeAlias = Scalar | Table | Items


@dataclass(frozen=True)
class Comment:
    """A comment. alone: nothing else is on its line."""

    place: Place
    text: str
    alone: bool


@dataclass(frozen=True)
class Odd:
    """A part of a file that docker reads otherwise than its author may think."""

    place: Place
    tag: str


@dataclass(frozen=True)
class Document:
    """A file that could be read. comments: those that speak to this package."""

    root: Table
    comments: tuple[Comment, ...] = ()
    odd: tuple[Odd, ...] = ()


class NotReadable(Exception):
    """A file cannot be read. place: where it goes wrong; remedy: what to do."""

    def __init__(self, place: Place, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.place, self.reason, self.remedy = place, reason, remedy


def parse(file: str, content: bytes) -> Document:
    """A file's tree. Raises :class:`NotReadable`."""
    start = Place(file, 1)
    if len(content) > SIZE_LIMIT:
        raise NotReadable(
            start,
            f"has {len(content) // 1024} KiB, and {SIZE_LIMIT // 1024} are the limit",
            "split the stack, or put large contents into files of their own",
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotReadable(
            Place(file, line), "is not UTF-8 text", "save the file as UTF-8"
        ) from None
    return _Builder(file, text).document()


_STR = "tag:yaml.org,2002:str"
_KNOWN_TAGS = {
    *("tag:yaml.org,2002:" + name for name in ("str", "int", "float", "bool", "null")),
    *("tag:yaml.org,2002:" + name for name in ("map", "seq", "merge", "timestamp")),
}


@dataclass
class _Frame:
    """A mapping or a list that is being read."""

    place: Place
    anchor: str | None
    is_table: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Place] = field(default_factory=dict)
    merged: list[Node] = field(default_factory=list)
    waiting: tuple[str, Place, bool] | None = None


def _measured(nodes: list[Node]) -> tuple[int, int]:
    """The size and the depth of what holds these."""
    return 1 + sum(node.size for node in nodes), 1 + max((node.depth for node in nodes), default=0)


class _Builder:
    """Reads the parser's events, with a stack of its own: no depth exhausts Python's."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self.anchors: dict[str, Node | None] = {}
        self.odd: list[Odd] = []
        self.texts: list[tuple[int, int]] = []
        self.stack: list[_Frame] = []
        self.root: Node | None = None
        self.documents = 0

    def document(self) -> Document:
        try:
            for event in yaml.parse(self.text, Loader=yaml.SafeLoader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise NotReadable(
                self._at(mark) if mark else Place(self.file, 1),
                f"is not YAML: {error.problem or error.context or 'it cannot be parsed'}",
                "correct the line, or the ones before it",
            ) from None
        except yaml.YAMLError as error:  # a letter that YAML forbids
            position = getattr(error, "position", 0)
            raise NotReadable(
                Place(self.file, self.text.count("\n", 0, position) + 1),
                "holds a character that YAML does not allow",
                "delete the character",
            ) from None
        if not isinstance(self.root, Table):
            place = self.root.place if self.root else Place(self.file, 1)
            raise NotReadable(
                place,
                "is no mapping" if self.root else "is empty",
                "begin with a key such as services:",
            )
        return Document(self.root, tuple(self._comments()), tuple(self.odd))

    def _place(self, event: yaml.Event) -> Place:
        return self._at(event.start_mark)

    def _at(self, mark: Any) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise NotReadable(
                        self._place(event),
                        "begins a second document, and docker reads the first one only",
                        "put it into a file of its own, and name both",
                    )
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close()
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.AliasEvent():
                self._alias(event)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        place = self._place(event)
        if len(self.stack) >= DEPTH_LIMIT:
            raise NotReadable(
                place, f"is nested more than {DEPTH_LIMIT} levels deep", "write it flatter"
            )
        self._tag(event.tag, place)
        if event.anchor:
            self.anchors[event.anchor] = None
        is_table = isinstance(event, yaml.MappingStartEvent)
        self.stack.append(_Frame(place, event.anchor, is_table))

    def _close(self) -> None:
        frame = self.stack.pop()
        made: Node
        if frame.is_table:
            entries, keys = self._with_merged(frame)
            made = Table(entries, frame.place, keys, *_measured([*entries.values()]))
        else:
            made = Items(tuple(frame.items), frame.place, *_measured(frame.items))
        self._add(made, frame.anchor)

    def _with_merged(self, frame: _Frame) -> tuple[dict[str, Node], dict[str, Place]]:
        """The entries with those of ``<<``: own ones come first, then the first one merged."""
        entries, keys = dict(frame.entries), dict(frame.keys)
        for merged in frame.merged:
            for table in merged.items if isinstance(merged, Items) else (merged,):
                if not isinstance(table, Table):
                    raise NotReadable(
                        table.place, "is merged by <<, and is no mapping", "merge mappings only"
                    )
                for key, node in table.entries.items():
                    if key not in entries:
                        entries[key], keys[key] = node, table.keys[key]
        return entries, keys

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = self._place(event)
        node = self.anchors.get(event.anchor or "")
        if node is None:
            inside = event.anchor in self.anchors
            raise NotReadable(
                place,
                f"*{event.anchor} stands inside of what it stands for"
                if inside
                else f"*{event.anchor} stands for nothing: no &{event.anchor} is above it",
                "write the part out",
            )
        self._add(node, None)

    def _tag(self, tag: str | None, place: Place) -> None:
        if tag and tag != "!" and tag not in _KNOWN_TAGS:
            self.odd.append(Odd(place, tag.replace("tag:yaml.org,2002:", "!!")))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        place = self._place(event)
        begin, end = cast(Any, event.start_mark), cast(Any, event.end_mark)
        self.texts.append((begin.index, end.index))
        self._tag(event.tag, place)
        if event.tag in _KNOWN_TAGS:
            typed = event.tag != _STR
        else:
            typed = event.style is None and event.tag is None
        frame = self.stack[-1] if self.stack else None
        if frame and frame.is_table and frame.waiting is None:
            self._key(frame, event.value, place, typed)
            return
        self._add(Scalar(_resolved(event.value) if typed else event.value, place), event.anchor)

    def _key(self, frame: _Frame, text: str, place: Place, typed: bool) -> None:
        if typed and text == "<<":
            frame.waiting = (text, place, True)
            return
        if typed and not isinstance(_resolved(text), str):
            raise NotReadable(
                place, f"the key {text or 'null'} is no text, as docker needs it", "quote the key"
            )
        if text in frame.entries:
            raise NotReadable(
                place,
                f"the key “{text}” is there twice, first in line {frame.keys[text].line}",
                "delete one of them, or join what they hold",
            )
        frame.waiting = (text, place, False)

    def _add(self, node: Node, anchor: str | None) -> None:
        if node.size > NODE_LIMIT:
            raise NotReadable(
                node.place,
                f"is more than {NODE_LIMIT} parts once its anchors are followed",
                "use fewer anchors inside of others",
            )
        if node.depth > DEPTH_LIMIT:
            raise NotReadable(
                node.place,
                f"is nested more than {DEPTH_LIMIT} levels deep once its anchors are followed",
                "write it flatter",
            )
        if anchor:
            self.anchors[anchor] = node
        if not self.stack:
            self.root = node
            return
        frame = self.stack[-1]
        if not frame.is_table:
            frame.items.append(node)
            return
        if frame.waiting is None:
            raise NotReadable(node.place, "is a key that is no text", "write a text as key")
        key, place, merge = frame.waiting
        frame.waiting = None
        if merge:
            frame.merged.append(node)
        else:
            frame.entries[key], frame.keys[key] = node, place

    def _comments(self) -> Iterator[Comment]:
        position = 0
        for number, line in enumerate(self.text.split("\n"), start=1):
            for found in _SPOKEN.finditer(line):
                start = found.start("hash")
                if not self._in_a_text(position + start):
                    alone = not line[:start].strip()
                    place = Place(self.file, number, start + 1)
                    yield Comment(place, line[found.end() :].strip(), alone)
                    break
            position += len(line) + 1

    def _in_a_text(self, at: int) -> bool:
        """Whether a text of the tree holds this letter; they are in the order of the file."""
        begun = bisect_right(self.texts, at, key=lambda text: text[0])
        return begun > 0 and at < self.texts[begun - 1][1]


_SPOKEN = re.compile(r"(?:^|(?<=\s))(?P<hash>#)\s*pyinfra-swarm:")

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NUMBERS = (
    (re.compile(r"[-+]?0[xX][0-9a-fA-F]+"), 16),
    (re.compile(r"[-+]?0[bB][01]+"), 2),
    (re.compile(r"[-+]?0[oO]?[0-7]+"), 8),
    (re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), 10),
)
_DIGITS = 400
"""Longer numbers stay texts: no number of Go's is as long, and Python takes long for them."""

_LEAST, _MOST = -(2**63), 2**64 - 1
"""Whole numbers of Go's; beyond them there are only those with a point."""


def _resolved(text: str) -> str | int | float | bool | None:
    """What a plain word is to go.yaml.in/yaml/v3 (``resolve.go``)."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _DIGITS or text[0] not in "+-.0123456789":
        return text
    number = text.replace("_", "")
    for pattern, base in _NUMBERS:
        if pattern.fullmatch(number):
            whole = int(number, base)
            if _LEAST <= whole <= _MOST:
                return whole
    if _FLOAT.fullmatch(number) and abs(float(number)) != float("inf"):
        return float(number)
    return text
