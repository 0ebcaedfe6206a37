"""Variables of the environment and of `.env` that set settings: `SWARM_<SECTION>__<KEY>`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast, get_origin

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from pyinfra_swarm.settings.errors import Problem, field_name, names_a_secret, nearest
from pyinfra_swarm.settings.fields import Loc, model_of
from pyinfra_swarm.settings.files import read_text
from pyinfra_swarm.settings.host_variables import HostVariable, host_variable
from pyinfra_swarm.settings.renamed import RENAMED, both_given, old_name, with_new_names

PREFIX = "SWARM_"
PATH_VARIABLE = "SWARM_SETTINGS"

RESERVED = {
    PATH_VARIABLE: "the path of the settings file",
    "SWARM_REASONS": "the path findings are written to",
}
"""Variables with our prefix that are not settings. They are read from the environment only."""


@dataclass(frozen=True)
class Variables:
    """What the variables of one place set; the place is the environment, or `.env`.

    + values: as a settings file would hold them
    + origins: field name to the variable that sets it, as `SWARM_SSH__PORT in the environment`
    + notices: what is said of variables with old names
    + problems: variables that only look like settings
    + hosts: those of single hosts, which are known only when all sources are merged
    """

    values: dict[str, Any]
    origins: dict[str, str]
    notices: tuple[str, ...]
    problems: tuple[Problem, ...]
    hosts: tuple[HostVariable, ...] = ()


def read_variables(
    model: type[BaseModel], given: Mapping[str, str], where: str, *, is_file: bool
) -> Variables:
    """Reads the settings among variables. `is_file`: they come from `.env`."""
    hosts = [host_variable(name, given[name], where) for name in sorted(given)]
    of_hosts = tuple(one for one in hosts if one)
    given = {name: given[name] for name in given.keys() - {one.name for one in of_hosts}}
    written, problems = _settings_among(model, given, where, is_file=is_file)
    notices: list[str] = []
    for old, new in _old_variables().items():
        if old not in written:
            continue
        if new in written:
            problems.append(both_given(written[old], new, where))
        else:
            notices.append(old_name(written[old], new, where))
            written[new] = written[old]
        del written[old]
    source = _FromMapping(model, {name: given[spelled] for name, spelled in written.items()})
    modern = with_new_names(source(), where)  # a variable may hold a whole section
    origins = {
        field_name(loc, modern.values): f"{written[name]} in {where}"
        for loc in _leaves(modern.values)
        if (name := _set_by(loc, written))
    }
    return Variables(
        modern.values,
        origins,
        (*notices, *modern.notices),
        (*problems, *modern.problems),
        of_hosts,
    )


class _FromMapping(EnvSettingsSource):
    """pydantic-settings' reading of environment variables, from a given mapping.

    A list or table that is no JSON stays the text it is: it is then reported as a value of the
    wrong kind, together with everything else, where pydantic-settings would stop.
    """

    def __init__(self, model: type[BaseModel], given: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in given.items()}
        # It asks the class for nothing but its fields and these options.
        settings = cast("type[BaseSettings]", model)
        super().__init__(settings, env_prefix=PREFIX, env_nested_delimiter="__")

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def dotenv(path: Path, *, interpolate: bool = True) -> tuple[dict[str, str], list[Problem]]:
    """The variables in a `.env`, if there is one; none of them where a line is wrong.

    interpolate: whether `${NAME}` in a value means another variable.
    """
    if not path.is_file():
        return {}, []
    try:
        text = read_text(path)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        return {}, [Problem(str(path), None, reason, "a file that you may read")]
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text{error.reason}"
        return {}, [Problem(str(path), None, reason, "save the file as UTF-8")]
    bad = [binding.original.line for binding in parse_stream(StringIO(text)) if binding.error]
    problems = [
        Problem(f"{path}, line {line}", None, "is not a variable", 'NAME="value", one in each line')
        for line in bad
    ]
    if problems:
        return {}, problems
    found = dotenv_values(stream=StringIO(text), interpolate=interpolate)
    return {name: value or "" for name, value in found.items()}, []


def _settings_among(
    model: type[BaseModel], given: Mapping[str, str], where: str, *, is_file: bool
) -> tuple[dict[str, str], list[Problem]]:
    """The variables that are settings, by their name in capitals, as they are spelled; problems."""
    known, open_ended = variable_names(model)
    old = _old_variables()
    written: dict[str, str] = {}
    problems = []
    for name in sorted(given):
        upper = name.upper()
        if not upper.startswith(PREFIX):
            continue
        if upper in known or upper in old or upper.startswith(open_ended):
            written[upper] = name
        elif upper not in RESERVED:
            problems.append(_unknown_variable(name, where, known))
        elif is_file:
            problems.append(
                Problem(
                    f"{name} in {where}",
                    None,
                    f"{RESERVED[upper]} is read from the environment only",
                    f"export {upper} in the shell, and take the line out",
                )
            )
    return written, problems


def _old_variables() -> dict[str, str]:
    """The variables of keys that were renamed, to those of today."""
    return {
        f"{PREFIX}{section}__{old}".upper(): f"{PREFIX}{section}__{new}".upper()
        for (section, old), new in RENAMED.items()
    }


def _unknown_variable(name: str, where: str, known: list[str]) -> Problem:
    section, _, key = name.upper().partition("__")
    if names_a_secret(key if section in known else name):
        reason = "is not a setting, and settings hold no secrets"
        instead = "another name, one that does not begin with SWARM_; name that variable"
    else:
        meant = nearest(name.upper(), [*known, *RESERVED])
        reason = "is not a setting"
        instead = meant or "unset it; settings are SWARM_<SECTION>__<KEY>"
    return Problem(f"{name} in {where}", None, reason, instead)


def variable_names(model: type[BaseModel]) -> tuple[list[str], tuple[str, ...]]:
    """The variables that are settings, and the prefixes below which any name is one."""
    names: list[str] = []
    open_ended: list[str] = []
    for section, section_field in model.model_fields.items():
        name = f"{PREFIX}{section.upper()}"
        names.append(name)
        inner = model_of(section_field.annotation)
        if inner is None or get_origin(section_field.annotation) is tuple:
            continue
        for key, key_field in inner.model_fields.items():
            names.append(f"{name}__{key.upper()}")
            if get_origin(key_field.annotation) is dict:
                open_ended.append(f"{name}__{key.upper()}__")
    return names, tuple(open_ended)


def _leaves(data: Mapping[str, Any], loc: Loc = ()) -> list[Loc]:
    """The place of each value that is not a table."""
    leaves: list[Loc] = []
    for key, value in data.items():
        here = (*loc, key)
        leaves += _leaves(value, here) if isinstance(value, Mapping) and value else [here]
    return leaves


def _set_by(loc: Loc, written: Mapping[str, str]) -> str | None:
    """The variable that sets a value, in capitals: its own, or that of a table around it."""
    for length in range(len(loc), 0, -1):
        name = PREFIX + "__".join(str(part).upper() for part in loc[:length])
        if name in written:
            return name
    return None
