"""What was deployed, kept in the swarm itself: a config object of ours for each stack.

The swarm keeps what its services are to be, and not what somebody has wanted them to be: where the
two differ, only a record of the second tells. It is taken from the engine after a deploy that has
ended well, so it holds what the engine itself fills in.

A record is a config object ``pyinfra-swarm.stack_NAME_vN``. Its labels say what it is of, its data
is compressed JSON: the managers hand out the data of configs, and to nobody but who may see the
services' specifications as well.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.services.service import Service, Spec
from pyinfra_swarm.settings.labels import LABEL_PREFIX

INPUTS = f"{LABEL_PREFIX}inputs"
"""The label of a record that says, as a hash, what the stack was rendered from."""

FORMAT = 1

LARGEST = 8 << 20
"""Bytes of a record; one that claims to be larger is none of ours."""

_NAME = re.compile(rf"{re.escape(LABEL_PREFIX)}stack_(?P<stack>.+)_v(?P<version>[0-9]+)")


@dataclass(frozen=True)
class Record(Observation):
    """What was deployed of a stack.

    id, version: of the object; 0 and "" before it is kept. inputs: a hash of what is declared.
    engine: the version of the engine that gave the specifications. compose: the compose file as it
    was rendered. services: the specifications by the services' names, with our own secrets and
    configs under the names that are declared.
    problem: why the rest cannot be read.
    """

    stack: str
    inputs: str
    engine: str
    compose: Mapping[str, Any] = field(repr=False, default_factory=dict)
    services: Mapping[str, Spec] = field(repr=False, default_factory=dict)
    id: str = ""
    version: int = 0
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """What can be shown to anybody: nothing of the services' environment."""
        return {
            "stack": self.stack,
            "version": self.version,
            "inputs": self.inputs,
            "engine": self.engine,
            "services": sorted(self.services),
            "problem": self.problem,
        }


def named(stack: str, version: int) -> str:
    """The name of a record's object."""
    return f"{LABEL_PREFIX}stack_{stack}_v{version}"


def pack(record: Record) -> bytes:
    """A record as the data of its object; the same record gives the same data."""
    content = {
        "format": FORMAT,
        "stack": record.stack,
        "inputs": record.inputs,
        "engine": record.engine,
        "compose": record.compose,
        "services": record.services,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return gzip.compress(text.encode(), mtime=0)


def unpack(data: bytes) -> Mapping[str, Any]:
    """What :func:`pack` has packed. Raises ``ValueError`` where it is something else."""
    opened = zlib.decompressobj(wbits=31)
    try:
        text = opened.decompress(data, LARGEST)
        content = json.loads(text)
    except (zlib.error, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if opened.unconsumed_tail or not opened.eof:
        raise ValueError("it is larger than a record can be, or cut short")
    if not isinstance(content, dict):
        raise ValueError("it is no table")
    if content.get("format") != FORMAT:
        raise ValueError(f"its format is {content.get('format')!r}, not {FORMAT}")
    for name in ("compose", "services"):
        if not isinstance(content.get(name), dict):
            raise ValueError(f"it has no {name}")
    return content


def newest(records: Iterable[Record]) -> dict[str, Record]:
    """The record of each stack that counts, by the stack's name: the last one that was kept."""
    found: dict[str, Record] = {}
    for one in records:
        known = found.get(one.stack)
        if known is None or known.version < one.version:
            found[one.stack] = one
    return found


def stack_and_version(name: str) -> tuple[str, int] | None:
    """What the name of a record's object says; ``None`` for another name."""
    match = _NAME.fullmatch(name)
    return (match["stack"], int(match["version"])) if match else None


def with_declared_names(service: Service, ours: Mapping[str, str]) -> dict[str, Any]:
    """A service's specification with our own secrets and configs under their declared names.

    ours: the ids of our objects, and the name that each is declared by. Ids and versions are left
    out: a rotation changes both, and nothing of what the service is meant to be.
    """
    template = dict(service.spec.get("TaskTemplate") or {})
    container = dict(template.get("ContainerSpec") or {})
    for kind in ("Secret", "Config"):
        entries = container.get(f"{kind}s")
        if entries:
            container[f"{kind}s"] = [_declared(one, kind, ours) for one in entries]
    template["ContainerSpec"] = container
    return {**service.spec, "TaskTemplate": template}


def _declared(entry: Mapping[str, Any], kind: str, ours: Mapping[str, str]) -> dict[str, Any]:
    number, name = f"{kind}ID", f"{kind}Name"
    left = {key: value for key, value in entry.items() if key != number}
    return {**left, name: ours.get(str(entry.get(number)), entry.get(name))}
