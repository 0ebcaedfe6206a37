"""Where settings come from: the settings file or the lab, below `.env`, below the environment.

Everything here reads; nothing here judges a value. What cannot be read becomes a `Problem`.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any, get_origin

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from pyinfra_swarm.settings import lab as lab_source
from pyinfra_swarm.settings.errors import (
    Loc,
    Problem,
    SettingsError,
    field_name,
    names_a_secret,
    nearest,
    shown,
)
from pyinfra_swarm.settings.explain import model_of
from pyinfra_swarm.settings.paths import ROOT, from_user
from pyinfra_swarm.settings.values import path_fault, public_key_fault

FILE_NAME = "cluster.toml"
PATH_VARIABLE = "SWARM_SETTINGS"

RESERVED = {
    PATH_VARIABLE: "the path of the settings file",
    "SWARM_REASONS": "the path findings are written to",
}
"""Variables with our prefix that are not settings. They are read from the environment only."""


@dataclass(frozen=True)
class Source:
    """Where settings come from.

    + text: for people: `cluster.toml (/home/me/swarm)` or `the lab`
    + path: the settings file, `None` for the lab
    """

    text: str
    path: Path | None = None

    @property
    def is_lab(self) -> bool:
        return self.path is None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Located:
    """What was read: the merged values, their origin, and what could not be read."""

    source: Source
    values: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    """Field name → where a variable sets it, as `SWARM_SSH__PORT in the environment`."""

    def attributed(self, problem: Problem) -> Problem:
        """The problem, saying so if its value comes from a variable."""
        reason, instead = problem.reason, problem.instead
        for name, where in self.variables.items():
            if re.match(rf"{re.escape(name)}($|[.\[ ])", problem.field):
                if reason in ("is not a list", "is not a table"):
                    # What is no JSON stays the text it is.
                    instead = f"JSON, in which texts are in double quotes: {_JSON[reason]}"
                return replace(problem, field=f"{problem.field} (from {where})", instead=instead)
            # The other side of what does not fit together.
            if other := re.search(rf"(?<![\w.]){re.escape(name)}(\[[0-9]+\])?(?!\w)", reason):
                end = other.end()
                reason = f"{reason[:end]} (from {where}){reason[end:]}"
        return replace(problem, reason=reason)


_JSON = {"is not a list": '["one", "two"]', "is not a table": '{"key": "value"}'}


def locate(model: type[BaseSettings]) -> Located:
    """Finds and reads every source. Raises `SettingsError` where there is no source at all."""
    source, base = _base()
    folder = source.path.parent if source.path else ROOT
    from_file, file_problems = _dotenv(folder / ".env")
    problems = list(file_problems)
    variables: dict[str, str] = {}
    merged = base
    for given, where in ((from_file, f".env ({folder})"), (dict(os.environ), "the environment")):
        known, unknown = _sorted_out(model, given, where, is_file=given is from_file)
        problems += unknown
        values = _Variables(model, known)()
        names = {name.upper(): name for name in known}
        for loc in _leaves(values):
            if name := _set_by(loc, names):
                variables[field_name(loc, values)] = f"{name} in {where}"
        merged = _merged(merged, values)
    problems += _read_keys(merged)
    return Located(source, merged, tuple(problems), variables)


def _base() -> tuple[Source, dict[str, Any]]:
    """The settings file, or the lab in its place."""
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
                        f"the path of a settings file, or unset it for {ROOT / FILE_NAME}",
                    )
                ]
            )
        return _file_source(path), read_toml(path)
    path = ROOT / FILE_NAME
    if path.exists():
        return _file_source(path), read_toml(path)
    lab = lab_source.running()
    if lab is not None:
        return Source("the lab"), lab
    raise SettingsError(
        [
            Problem(
                f"no {FILE_NAME}",
                None,
                f"there is none in {ROOT}, and no lab is running",
                f"copy cluster.example.toml to {FILE_NAME} and fill in your addresses, or start "
                "the lab with `make lab-up`",
            )
        ]
    )


def _file_source(path: Path) -> Source:
    return Source(f"{path.name} ({path.parent})", path)


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a settings file. Raises `SettingsError` with file, line and column."""
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        text = str(error)
        place = re.search(r"\(at (?:line (\d+), column (\d+)|end of document)\)", text)
        where = str(path)
        if place:
            where += f", line {place[1]}, column {place[2]}" if place[1] else ", at its end"
            text = text[: place.start()].strip()
        if table := re.search(r"\('(.*)',?\)", text):  # a table's name, as Python's tuple
            name = table[1].replace("', '", ".")
            text = text.replace(table[0], f"[{name}]")
        reason, instead = f"is not TOML: {text}", "compare the line with cluster.example.toml"
        if "nvalid value" in text or "newline or end of document after a statement" in text:
            instead = f'a text stands in straight quotes, as in name = "rk1"; {instead}'
        if "overwrite" in text or "declare" in text:
            instead = "each key and each [table] once; only [[hosts]] and its like repeat"
    except UnicodeDecodeError as error:
        where, reason = f"{path}, byte {error.start}", f"is not UTF-8 text{error.reason}"
        instead = "save the file as UTF-8"
    except ValueError:
        where, reason = str(path), "holds a number with more than 4300 digits"
        instead = "a number that a setting can be"
    except RecursionError:
        where, reason = str(path), "has brackets in brackets, too many to be read"
        instead = "compare it with cluster.example.toml"
    except OSError as error:
        where, reason = str(path), f"cannot be read: {error.strerror}"
        instead = "a file that you may read"
    raise SettingsError([Problem(where, None, reason, instead)])


