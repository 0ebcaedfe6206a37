"""A service's specification, field by field: what differs is told in the words of a compose file.

The engine's own JSON is compared with the engine's own JSON, so nothing here converts a compose
file. Lists whose entries have a name of their own (mounts, ports, networks, secrets) are compared
by it, so that an entry that was added is told as that entry, not as two long lists.

Values that may be anything, and so a password, are compared and never told: the environment, the
words of commands and health checks, labels, the options of drivers, and what Docker does not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.settings.errors import shown

Spec = Mapping[str, Any]

Fields = Mapping[str, Any]
"""A field's words to its value: plain data, compared as it is."""

IMAGE_LABEL = "com.docker.stack.image"
"""The label in which ``docker stack deploy`` notes what the compose file calls the image."""

NOTHING = "none"
"""What is told where a field has no value."""


@dataclass(frozen=True)
class Difference:
    """A field that is not as it should be. expected, found: in words, never a password."""

    field: str
    expected: str
    found: str


def differences(expected: Spec, found: Spec, *, other_engine: bool = False) -> list[Difference]:
    """What differs between two specifications of a service, in the order of the fields' words.

    other_engine: the two were read from engines of different versions, which may leave out what is
    empty, or add what the other does not know.
    """
    before, after = fields(expected), fields(found)
    different = []
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one == other or (other_engine and name not in before and not other):
            continue
        different.append(told(name, one, other))
    return different


def fields(spec: Spec) -> Fields:
    """A specification as a flat mapping, without what the swarm itself changes in it.

    Left out: how often an update was forced, and what the compose file has called the image, which
    the image itself tells. Empty values are no values.
    """
    return dict(_walk("", _named(spec)))


def told(name: str, expected: Any, found: Any) -> Difference:
    """The difference in words; ``None`` stands for no value."""
    return _told(name, expected, found, hidden=_is_open(_OPEN_FIELDS, name, expected, found))


def _told(name: str, expected: Any, found: Any, *, hidden: bool) -> Difference:
    if hidden:
        return Difference(name, _hidden(expected), _hidden(found, "another value"))
    return Difference(name, worded(name, expected), worded(name, found))


def _hidden(value: Any, words: str = "as declared") -> str:
    return "not set" if value is None else words


_OPEN_FIELDS = re.compile(
    r"^(environment|label|container label) |^(command|entrypoint)$"
    r"|(^|\.)(Healthcheck\.Test|Labels|Options|DriverOpts|Env)(\.|$)"
)
"""Fields of a specification whose value may be anything."""

_OPEN_KEYS = re.compile(
    r"(^|\.)(environment|command|entrypoint|healthcheck\.test|labels|build\.args"
    r"|driver_opts|options|content|x-[^. ]*)([. ]|$)"
)
"""The same of a rendered compose file, below the name of a service, a network or a volume."""


def _is_open(pattern: re.Pattern[str], path: str, *values: Any) -> bool:
    """Whether a value may be anything: by its place, or by a place within it."""
    return any(pattern.search(place) for value in values for place in _within(path, value))


def _within(path: str, value: Any) -> Iterator[str]:
    """A place, and all places within it, for lists of mappings as for mappings."""
    yield path
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        yield from _within(f"{path}.{key}" if path else str(key), inner)
    for inner in value if isinstance(value, list | tuple) else ():
        yield from _within(path, inner)


def worded(name: str, value: Any) -> str:
    """A value as a person writes it; hidden where it looks like a secret."""
    if value is None:
        return NOTHING
    last = name.rpartition(".")[2]
    if isinstance(value, int) and not isinstance(value, bool):
        if last in _DURATIONS:
            return _duration(value)
        if last == "MemoryBytes":
            return _bytes(value)
        if last == "NanoCPUs":
            return f"{value / 1e9:g}"
    if last == "image" and isinstance(value, str):
        return _image(value)
    if last == "memory" and isinstance(value, str) and value.isdecimal():
        return _bytes(int(value))  # a compose file, as the engine renders it
    said = shown(value, name)
    return said[1:-1] if isinstance(value, str) and said.startswith('"') else said


# How a specification is taken apart
# ----------------------------------

_CONTAINER = "TaskTemplate.ContainerSpec."

_WORDS: Mapping[str, str] = {
    "Mode.Replicated.Replicas": "replicas",
    f"{_CONTAINER}Image": "image",
    f"{_CONTAINER}Command": "entrypoint",
    f"{_CONTAINER}Args": "command",
}
"""Fields that a compose file calls by another name."""

_DURATIONS = {
    *("Delay", "Monitor", "Interval", "Timeout", "StartPeriod", "StartInterval", "Window"),
    "StopGracePeriod",
}


