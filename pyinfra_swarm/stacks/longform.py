"""A compose file's parts in their long forms, so that files can be merged and rules read them.

What docker/cli's ``cli/compose/loader/loader.go`` does when it decodes a file: lists of names
become mappings, short specifications become long ones, environment files are read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pyinfra_swarm.stacks import mounts, ports
from pyinfra_swarm.stacks.document import Items, Node, Place, Scalar, Table
from pyinfra_swarm.stacks.variables import Path, Variables

PORTS_LIMIT = 2000
"""Ports of one service; a swarm of small boards does not get through more."""

SECTIONS = ("services", "networks", "volumes", "secrets", "configs")


@dataclass
class Longform:
    """Brings files into the long form.

    variables: for entries of the environment without a value; texts: of files that files name,
    by the path as it is written. problems: what docker refuses, as (place, path, reason).
    """

    variables: Variables
    texts: Mapping[str, str]
    problems: list[tuple[Place, Path, str]] = field(default_factory=list)

    def file(self, root: Table) -> Table:
        """The sections of a file; each is a mapping, if an empty one."""
        made: dict[str, Node] = {}
        for name in SECTIONS:
            section = root.entries.get(name)
            entries = section.entries if isinstance(section, Table) else {}
            keys = section.keys if isinstance(section, Table) else {}
            place = section.place if section else root.place
            long = self._service if name == "services" else self._object
            made[name] = Table(
                {
                    key: long(node, (name, key))
                    for key, node in entries.items()
                    if isinstance(node, Table) or name != "services"
                },
                place,
                keys,
            )
        return Table(made, root.place, root.keys)

    def _object(self, node: Node, path: Path) -> Node:
        """A network, a volume, a secret or a config."""
        if not isinstance(node, Table):
            return Table({}, node.place)
        entries = {}
        for key, value in node.entries.items():
            entries[key] = value
            if key == "labels":
                entries[key] = _mapping(value)
        external = entries.get("external")
        if isinstance(external, Table):  # external: { name: … }, the old way
            name = external.entries.get("name")
            if name is not None:
                entries.setdefault("name", name)
            entries["external"] = Scalar(True, external.place)
        return Table(entries, node.place, node.keys)

    def _service(self, node: Node, path: Path) -> Node:
        if not isinstance(node, Table):
            return Table({}, node.place)
        entries: dict[str, Node] = {}
        for key, value in node.entries.items():
            long = _SERVICE.get(key)
            entries[key] = long(self, value, (*path, key)) if long else value
        deploy = entries.get("deploy")
        if isinstance(deploy, Table) and "labels" in deploy.entries:
            inner = {**deploy.entries, "labels": _mapping(deploy.entries["labels"])}
            entries["deploy"] = Table(inner, deploy.place, deploy.keys)
        environment = self._environment(node, path)
        keys = dict(node.keys)
        entries.pop("environment", None)
        if environment.entries:
            entries["environment"] = environment
            keys.setdefault("environment", environment.place)
        return Table(entries, node.place, keys)

    def _environment(self, service: Table, path: Path) -> Table:
        """The environment with what the environment files hold, which come before it."""
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        place = service.place
        named = service.entries.get("env_file")
        for item in named.items if isinstance(named, Items) else filter(None, (named,)):
            if isinstance(item, Scalar) and isinstance(item.value, str) and not item.unknown:
                place = item.place
                for name, value, at in self._env_file(item.value):
                    entries[name], keys[name] = self._looked_up(name, value, at), at
        own = service.entries.get("environment")
        if own is not None:
            place = own.place
            table = _mapping(own, nothing=None)
            for name, node in table.entries.items():
                at = table.keys[name]
                own_value = node.value if isinstance(node, Scalar) else None
                unknown = isinstance(node, Scalar) and node.unknown
                entries[name] = node if unknown else self._looked_up(name, own_value, at, node)
                keys[name] = at
        return Table(entries, place, keys)

    def _looked_up(
        self, name: str, value: object, place: Place, node: Node | None = None
    ) -> Scalar:
        written = node.written if isinstance(node, Scalar) else ""
        if value not in (None, ""):
            return Scalar(said(value), place, written)
        known = self.variables.values.get(name)
        if known is not None:
            return Scalar(known, place, written=f"${{{name}}}")
        unknown = value is None and not self.variables.complete
        return Scalar("" if value == "" else None, place, written, unknown)

    def _env_file(self, path: str) -> list[tuple[str, str, Place]]:
        """The lines of an environment file, as docker/cli's ``pkg/kvfile`` reads them."""
        found: list[tuple[str, str, Place]] = []
        text = self.texts.get(path, "").removeprefix("\ufeff")
        for number, line in enumerate(text.split("\n"), start=1):
            words = line.removesuffix("\r").lstrip()
            name, sign, value = words.partition("=")
            known = sign or name in self.variables.values
            if not words.startswith("#") and known:
                found.append((name, value, Place(path, number)))
        return found

    def _ports(self, node: Node, path: Path) -> Node:
        return self._list(node, path, _long_ports, f"publishes more than {PORTS_LIMIT} ports")

    def _volumes(self, node: Node, path: Path) -> Node:
        return self._list(node, path, _long_mount)

    def _list(
        self, node: Node, path: Path, long: Callable[[Scalar], list[Node]], too_many: str = ""
    ) -> Node:
        """A list with its short entries made long; an entry that cannot be read is left out.

        long: raises ``ValueError`` with the reason. too_many: what is said where it has more than
        :data:`PORTS_LIMIT` in the end.
        """
        if not isinstance(node, Items):
            return node
        made: list[Node] = []
        for index, item in enumerate(node.items):
            try:
                found = long(item) if isinstance(item, Scalar) else [item]
            except ValueError as error:
                self.problems.append((item.place, (*path, index), str(error)))
                continue
            if too_many and len(made) + len(found) > PORTS_LIMIT:
                self.problems.append((item.place, (*path, index), too_many))
                break
            made += found
        return Items(tuple(made), node.place)

    def _references(self, node: Node, path: Path) -> Node:
        """Secrets or configs that a service uses."""
        if not isinstance(node, Items):
            return node
        return Items(
            tuple(
                Table({"source": item}, item.place) if isinstance(item, Scalar) else item
                for item in node.items
            ),
            node.place,
        )

    def _networks(self, node: Node, path: Path) -> Node:
        if isinstance(node, Items):
            return _mapping(node, nothing=None)
        return node

    def _map(self, node: Node, path: Path) -> Node:
        return _mapping(node)

    def _strings(self, node: Node, path: Path) -> Node:
        return Items((node,), node.place) if isinstance(node, Scalar) else node

    def _healthcheck(self, node: Node, path: Path) -> Node:
        test = node.entries.get("test") if isinstance(node, Table) else None
        if not isinstance(node, Table) or not isinstance(test, Scalar):
            return node
        words = Items((Scalar("CMD-SHELL", test.place), test), test.place)
        return Table({**node.entries, "test": words}, node.place, node.keys)