def _text(path: Path) -> str:
    """The text of a file that some editor has written; the mark in front of it is no part of it.

    Raises OSError and UnicodeDecodeError, whose `reason` says which encoding it is, if it shows.
    """
    content = path.read_bytes()
    # Half of the bytes of Latin text in UTF-16 are zero, and none of UTF-8's.
    sixteen = content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content[:2]
    if sixteen:
        raise UnicodeDecodeError("utf-8", content, 0, 1, " but UTF-16")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        error.reason = ""
        raise


class _Variables(EnvSettingsSource):
    """pydantic-settings' reading of environment variables, from a given mapping.

    A list or table that is no JSON stays the text it is: it is then reported as a value of the
    wrong kind, together with everything else, where pydantic-settings would stop.
    """

    def __init__(self, model: type[BaseSettings], given: Mapping[str, str]) -> None:
        self._given = {name.lower(): value for name, value in given.items()}
        super().__init__(model)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._given

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _dotenv(path: Path) -> tuple[dict[str, str], list[Problem]]:
    if not path.is_file():
        return {}, []
    try:
        text = _text(path)
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
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}, []


def _sorted_out(
    model: type[BaseModel], given: Mapping[str, str], where: str, *, is_file: bool
) -> tuple[dict[str, str], list[Problem]]:
    """The variables that are settings, and a problem for each that only looks like one."""
    known, open_ended = variable_names(model)
    settings: dict[str, str] = {}
    problems = []
    for name, value in sorted(given.items()):
        upper = name.upper()
        if not upper.startswith("SWARM_"):
            continue
        if upper in known or upper.startswith(open_ended):
            settings[name] = value
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
    return settings, problems


def _unknown_variable(name: str, where: str, known: list[str]) -> Problem:
    if names_a_secret(name):
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
        name = f"SWARM_{section.upper()}"
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


