"""Several compose files as one, joined as the docker CLI joins them.

From docker/cli, ``cli/compose/loader/merge.go`` and the library below it (dario.cat/mergo). Held
against ``docker stack config`` itself by ``tests/engines/test_engines_stack_files.py``. What may
surprise:

- A network, volume, secret or config of a later file takes the place of the whole earlier one. An
  overlay that one file encrypts and the next one only mentions is not encrypted any more.
- Nothing, 0, ``false`` and "" of a later file leave what was there.
- Lists are joined: a second ``healthcheck.test`` is appended to the first.
- Ports are told apart by the published port alone: where a service is in two files, 53/udp takes
  the place of 53/tcp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from pyinfra_swarm.stacks.document import Items, Node, Scalar, Table
from pyinfra_swarm.stacks.longform import SECTIONS, seconds


def merge(files: Iterable[Table]) -> Table:
    """Files in their long forms as one; the last one has the last word."""
    first, *others = files
    merged = {name: _table(first.entries[name]) for name in SECTIONS}
    for other in others:
        for name in SECTIONS:
            merge_entry = _service if name == "services" else _replaced
            merged[name] = _joined(merged[name], _table(other.entries[name]), merge_entry)
    return Table(dict(merged), first.place, first.keys)


def _table(node: Node) -> Table:
    assert isinstance(node, Table)
    return node


def _joined(old: Table, new: Table, both: Callable[[Node, Node], Node]) -> Table:
    """The entries of both; those with the same key become what ``both`` makes of them."""
    entries, keys = dict(old.entries), dict(old.keys)
    for key, node in new.entries.items():
        entries[key] = both(entries[key], node) if key in entries else node
        if entries[key] is node:
            keys[key] = new.keys.get(key, node.place)
    return Table(entries, old.place if old.entries else new.place, keys)


def _replaced(old: Node, new: Node) -> Node:
    return new


def _service(old: Node, new: Node) -> Node:
    return _struct(old, new, _SERVICE)


Rule = Callable[[Node, Node], Node]


def _struct(old: Node, new: Node, rules: Mapping[str, Rule]) -> Node:
    """Two mappings with known keys: each key by its rule, else by its kind."""
    if not isinstance(old, Table) or not isinstance(new, Table):
        return old if _is_nothing(new) else new
    entries, keys = dict(old.entries), dict(old.keys)
    for key in {**old.entries, **new.entries}:
        before, after = old.entries.get(key), new.entries.get(key)
        rule = rules.get(key, _by_kind)
        if before is None:
            assert after is not None
            entries[key] = after
        elif after is not None:
            entries[key] = rule(before, after)
        if key in _KEYED:
            entries[key] = _keyed(entries[key], _KEYED[key], before is not None)
        if entries[key] is after:
            keys[key] = new.keys.get(key, after.place)
    return Table(entries, old.place, keys)


def _by_kind(old: Node, new: Node) -> Node:
    if isinstance(new, Items) and isinstance(old, Items):
        return Items((*old.items, *new.items), old.place)
    return _struct(old, new, {})


def _is_nothing(node: Node) -> bool:
    """Whether Go takes it for an empty value, which overrides nothing; what is unknown is none."""
    match node:
        case Scalar(value=value):
            return not value
        case Items(items=items):
            return not items
        case Table(entries=entries):
            return not entries


def _duration(old: Node, new: Node) -> Node:
    """A length of time: one of no length overrides nothing."""
    text = new.value if isinstance(new, Scalar) else None
    return old if _is_nothing(new) or seconds(str(text)) == 0.0 else new


def _memory(old: Node, new: Node) -> Node:
    """A number of bytes: none at all override nothing."""
    text = new.value if isinstance(new, Scalar) else None
    return old if _is_nothing(new) or not str(text).strip("0.bBkKmMgG") else new


def _pointer(old: Node, new: Node) -> Node:
    """A value of which docker knows whether it is there: 0 overrides."""
    return old if isinstance(new, Scalar) and new.value is None else new


def _words(old: Node, new: Node) -> Node:
    """A command: replaced as a whole."""
    return old if _is_nothing(new) else new


def _strings(old: Node, new: Node) -> Node:
    """A mapping of texts: "" overrides as well."""
    if isinstance(old, Table) and isinstance(new, Table):
        return _joined(old, new, _replaced)
    return new


def _environment(old: Node, new: Node) -> Node:
    """The environment: "" and nothing override only what is "" or nothing itself."""
    if isinstance(old, Table) and isinstance(new, Table):
        return _joined(old, new, lambda a, b: a if _is_empty(b) and not _is_empty(a) else b)
    return new


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value in (None, "")


def _networks(old: Node, new: Node) -> Node:
    if isinstance(old, Table) and isinstance(new, Table):
        return _joined(old, new, _network)
    return old if _is_nothing(new) else new


def _network(old: Node, new: Node) -> Node:
    """A service's place in a network: aliases replaced, addresses if given, options kept."""
    if not isinstance(new, Table):
        return old
    if not isinstance(old, Table):
        return new
    entries = {key: node for key, node in old.entries.items() if key != "aliases"}
    for key in ("aliases", "ipv4_address", "ipv6_address"):
        if key in new.entries and not _is_nothing(new.entries[key]):
            entries[key] = new.entries[key]
    return Table(entries, new.place, {**old.keys, **new.keys})


