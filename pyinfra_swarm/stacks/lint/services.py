"""A stack's services, as rules look at them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from pyinfra_swarm.stacks.compose import Merged, at
from pyinfra_swarm.stacks.document import Items, Node, Place, Scalar, Table
from pyinfra_swarm.stacks.lint.issue import Issue, notice, refusal
from pyinfra_swarm.stacks.lint.rules import Rule


@dataclass(frozen=True)
class Port:
    """A published port. target, published: 0 where it is not given; address: given, and unused."""

    place: Place
    path: str
    target: int
    published: int
    protocol: str
    mode: str
    address: str = ""


@dataclass(frozen=True)
class Mount:
    """A mount. source: "" where it is unknown or has no name; shown: as the file writes it."""

    place: Place
    path: str
    kind: str
    source: str
    target: str
    read_only: bool
    shown: str


@dataclass(frozen=True)
class Service:
    """A service of a stack."""

    name: str
    table: Table
    key: Place

    def node(self, *path: str) -> Node | None:
        """The part at a path; ``None`` where there is none."""
        return at(self.table, *path)

    def scalar(self, *path: str) -> Scalar | None:
        """The same, where it is no list and no mapping."""
        node = self.node(*path)
        return node if isinstance(node, Scalar) else None

    def text(self, *path: str) -> str | None:
        """The text there: "" where there is none, ``None`` where it is unknown."""
        node = self.scalar(*path)
        if node is None or (node.value is None and not node.unknown):
            return ""
        return None if node.unknown else str(node.value)

    def place(self, *path: str) -> Place:
        """Where a part stands; else the nearest part around it, and at last the service."""
        place, node = self.key, self.table
        for part in path:
            inner = node.entries.get(part)
            if inner is None:
                break
            place = node.keys.get(part, inner.place)
            if not isinstance(inner, Table):
                break
            node = inner
        return place

    def path(self, *path: str) -> str:
        """The part as docker writes it."""
        return ".".join(("services", self.name, *path))

    def refusal(self, rule: Rule, path: tuple[str, ...], reason: str, remedy: str) -> Issue:
        """What keeps the stack from being deployed, at a part of this service."""
        return refusal(rule, self.place(*path), self.path(*path), reason, remedy)

    def notice(self, rule: Rule, path: tuple[str, ...], reason: str, remedy: str) -> Issue:
        """What is told, at a part of this service."""
        return notice(rule, self.place(*path), self.path(*path), reason, remedy)

    @property
    def mode(self) -> str:
        """``replicated``, ``global``, ``replicated-job`` or ``global-job``."""
        return self.text("deploy", "mode") or "replicated"

    @property
    def is_job(self) -> bool:
        """Whether it is to end by itself."""
        return self.mode.endswith("-job")

    @property
    def is_global(self) -> bool:
        """Whether it runs once on each node."""
        return self.mode.startswith("global")

    @property
    def replicas(self) -> int | None:
        """How many tasks it is to have: 1 where nothing is said; ``None`` where it is unknown."""
        node = self.scalar("deploy", "replicas")
        if node is None or (node.value is None and not node.unknown):
            return 1
        return node.value if isinstance(node.value, int) and not node.unknown else None

    @property
    def constraints(self) -> list[Scalar]:
        """Its placement constraints."""
        return [one for one in self._items("deploy", "placement", "constraints") if scalar(one)]

    def _items(self, *path: str) -> list[Scalar]:
        node = self.node(*path)
        items = node.items if isinstance(node, Items) else ()
        return [item for item in items if isinstance(item, Scalar)]

    def words(self, *path: str) -> list[Scalar]:
        """The words of a list, or of a text."""
        node = self.node(*path)
        return [node] if isinstance(node, Scalar) else self._items(*path)

    def tables(self, *path: str) -> Iterator[tuple[str, Table]]:
        """The mappings in a list, each with its path."""
        node = self.node(*path)
        for number, item in enumerate(node.items if isinstance(node, Items) else ()):
            if isinstance(item, Table):
                yield f"{self.path(*path)}[{number}]", item

    @cached_property
    def ports(self) -> tuple[Port, ...]:
        """What it publishes; without ports that hold an unknown variable, or no number."""
        return tuple(
            Port(
                table.place,
                path,
                _number(table, "target"),
                _number(table, "published"),
                _text(table, "protocol") or "tcp",
                _text(table, "mode") or "ingress",
                _text(table, "address"),
            )
            for path, table in self.tables("ports")
            if not any(_unknown(node) for node in table.entries.values())
            and all(_is_number(table.entries.get(key)) for key in ("target", "published"))
        )

    @cached_property
    def mounts(self) -> tuple[Mount, ...]:
        """What it mounts."""
        return tuple(
            Mount(
                table.place,
                path,
                _text(table, "type") or "volume",
                "" if _unknown(table.entries.get("source")) else _text(table, "source"),
                _text(table, "target"),
                _text(table, "read_only") == "True",
                _shown(table.entries.get("source")),
            )
            for path, table in self.tables("volumes")
            if not _unknown(table.entries.get("type"))
        )

    @property
    def networks(self) -> dict[str, Place]:
        """The networks that it is in, and where that is said; ``default`` where nothing is."""
        node = self.node("networks")
        if isinstance(node, Table) and node.entries:
            return {name: node.keys.get(name, node.place) for name in node.entries}
        return {"default": self.key}


def services(stack: Merged) -> list[Service]:
    """A stack's services, in the order of the files."""
    section = stack.section("services")
    return [
        Service(name, node, section.keys.get(name, node.place))
        for name, node in section.entries.items()
        if isinstance(node, Table)
    ]


def scalar(node: Node) -> bool:
    """Whether it is no list and no mapping."""
    return isinstance(node, Scalar)


def _unknown(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.unknown


def _text(table: Table, key: str) -> str:
    node = table.entries.get(key)
    return str(node.value) if isinstance(node, Scalar) and node.value is not None else ""


def _is_number(node: Node | None) -> bool:
    return node is None or (isinstance(node, Scalar) and isinstance(node.value, int))


def _number(table: Table, key: str) -> int:
    node = table.entries.get(key)
    value = node.value if isinstance(node, Scalar) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _shown(node: Node | None) -> str:
    return node.shown if isinstance(node, Scalar) and node.value is not None else ""