def _set_by(loc: Loc, names: Mapping[str, str]) -> str | None:
    """The variable that sets a value: its own, or the one of a table around it."""
    for length in range(len(loc), 0, -1):
        if found := names.get("SWARM_" + "__".join(str(part).upper() for part in loc[:length])):
            return found
    return None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _read_keys(data: dict[str, Any]) -> list[Problem]:
    """Adds the keys of each admin's `keys_file` to its `keys`; looks for the login keys."""
    problems: list[Problem] = []
    access = data.get("access")
    admins = access.get("admins") if isinstance(access, Mapping) else None
    if isinstance(access, Mapping) and isinstance(admins, list):
        read = []
        for index, admin in enumerate(admins):
            if isinstance(admin, Mapping) and isinstance(admin.get("keys_file"), str):
                place = field_name(("access", "admins", index, "keys_file"), data)
                keys, wrong = _keys_in(admin["keys_file"], place)
                problems += wrong
                own = admin.get("keys", [])
                if isinstance(own, list):
                    admin = {**admin, "keys": [*own, *(key for key in keys if key not in own)]}
            read.append(admin)
        data["access"] = {**access, "admins": read}
    return [*problems, *_missing_login_keys(data), *_unlock_key_in_a_repository(data)]


def _keys_in(name: str, place: str) -> tuple[list[str], list[Problem]]:
    if not name or path_fault(name):
        return [], []  # reported by the value itself
    path = from_user(name)
    instead = 'the path of a .pub file, such as "~/.ssh/id_ed25519.pub"'
    try:
        text = _text(path)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        return [], [Problem(place, shown(name), reason, instead)]
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text{error.reason}"
        return [], [Problem(place, shown(name), reason, instead)]
    if "PRIVATE KEY" in text:
        reason = "holds a private key, which must never leave its owner"
        return [], [Problem(place, shown(name), reason, f'its public half: "{name}.pub"')]
    keys: list[str] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if fault := public_key_fault(line):
            reason = f"line {number} {fault[0]}"
            problems.append(Problem(place, shown(name), reason, fault[1]))
        else:
            keys.append(line.strip())
    if not keys and not problems:
        problems.append(Problem(place, shown(name), "holds no key", instead))
    return keys, problems


def _missing_login_keys(data: Mapping[str, Any]) -> list[Problem]:
    places: list[tuple[Loc, Any]] = []
    ssh, hosts = data.get("ssh"), data.get("hosts")
    if isinstance(ssh, Mapping):
        places.append((("ssh", "key"), ssh.get("key")))
    for index, host in enumerate(hosts if isinstance(hosts, list) else []):
        if isinstance(host, Mapping):
            places.append((("hosts", index, "ssh_key"), host.get("ssh_key")))
    return [
        Problem(
            field_name(loc, data),
            shown(value),
            "names no file on this machine",
            "the path of the private key you log in with, or leave it out to use your SSH agent "
            "and the keys in ~/.ssh",
        )
        for loc, value in places
        if isinstance(value, str)
        and value
        and not path_fault(value)
        and not value.endswith(".pub")
        and not os.path.isfile(from_user(value))
    ]


def _unlock_key_in_a_repository(data: Mapping[str, Any]) -> list[Problem]:
    swarm = data.get("swarm")
    value = swarm.get("unlock_key_file") if isinstance(swarm, Mapping) else None
    if not isinstance(value, str) or not value or path_fault(value):
        return []
    # As a string: a folder that one may not enter, or a link to itself, is no error there.
    path = Path(os.path.realpath(from_user(value)))
    if path.is_relative_to(ROOT):
        # Reported by the value itself, unless a link leads there.
        if from_user(value).is_relative_to(ROOT):
            return []
        return [_misplaced(value, f"leads into the project's folder, {ROOT}")]
    found = next((folder for folder in path.parents if os.path.exists(folder / ".git")), None)
    return [_misplaced(value, f"is inside a git repository, {found}")] if found else []


def _misplaced(value: str, reason: str) -> Problem:
    return Problem(
        "swarm.unlock_key_file",
        shown(value),
        f"{reason}, and a key there would be shared with it some day",
        'a path outside of any repository, such as "~/.config/pyinfra-swarm/home.unlock-key"',
    )