def _logging(old: Node, new: Node) -> Node:
    """The same driver, or one that is not named: options joined; else replaced."""
    if not isinstance(old, Table) or not isinstance(new, Table):
        return _replaced(old, new)
    before, after = _text(old, "driver"), _text(new, "driver")
    if before and after and before != after:
        return new
    entries = dict(old.entries)
    if after:
        entries["driver"] = new.entries["driver"]
    options = old.entries.get("options")
    if isinstance(options, Table):  # without any before, docker loses those of the later file
        entries["options"] = _strings(options, new.entries.get("options", Table({}, new.place)))
    return Table(entries, old.place, {**old.keys, **new.keys})


def _text(table: Table, key: str) -> str:
    node = table.entries.get(key)
    return str(node.value) if isinstance(node, Scalar) and node.value else ""


def _keyed(node: Node, key: str, was_there: bool) -> Node:
    """A list whose entries are told apart by a key: the last one of each, in the key's order."""
    if not was_there or not isinstance(node, Items):
        return node
    last: dict[str | int, Node] = {}
    others: list[Node] = []
    for item in node.items:
        at = item.entries.get(key) if isinstance(item, Table) else None
        if isinstance(item, Table) and "unknown" not in item.entries and not _unknown(at):
            last[_key(at.value if isinstance(at, Scalar) else None)] = item
        else:
            others.append(item)
    ordered = [last[one] for one in sorted(last, key=lambda one: (isinstance(one, str), one))]
    return Items((*ordered, *others), node.place)


def _key(value: object) -> str | int:
    """What an entry is told apart by; one that says nothing is one that Swarm chooses."""
    return value if isinstance(value, int) else 0 if value is None else str(value)


def _unknown(node: Node | None) -> bool:
    return isinstance(node, Scalar) and node.unknown


def _rules(rules: Mapping[str, Rule]) -> Rule:
    return lambda old, new: _struct(old, new, rules)


_KEYED = {"ports": "published", "secrets": "source", "configs": "source", "volumes": "target"}

_UPDATE = _rules({"parallelism": _pointer, "delay": _duration, "monitor": _duration})
_LENGTHS: dict[str, Rule] = dict.fromkeys(
    ("interval", "timeout", "start_period", "start_interval"), _duration
)
_RESOURCES = _rules({"memory": _memory})
_SERVICE: dict[str, Rule] = {
    "command": _words,
    "entrypoint": _words,
    "environment": _environment,
    "labels": _strings,
    "sysctls": _strings,
    "networks": _networks,
    "ulimits": _strings,
    "logging": _logging,
    "healthcheck": _rules({"retries": _pointer, **_LENGTHS}),
    "stop_grace_period": _duration,
    "deploy": _rules(
        {
            "replicas": _pointer,
            "labels": _strings,
            "update_config": _UPDATE,
            "rollback_config": _UPDATE,
            "restart_policy": _rules(
                {"max_attempts": _pointer, "delay": _duration, "window": _duration}
            ),
            "resources": _rules({"limits": _RESOURCES, "reservations": _RESOURCES}),
        }
    ),
}
