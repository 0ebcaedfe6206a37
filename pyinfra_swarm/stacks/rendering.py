"""What the engine has rendered of a stack's files, and how it is made ready to be deployed.

``docker stack config`` merges the files, fills variables in and checks every key, on a manager and
by the engine's own command line. Here its result is read, and what only holds for this one
rendering is taken out of it: the folder in which the files lay, the files of variables (their
content has become part of ``environment``), the versions of secrets and configs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Literal

from pyinfra_swarm.services.service import Kind, Spec
from pyinfra_swarm.stacks.document import Items, Node, NotReadable, Table, parse
from pyinfra_swarm.stacks.fields import IMAGE_LABEL

Compose = Mapping[str, Any]

Current = Mapping[tuple[Kind, str], str]
"""Kind and declared name of a secret or config to the object's name that is its current version."""

KINDS: Mapping[Literal["secrets", "configs"], Kind] = {"secrets": "secret", "configs": "config"}


class Unusable(ValueError):
    """What was rendered cannot be deployed as it is; the text says why, and what to do."""


@dataclass(frozen=True)
class Rendered:
    """A stack's files as the engine has rendered them: the same for the same files and values.

    warnings: what the engine's command line has said beside it.
    """

    compose: Compose = field(repr=False)
    warnings: tuple[str, ...] = ()


def rendered(text: str, folder: str, warnings: tuple[str, ...] = ()) -> Rendered:
    """What ``docker stack config`` has printed. folder: where on the manager the files lay.

    Raises :class:`Unusable` where it names a file of that folder for what is not shipped there.
    """
    try:
        compose = _plain(parse("docker stack config", text.encode()).root)
    except NotReadable as error:
        raise Unusable(f"what the engine has rendered cannot be read: it {error.reason}") from None
    compose.pop("version", None)  # the engine's own, which says nothing of the stack
    for service in _tables(compose.get("services")):
        service.pop("env_file", None)
    for section in KINDS:
        for one in _tables(compose.get(section)):
            if "file" in one:
                one["file"] = str(one["file"]).removeprefix(f"{folder}/")
    left = sorted({place for place, value in _texts("", compose) if value.startswith(folder)})
    if left:
        raise Unusable(
            f"{', '.join(left)} is a path beside the compose file. It is on this computer, and on "
            "none of the hosts. Use a config or a secret for a file, or a path that is on every "
            "node that may run the service"
        )
    return Rendered(compose, warnings)


def files(compose: Compose) -> dict[tuple[Kind, str], str]:
    """The files that secrets and configs of a stack are made of, by their kind and key."""
    return {
        (kind, str(key)): str(one["file"])
        for section, kind in KINDS.items()
        for key, one in (compose.get(section) or {}).items()
        if isinstance(one, Mapping) and "file" in one
    }


def external(compose: Compose) -> tuple[tuple[Kind, str], ...]:
    """The secrets and configs that a stack expects to be there, by kind and name."""
    return tuple(
        (kind, str(one.get("name") or key))
        for section, kind in KINDS.items()
        for key, one in (compose.get(section) or {}).items()
        if isinstance(one, Mapping) and one.get("external")
    )


def resolved(
    compose: Compose, stack: str, current: Current, contents: Mapping[str, bytes]
) -> dict[str, Any]:
    """The compose file as it is deployed now.

    current: secrets and configs that are declared; others are left as they are. contents: the
    files of the stack's own configs. The engine cannot change what is in a config, so each content
    has a name of its own, and a changed file is another config.
    """
    made: dict[str, Any] = json.loads(json.dumps(compose))
    for section, kind in KINDS.items():
        for key, one in (made.get(section) or {}).items():
            if not isinstance(one, dict):
                continue
            name = str(one.get("name") or key)
            if one.get("external"):
                one["name"] = current.get((kind, name), name)
            elif kind == "config" and "file" in one and "name" not in one:
                digest = sha256(contents.get(str(one["file"]), b"")).hexdigest()[:10]
                one["name"] = f"{stack}_{key}"[:_LONGEST] + f"_{digest}"
    return made


_LONGEST = 53
"""Letters before the digest: the engine takes 64 for a name."""


def pinned(
    compose: Compose, before: Compose, specs: Mapping[str, Spec], stack: str
) -> dict[str, Any]:
    """The compose file with images that have not changed as they were deployed, digest included.

    before, specs: what was deployed last. A tag that was moved meanwhile would restart services
    that nobody has changed.
    """
    made: dict[str, Any] = json.loads(json.dumps(compose))
    for name, service in (made.get("services") or {}).items():
        image = service.get("image") if isinstance(service, dict) else None
        spec = specs.get(f"{stack}_{name}")
        old = ((before.get("services") or {}).get(name) or {}).get("image")
        if spec is None or image is None or image != old:
            continue
        ran = str(((spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}).get("Image", ""))
        if "@" in ran and (spec.get("Labels") or {}).get(IMAGE_LABEL):
            service["image"] = ran
    return made


def as_yaml(compose: Compose) -> str:
    """The compose file as text for ``docker stack deploy``: JSON, which YAML contains.

    It names no version of the format: each command line then takes its own newest (26.1.5 refuses
    3.13, which 28.5.2 renders). A dollar is written twice: the command line puts variables in once
    more, where the rendering has left a plain one.
    """
    return json.dumps(_without_variables(compose), sort_keys=True)


def _without_variables(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_variables(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_variables(one) for one in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def _plain(node: Node) -> Any:
    if isinstance(node, Table):
        return {key: _plain(one) for key, one in node.entries.items()}
    return [_plain(one) for one in node.items] if isinstance(node, Items) else node.value


def _tables(section: Any) -> Iterator[dict[str, Any]]:
    if isinstance(section, dict):
        yield from (one for one in section.values() if isinstance(one, dict))


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(f"{path}.{key}" if path else str(key), one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(path, one)
    elif isinstance(value, str):
        yield path, value