def _named(spec: Spec) -> dict[str, Any]:
    """The specification with its lists of named things as mappings."""
    made = dict(spec)
    task = dict(spec.get("TaskTemplate") or {})
    container = dict(task.get("ContainerSpec") or {})
    made.pop("Name", None)  # it is what the service was found by
    labels = dict(spec.get("Labels") or {})
    labels.pop(IMAGE_LABEL, None)
    task.pop("ForceUpdate", None)
    made["Labels"] = _entries("label", labels)
    container["Labels"] = _entries("container label", container.get("Labels") or {})
    container["Env"] = _entries(
        "environment", dict(_variable(one) for one in container.get("Env") or ())
    )
    container["Mounts"] = _by("mount", container.get("Mounts"), lambda one: one.get("Target"))
    container["Secrets"] = _by("secret", container.get("Secrets"), _of_secret)
    container["Configs"] = _by("config", container.get("Configs"), _of_config)
    task["Networks"] = _by("network", task.get("Networks"), lambda one: one.get("Target"))
    endpoint = dict(spec.get("EndpointSpec") or {})
    endpoint["Ports"] = _by("port", endpoint.get("Ports"), _port)
    made["EndpointSpec"], made["TaskTemplate"] = endpoint, task
    task["ContainerSpec"] = container
    return made


@dataclass(frozen=True)
class _Entries:
    """Things of one sort by their names; ``what`` stands before a name."""

    what: str
    named: Mapping[str, Any]


def _entries(what: str, named: Mapping[str, Any]) -> _Entries:
    return _Entries(what, named)


def _by(what: str, entries: Any, name: Callable[[Mapping[str, Any]], object]) -> _Entries:
    named: dict[str, Any] = {}
    for one in entries or ():
        key = str(name(one) or "")
        while key in named:
            key += "'"  # two that are called alike are still two
        named[key] = dict(one)
    return _Entries(what, named)


def _variable(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name, value


def _of_secret(one: Mapping[str, Any]) -> object:
    return _file(one) or one.get("SecretName")


def _of_config(one: Mapping[str, Any]) -> object:
    return _file(one) or one.get("ConfigName")


def _file(one: Mapping[str, Any]) -> object:
    """Where a secret or config is in a container: what tells two of them apart."""
    return (one.get("File") or {}).get("Name")


def _port(one: Mapping[str, Any]) -> str:
    published = one.get("PublishedPort") or "any"
    return f"{published}:{one.get('TargetPort')}/{one.get('Protocol', 'tcp')}"


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, _Entries):
        for key, one in value.named.items():
            name = f"{value.what} {key}"
            yield from _walk(name, one) if isinstance(one, Mapping) else [(name, one)]
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _walk(f"{path}.{key}" if path else str(key), one)
    elif value not in (None, "", []):
        yield _words(path), value


def _words(path: str) -> str:
    if path in _WORDS:
        return _WORDS[path]
    return path.removeprefix(_CONTAINER).removeprefix("TaskTemplate.")


def _image(name: str) -> str:
    """An image's name, with as much of its digest as ``docker`` shows."""
    before, at, digest = name.partition("@sha256:")
    return f"{before}{at}{digest[:12]}"


def _duration(nanoseconds: int) -> str:
    seconds = nanoseconds / 1e9
    return f"{seconds:g}s" if seconds < 120 or seconds % 60 else f"{seconds / 60:g}m"


def _bytes(number: int) -> str:
    return f"{number / 2**20:g}M" if number % 2**20 == 0 else str(number)


# Compose files, as the engine has rendered them
# ----------------------------------------------


def compose_differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """What differs between two rendered compose files, by its place in them."""
    one, other = dict(_places((), before)), dict(_places((), after))
    return [
        _at(place, one.get(place), other.get(place))
        for place in sorted({*one, *other}, key=".".join)
        if one.get(place) != other.get(place)
    ]


_Place = tuple[str, ...]
"""The keys that lead to a value; that of what stands in a list is followed by its name."""


def _at(place: _Place, before: Any, after: Any) -> Difference:
    """The later one is what is declared now."""
    extension = place[0].startswith("x-")
    hidden = extension or _is_open(_OPEN_KEYS, ".".join(place[2:]), before, after)
    return _told(".".join(place), after, before, hidden=hidden)


def _places(path: _Place, value: Any) -> Iterator[tuple[_Place, Any]]:
    if isinstance(value, Mapping) and value:
        for key, one in value.items():
            yield from _places((*path, str(key)), one)
    elif isinstance(value, list) and all(isinstance(one, Mapping) for one in value) and value:
        for one in value:
            name = next((str(one[key]) for key in ("target", "source") if key in one), "")
            yield (*path[:-1], f"{path[-1]} {name}".rstrip()), dict(sorted(one.items()))
    elif path and value is not None:
        yield path, value
