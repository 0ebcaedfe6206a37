"""S14 and S15: what a stack refers to and is not there: secrets, configs, volumes, variables."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyinfra_swarm.stacks.compose import Merged, at, dotted
from pyinfra_swarm.stacks.document import Place, Scalar, Table
from pyinfra_swarm.stacks.lint.context import Context, meant
from pyinfra_swarm.stacks.lint.issue import Issue, notice, refusal
from pyinfra_swarm.stacks.lint.rules import READABLE, REFERENCE, VARIABLE
from pyinfra_swarm.stacks.lint.services import services

_VERSION = re.compile(r"(?P<name>.+)_v[0-9]+")


def references(stack: Merged, context: Context) -> Iterator[Issue]:
    """Secrets and configs, volumes, images and variables that are not there."""
    yield from _undefined(stack)
    known = (
        ("secrets", context.secrets, context.existing_secrets),
        ("configs", context.configs, context.existing_configs),
    )
    for section, declared, existing in known:
        table = stack.section(section)
        for name, node in table.entries.items():
            if isinstance(node, Table):
                place = table.keys.get(name, node.place)
                yield from _object(section, name, node, place, declared, existing, context.alone)
    for missing in {(one.name, one.place): one for one in stack.missing}.values():
        yield notice(
            VARIABLE,
            missing.place,
            dotted(missing.path),
            f"the variable {missing.name} has no value, and docker puts nothing in its place, "
            "without a word",
            f"give it one (stacks.env in cluster.toml), or a default: ${{{missing.name}:-VALUE}}; "
            f"or have docker refuse it: ${{{missing.name}:?}}",
        )


def _object(
    section: str,
    name: str,
    node: Table,
    place: Place,
    declared: frozenset[str] | None,
    existing: frozenset[str] | None,
    alone: bool,
) -> Iterator[Issue]:
    path, kind = f"{section}.{name}", section.removesuffix("s")
    external, named = at(node, "external"), at(node, "name")
    if isinstance(named, Scalar) and named.unknown:
        return
    if not (isinstance(external, Scalar) and external.value is True):
        file = at(node, "file")
        unknown = isinstance(external, Scalar) and external.unknown
        renamed = kind == "config" and declared is not None  # by our deploys, when it changes
        if isinstance(file, Scalar) and not unknown and not renamed:
            yield _of_a_file(kind, path, place, named)
        return
    given = named.value if isinstance(named, Scalar) else None
    real = str(given or name)
    version = _VERSION.fullmatch(real)
    if version and declared and version["name"] in declared:
        yield notice(
            REFERENCE,
            place,
            path,
            f"names one version, {real}: after the next rotation this file would take the service "
            "back to it",
            f"write name: {version['name']}; each deploy then takes the current version",
        )
    elif declared is not None and existing is not None and real not in declared | existing:
        yield refusal(
            REFERENCE,
            place,
            path,
            f"the {kind} {real} is neither declared nor in the swarm: docker refuses the deploy",
            meant(real, declared, f"declare it in [[{section}]] of cluster.toml"),
        )
    elif alone and declared is not None and real not in declared:
        yield notice(
            REFERENCE,
            place,
            path,
            f"the {kind} {real} is not declared: docker refuses the deploy, unless somebody has "
            "made it by hand",
            meant(real, declared, f"declare it in [[{section}]] of cluster.toml"),
        )


def _of_a_file(kind: str, path: str, place: Place, named: object) -> Issue:
    once = (
        ""
        if named
        else f", and once its content changes, docker refuses every deploy (a {kind} "
        "cannot be changed)"
    )
    clear = "lies in clear text beside the stack" if kind == "secret" else "is made from a file"
    return notice(
        REFERENCE,
        place,
        path,
        f"{clear}{once}",
        f"declare it in [[{kind}s]] of cluster.toml, and write external: true here: a new value "
        "is then rolled out by itself",
    )


def _undefined(stack: Merged) -> Iterator[Issue]:
    """What docker refuses since nothing declares it."""
    for service in services(stack):
        for section in ("secrets", "configs"):
            for path, table in service.tables(section):
                source = at(table, "source")
                if isinstance(source, Scalar) and not source.unknown:
                    yield from _declared(stack, section, str(source.value), source.place, path)
        for mount in service.mounts:
            if mount.kind == "volume" and mount.source:
                yield from _declared(stack, "volumes", mount.source, mount.place, mount.path)
        image = service.scalar("image")
        if image is None or image.value in (None, ""):
            yield service.refusal(
                READABLE, ("image",), "the service has no image", "name the image that it runs"
            )


def _declared(stack: Merged, section: str, name: str, place: Place, path: str) -> Iterator[Issue]:
    if name not in stack.section(section).entries:
        yield refusal(
            READABLE,
            place,
            path,
            f"there is no {section.removesuffix('s')} of this name in the top-level {section}",
            f"declare it there: {section}: {{ NAME: {{}} }}"
            if section == "volumes"
            else f"declare it there: {section}: {{ NAME: {{ external: true }} }}",
        )
