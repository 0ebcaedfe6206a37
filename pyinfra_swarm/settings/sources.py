"""Where settings come from: the settings file or the lab, below `.env`, below the environment.

Everything here reads; nothing here judges a value. What cannot be read becomes a `Problem`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pyinfra_swarm.settings import lab as lab_source
from pyinfra_swarm.settings.errors import Problem, SettingsError, shown
from pyinfra_swarm.settings.fields import Loc, repeated
from pyinfra_swarm.settings.files import read_toml
from pyinfra_swarm.settings.host_variables import of_single_hosts
from pyinfra_swarm.settings.key_files import read_keys
from pyinfra_swarm.settings.paths import from_user, is_project, not_a_project, project
from pyinfra_swarm.settings.places import line_of, lines_of, loc_of
from pyinfra_swarm.settings.renamed import with_new_names
from pyinfra_swarm.settings.toml_types import wrong_types
from pyinfra_swarm.settings.variables import PATH_VARIABLE, dotenv, read_variables

FILE_NAME = "cluster.toml"
_MOST_NAMED = 4


@dataclass(frozen=True)
class Source:
    """Where settings come from.

    + text: for people: `cluster.toml (/home/me/swarm)` or `the lab`
    + path: the settings file, `None` for the lab
    + overruled: the variables that set something above it, as `SWARM_SSH__PORT in the environment`
    """

    text: str
    path: Path | None = None
    overruled: tuple[str, ...] = ()

    @property
    def in_full(self) -> str:
        """The same, with the variables that overrule it."""
        if not self.overruled:
            return self.text
        shown = [one.replace(" in ", " from ", 1) for one in self.overruled[:_MOST_NAMED]]
        more = len(self.overruled) - len(shown)
        return ", and ".join([self.text, *shown, *([f"{more} more"] if more else [])])

    @property
    def is_lab(self) -> bool:
        return self.path is None

    @property
    def folder(self) -> Path:
        """The folder of the settings file, and of `.env`; the project's for the lab."""
        return self.path.parent if self.path else project()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Located:
    """What was read: the merged values, their origin, and what could not be read."""

    source: Source
    values: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    """Field name → where a variable sets it, as `SWARM_SSH__PORT in the environment`."""
    lines: Mapping[Loc, int] = field(default_factory=dict)

    def placed(self, problem: Problem) -> Problem:
        """The problem, with the line of the file where it stands, or with what sets its value."""
        said = self.attributed(problem)
        if said.field != problem.field:
            return said
        loc = loc_of(problem.field)
        return replace(said, line=line_of(loc, self.lines) if loc else None)

    def attributed(self, problem: Problem) -> Problem:
        """The problem, saying so if its value, or one that it mentions, comes from a variable."""
        reason = problem.reason
        for name, where in self.variables.items():
            if re.match(rf"{re.escape(name)}($|[.\[ ])", problem.field):
                return replace(
                    problem,
                    field=f"{problem.field} (from {where})",
                    instead=problem.as_json or problem.instead,
                )
            if other := re.search(rf"(?<![\w.]){re.escape(name)}(\[[0-9]+\])?(?!\w)", reason):
                end = other.end()
                reason = f"{reason[:end]} (from {where}){reason[end:]}"
        return replace(problem, reason=reason)


def locate(model: type[BaseModel]) -> Located:
    """Finds and reads every source. Raises `SettingsError` where there is no source at all."""
    source, base, text = _base(repeated(model))
    lines, problems = dotenv(source.folder / ".env")
    below = with_new_names(base, source.path.name if source.path else source.text)
    file = read_variables(model, lines, f".env ({source.folder})", is_file=True)
    environment = read_variables(model, dict(os.environ), "the environment", is_file=False)
    merged = _merged(_merged(below.values, file.values), environment.values)
    single = of_single_hosts(merged, [*file.hosts, *environment.hosts])
    parts = (below, file, environment, single)
    origins = {**file.origins, **environment.origins, **single.origins}
    return Located(
        replace(source, overruled=tuple(dict.fromkeys(origins.values()))),
        single.values,
        problems=(
            *problems,
            *(problem for part in parts for problem in part.problems),
            *wrong_types(single.values, model, origins),
            *read_keys(single.values),
        ),
        notices=tuple(notice for part in parts for notice in part.notices),
        variables=origins,
        lines=lines_of(text),
    )


def _base(many: Collection[str]) -> tuple[Source, dict[str, Any], str]:
    """The settings file, or the lab in its place; the values, and the file's text.

    many: the tables that repeat.
    """
    named = os.environ.get(PATH_VARIABLE)
    if named is not None:
        path = from_user(named).absolute()
        if not named or not os.path.isfile(path):
            raise SettingsError(
                [
                    Problem(
                        PATH_VARIABLE,
                        shown(named),
                        "names no file",
                        f"the path of a settings file, or unset it for {project() / FILE_NAME}",
                    )
                ]
            )
        return _file_source(path), *read_toml(path, many)
    path = project() / FILE_NAME
    if path.exists():
        return _file_source(path), *read_toml(path, many)
    lab = lab_source.running()
    if lab is not None:
        return Source("the lab"), lab, ""
    raise SettingsError([_without_a_file(path.parent)])


def _without_a_file(folder: Path) -> Problem:
    what = f"no {FILE_NAME}"
    if not is_project(folder):
        return Problem(what, None, *not_a_project(folder))
    remedy = f"copy cluster.example.toml to {FILE_NAME} and fill in your addresses"
    if not lab_source.available():
        return Problem(what, None, f"there is none in {folder}", remedy)
    return Problem(
        what,
        None,
        f"there is none in {folder}, and no lab is running",
        f"{remedy}, or start the lab with `make lab-up`",
    )


def _file_source(path: Path) -> Source:
    return Source(f"{path.name} ({path.parent})", path)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged
