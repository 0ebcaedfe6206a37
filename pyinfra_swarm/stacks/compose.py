"""The compose files of a stack as one, as ``docker stack deploy`` would take them.

What docker would refuse is a :class:`Problem` of it, with its place; nothing is raised.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra_swarm.stacks import document
from pyinfra_swarm.stacks.accepted import refused
from pyinfra_swarm.stacks.document import Comment, Items, Node, NotReadable, Place, Scalar, Table
from pyinfra_swarm.stacks.longform import SECTIONS, Longform
from pyinfra_swarm.stacks.merging import merge
from pyinfra_swarm.stacks.variables import Missing, Path, Variables, put_in


@dataclass(frozen=True)
class Source:
    """A compose file: its name, as it is to be shown, and its content."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Problem:
    """What docker refuses. path: to the part, as docker writes it; "" for the file."""

    place: Place
    path: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Ignored:
    """What docker accepts and does not do: a tag of YAML that it does not know."""

    place: Place
    what: str


@dataclass(frozen=True)
class Merged:
    """A stack's files as one. root has all of services, networks, volumes, secrets and configs.

    problems: what docker refuses; where there are any, the root may be less than the files say.
    replaced: networks, volumes, secrets and configs of which a later file has replaced an earlier
    one, by section and name, with the place of the earlier one.
    """

    root: Table
    files: tuple[str, ...] = ()
    comments: tuple[Comment, ...] = ()
    problems: tuple[Problem, ...] = ()
    missing: tuple[Missing, ...] = ()
    ignored: tuple[Ignored, ...] = ()
    replaced: Mapping[tuple[str, str], Place] = field(default_factory=dict)

    def section(self, name: str) -> Table:
        """``services``, ``networks``, ``volumes``, ``secrets`` or ``configs``."""
        node = self.root.entries[name]
        assert isinstance(node, Table)
        return node


def named_files(sources: Iterable[Source]) -> tuple[str, ...]:
    """The environment files that compose files name, as written: no variable is put in."""
    found: dict[str, None] = {}
    for source in sources:
        try:
            root = document.parse(source.name, source.content).root
        except NotReadable:
            continue
        services = root.entries.get("services")
        for service in services.entries.values() if isinstance(services, Table) else ():
            named = service.entries.get("env_file") if isinstance(service, Table) else None
            for item in named.items if isinstance(named, Items) else (named,):
                if isinstance(item, Scalar) and isinstance(item.value, str):
                    found[item.value] = None
    return tuple(found)


def read(
    sources: Sequence[Source],
    variables: Variables = Variables(),  # noqa: B008 (a frozen value)
    texts: Mapping[str, str] | None = None,
) -> Merged:
    """The files as one. texts: of the environment files, by the path as it is written there."""
    reading = _Reading(variables, texts or {})
    roots = [root for source in sources if (root := reading.file(source))]
    if not roots:
        nowhere = Place(sources[0].name if sources else "", 1)
        roots = [Table({name: Table({}, nowhere) for name in SECTIONS}, nowhere)]
    return Merged(
        merge(roots),
        tuple(source.name for source in sources),
        tuple(reading.comments),
        tuple(reading.problems),
        tuple(reading.missing),
        tuple(reading.ignored),
        _replaced(roots),
    )


def _replaced(roots: Sequence[Table]) -> dict[tuple[str, str], Place]:
    seen: dict[tuple[str, str], Place] = {}
    found: dict[tuple[str, str], Place] = {}
    for root in roots:
        for name in SECTIONS[1:]:
            section = root.entries[name]
            assert isinstance(section, Table)
            for key in section.entries:
                if (name, key) in seen:
                    found[name, key] = seen[name, key]
                seen[name, key] = section.keys.get(key, section.place)
    return found


class _Reading:
    """Reads one file after the other, and remembers what came up."""

    def __init__(self, variables: Variables, texts: Mapping[str, str]) -> None:
        self.variables, self.texts = variables, texts
        self.comments: list[Comment] = []
        self.problems: list[Problem] = []
        self.missing: list[Missing] = []
        self.ignored: list[Ignored] = []
        self.version: str | None = None

    def file(self, source: Source) -> Table | None:
        """A file in its long form; ``None`` for one that cannot be read at all."""
        try:
            read = document.parse(source.name, source.content)
        except NotReadable as error:
            self._problem(error.place, "", error.reason, error.remedy)
            return None
        self.comments += read.comments
        self.ignored += [Ignored(odd.place, odd.tag) for odd in read.odd]
        root, found = put_in(read.root, self.variables)
        self.missing += found.missing
        for one in found.refused:
            self._problem(one.place, dotted(one.path), one.reason, one.remedy)
        self._same_version(root)
        told = set()
        for violation in refused(root):
            told.add(dotted(violation.path))
            self._problem(
                violation.place, dotted(violation.path), violation.reason, violation.remedy
            )
        long = Longform(self.variables, self.texts)
        made = long.file(root)
        for place, path, reason in long.problems:
            if dotted(path) not in told:
                self._problem(place, dotted(path), reason, "write it as docker's reference says")
        return made

    def _same_version(self, root: Table) -> None:
        node = root.entries.get("version")
        version = str(node.value) if isinstance(node, Scalar) and node.value else "3.13"
        version = "3.13" if version == "3" else version
        if self.version is None:
            self.version = version
        elif version != self.version:
            self._problem(
                root.keys.get("version", root.place),
                "version",
                f"is {version} here and {self.version} in the file before",
                "delete the version from all files: docker needs none",
            )

    def _problem(self, place: Place, path: str, reason: str, remedy: str) -> None:
        self.problems.append(Problem(place, path, reason, remedy))


def dotted(path: Path) -> str:
    """A way to a part as docker writes it: ``services.web.ports[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def at(node: Node | None, *path: str) -> Node | None:
    """The part of a tree that this way leads to; ``None`` where there is none."""
    for part in path:
        node = node.entries.get(part) if isinstance(node, Table) else None
    return node
