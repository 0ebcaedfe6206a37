"""What is wrong with the settings, in the words of the person who wrote them.

A `Problem` names the field as it is written in `cluster.toml`, the value found, the reason it
cannot be used, and what to write instead. A `SettingsError` holds all problems of one reading.
Nothing that looks like a secret is ever part of either.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from pydantic import BaseModel

from pyinfra_swarm.settings.fields import Loc, is_field, model_around, model_at

_SECRET_NAME = re.compile(
    r"password|passwd|passphrase|token|secret|credential|private_?key|api_?key|unlock_?key", re.I
)
TAKE_IT_OUT = (
    "take it out of the settings (and replace it, if the file was shared); put it in an "
    "environment variable, or in a file of its own, and name that"
)
_REPLACE_IT = "; replace the secret one if this file was shared"
_SECRETS = (
    (
        r"PRIVATE KEY|\bb3BlbnNzaC1rZXk",
        "is a private key, which must never leave its owner",
        f"one line of a .pub file, or the path of the key, as the field asks for{_REPLACE_IT}",
    ),
    (
        r"(?i:AGE-SECRET-KEY-)",
        "is a secret key",
        f"the public one that belongs to it (age1…, as `age-keygen -y` prints it){_REPLACE_IT}",
    ),
    (r"(?i:SWMKEY-)", "is an unlock key itself", "the path of a file that it is kept in"),
    (
        r"(?i:SWMTKN-)",
        "is a join token",
        "take it out: tokens are asked of the swarm when a host joins",
    ),
    (
        r"(^|://)[^/\s:@]*:[^/\s@]+@|https?://[^/\s@]+@|\bgh[a-z]_[A-Za-z0-9]{20}"
        r"|\bcf(k|at|ut)_[A-Za-z0-9]{20}|\bAKIA[A-Z0-9]{16}",
        "holds what looks like a secret",
        TAKE_IT_OUT,
    ),
)
"""What a secret looks like, what it is, and what to write in its place."""

_SECRET_VALUE = re.compile("|".join(pattern for pattern, _, _ in _SECRETS))
_SHOWN = 72
NOT_SHOWN = "(not shown)"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    + field: where, as in `hosts[2] "rk3".address`; a file or a variable where there is no field
    + value: what was found, ready to be shown; `None` where there is nothing to show
    + reason: why it cannot be used
    + instead: what to write
    + as_json: what to write instead where a variable sets the value; "" where that is the same
    + line: of the settings file where it stands; `None` where it is in no line
    """

    field: str
    value: str | None
    reason: str
    instead: str
    _: KW_ONLY
    as_json: str = ""
    line: int | None = None

    def __str__(self) -> str:
        head = self.field if self.value is None else f"{self.field} = {self.value}"
        if self.line is not None:
            head = f"line {self.line}: {head}"
        return f"{head}\n    {self.reason}\n    instead: {self.instead}"


class SecretFound(Problem):
    """A secret where a setting is expected. No other problem of its field is shown beside it."""


class SettingsError(Exception):
    """The settings cannot be used.

    + problems: everything that is wrong, never only the first
    + where: the source they were read from, "" if unknown
    """

    def __init__(self, problems: Iterable[Problem], where: str = "") -> None:
        self.problems = tuple(problems)
        self.where = where
        super().__init__(self._text())

    def _text(self) -> str:
        many = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        title = f"The settings cannot be used: {many}"
        if self.where:
            title += f" in {self.where}"
        return "\n\n".join([title, *(str(problem) for problem in self.problems)])


class UnknownHost(LookupError):
    """No declared host has this name."""


def names_a_secret(name: str) -> bool:
    """Whether a key of this name would hold a secret; `…_env` and `…_file` only name one."""
    return bool(_SECRET_NAME.search(name)) and not name.lower().endswith(("_env", "_file"))


def shown(value: Any, name: str = "") -> str:
    """The value as one would type it, shortened; hidden where it, or its name, looks secret.

    >>> shown("10.0.0.0/8")
    '"10.0.0.0/8"'
    """
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, Mapping | Sequence):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    if names_a_secret(name) or _SECRET_VALUE.search(text.strip('"')) or _holds_a_secret(value):
        return NOT_SHOWN
    return text if len(text) <= _SHOWN else text[: _SHOWN - 2] + "…" + text[-1]