_SERVICE: dict[str, Callable[[Longform, Node, Path], Node]] = {
    "ports": Longform._ports,
    "volumes": Longform._volumes,
    "secrets": Longform._references,
    "configs": Longform._references,
    "networks": Longform._networks,
    "labels": Longform._map,
    "sysctls": Longform._map,
    "dns": Longform._strings,
    "dns_search": Longform._strings,
    "tmpfs": Longform._strings,
    "healthcheck": Longform._healthcheck,
}


def _long_ports(item: Scalar) -> list[Node]:
    if item.unknown:
        return [Table({"unknown": item}, item.place)]
    try:
        return [_port(one, item) for one in ports.parse(said(item.value))]
    except ValueError as error:
        raise ValueError(f"is no port: {error}") from error


def _long_mount(item: Scalar) -> list[Node]:
    try:
        return [_mount(mounts.parse(said(item.value)), item)]
    except ValueError as error:
        if item.unknown:
            return []
        raise ValueError(f"is no mount: {error}") from error


def _mapping(node: Node, nothing: str | None = "") -> Table:
    """A mapping, or a list of ``name=value``, as a mapping. nothing: a name without a value."""
    if isinstance(node, Table):
        filled = {key: _or_nothing(value, nothing) for key, value in node.entries.items()}
        return Table(filled, node.place, node.keys)
    entries: dict[str, Node] = {}
    keys: dict[str, Place] = {}
    for item in node.items if isinstance(node, Items) else ():
        if isinstance(item, Scalar):
            name, sign, value = said(item.value).partition("=")
            written = item.written.partition("=")[2]
            keys[name] = item.place
            unknown = item.unknown and bool(sign)
            entries[name] = Scalar(value if sign else nothing, item.place, written, unknown)
    return Table(entries, node.place, keys)


def _or_nothing(node: Node, nothing: str | None) -> Node:
    empty = isinstance(node, Scalar) and node.value is None
    return Scalar(nothing, node.place) if empty else node


def _port(port: ports.Published, item: Scalar) -> Table:
    values: dict[str, str | int] = {
        "target": port.target,
        "published": port.published,
        "protocol": port.protocol,
        "mode": "ingress",
    }
    if port.address:
        values["address"] = port.address
    return Table(
        {key: Scalar(value, item.place, item.written) for key, value in values.items()}, item.place
    )


def _mount(mount: mounts.Mount, item: Scalar) -> Table:
    values: dict[str, str | bool] = {
        "type": mount.kind,
        "source": mount.source,
        "target": mount.target,
        "read_only": mount.read_only,
    }
    return Table(
        {
            key: Scalar(value, item.place, item.written, item.unknown)
            for key, value in values.items()
        },
        item.place,
    )


def said(value: object) -> str:
    """A value as docker writes it into a text (Go's ``fmt.Sprint``)."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return _float(value)
    return str(value)


def _float(value: float) -> str:
    """As Go's ``%v``: the shortest digits, with an exponent below 0.0001 and from 1000000 on."""
    if math.isinf(value) or math.isnan(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    first = len(digits) - 1 + exponent
    if not -4 <= first < 6:
        text = "".join(map(str, digits))
        point = f".{text[1:]}" if len(text) > 1 else ""
        return f"{'-' * sign}{text[0]}{point}e{'+-'[first < 0]}{abs(first):02}"
    return f"{Decimal(repr(value)).normalize():f}"


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_UNITS["h"] = 3600.0
_LENGTH = re.compile(r"([0-9]*\.?[0-9]*)(ns|us|µs|μs|ms|s|m|h)")


def seconds(text: str) -> float | None:
    """A length of time as Go's ``time.ParseDuration`` reads it; ``None`` for any other text."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0.0
    if not rest or len(rest) > 100:
        return None
    total, position = 0.0, 0
    while position < len(rest):
        match = _LENGTH.match(rest, position)
        if match is None or match[1] in ("", "."):
            return None
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    return -total if text.startswith("-") else total