def _holds_a_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(names_a_secret(str(key)) or _holds_a_secret(v) for key, v in value.items())
    if isinstance(value, list | tuple):
        return any(_holds_a_secret(item) for item in value)
    return False


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name a person most probably meant, `None` if none is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def field_name(loc: Loc, data: Mapping[str, Any]) -> str:
    """The place as a person finds it: an item of a list is followed by its name, if it has one.

    >>> field_name(("hosts", 0, "address"), {"hosts": [{"name": "rk1"}]})
    'hosts[0] "rk1".address'
    """
    text = ""
    here: Any = data
    for part in loc:
        if part == "[key]":
            continue
        if isinstance(part, int):
            text += f"[{part}]"
            here = here[part] if isinstance(here, list | tuple) and part < len(here) else None
            name = here.get("name") if isinstance(here, Mapping) else None
            if isinstance(name, str) and name:
                text += " " + shown(name)
        else:
            key = NOT_SHOWN if _SECRET_VALUE.search(part) else part
            text += f".{key}" if text else key
            here = here.get(part) if isinstance(here, Mapping) else None
    return text


def secrets_in(
    data: Any, whole: Mapping[str, Any], model: type[BaseModel], loc: Loc = ()
) -> list[Problem]:
    """A problem for each key that would hold a secret, however deep.

    The model's own fields hold none, whatever they are called.
    """
    problems: list[Problem] = []
    if isinstance(data, Mapping):
        for key, value in data.items():
            here = (*loc, str(key))
            misspelt = not loc and _declares(str(key), value, model)
            if not misspelt and (reason := _would_hold_one(str(key), here, model)):
                place, instead = field_name(here, whole), _instead_in(model, loc)
                problems.append(SecretFound(place, None, reason, instead))
            else:
                problems += secrets_in(value, whole, model, here)
    elif isinstance(data, list | tuple):
        for index, item in enumerate(data):
            problems += secrets_in(item, whole, model, (*loc, index))
    return problems


def _declares(name: str, value: Any, model: type[BaseModel]) -> bool:
    """Whether a table of a name that is not known, such as `[[secret]]`, is one of the model's.

    Its name is near to that of one, and it has keys of it.
    """
    meant = nearest(name, model.model_fields) if name not in model.model_fields else None
    inner = model_at(model, (meant,)) if meant else None
    tables = value if isinstance(value, list | tuple) else [value]
    return inner is not None and any(
        isinstance(one, Mapping) and {*one} & {*inner.model_fields} for one in tables
    )


def _instead_in(model: type[BaseModel], loc: Loc) -> str:
    """What to do about a secret in the table at this place."""
    instead: str = getattr(model_around(model, loc), "instead_of_secrets", TAKE_IT_OUT)
    return instead


def _would_hold_one(key: str, here: Loc, model: type[BaseModel]) -> str:
    """Why a key would hold a secret, or a value that is kept elsewhere; "" where it would not."""
    if is_field(model, here):
        return ""
    if names_a_secret(key):
        return "looks like a secret, and secrets are never settings"
    values = getattr(model_at(model, here[:-1]), "value_keys", ())
    return "would hold the value itself, which is never a setting" if key.lower() in values else ""


def secret_values_in(
    data: Any, whole: Mapping[str, Any], model: type[BaseModel], loc: Loc = ()
) -> list[Problem]:
    """A problem for each text that looks like a secret, be it a value or a key."""
    problems: list[Problem] = []
    if isinstance(data, Mapping):
        for key, value in data.items():
            here = (*loc, str(key))
            problems += _secret(str(key), field_name(here, whole), _instead_in(model, loc))
            problems += secret_values_in(value, whole, model, here)
    elif isinstance(data, list | tuple):
        for index, item in enumerate(data):
            problems += secret_values_in(item, whole, model, (*loc, index))
    elif isinstance(data, str):
        problems += _secret(data, field_name(loc, whole), _instead_in(model, loc))
    return problems


def _secret(text: str, place: str, here: str) -> list[SecretFound]:
    """here: what the table says of secrets in it, unless more is known of this kind of secret."""
    return [
        SecretFound(
            place,
            NOT_SHOWN,
            f"{what}, and secrets are never settings",
            here if instead == TAKE_IT_OUT else instead,
        )
        for pattern, what, instead in _SECRETS
        if re.search(pattern, text)
    ][:1]


_PLACEHOLDER = re.compile(r"\{\{.*?\}\}|\$\{\w+\}|\$\w+")


def secret_in(text: str) -> str:
    """What a text holds that is secret, as a phrase with a verb; "" where nothing looks like it.

    A whole file is more than a setting: it may mention private keys, and say `{{ secret "db" }}` or
    `${PASSWORD}` where another program puts the secret.
    """
    text = _PLACEHOLDER.sub("", text)
    (_, key, _), *others = _SECRETS
    found = [key] if re.search(r"-----BEGIN ([A-Z]+ )*PRIVATE KEY-----", text) else []
    found += [what for pattern, what, _ in others if re.search(pattern, text)]
    return found[0].partition(",")[0] if found else ""


def without_secrets(data: Any) -> Any:
    """The same without what looks like a secret, for checks that name what they have read."""
    if isinstance(data, Mapping):
        return {without_secrets(key): without_secrets(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_secrets(item) for item in data]
    return NOT_SHOWN if isinstance(data, str) and _SECRET_VALUE.search(data) else data
