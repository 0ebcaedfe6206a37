"""Names of secrets, configs and stacks, and where their values and files are."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from pyinfra_swarm.settings.errors import names_a_secret
from pyinfra_swarm.settings.labels import LABEL_PREFIX
from pyinfra_swarm.settings.paths import from_user
from pyinfra_swarm.settings.values.refused import wrong

LONGEST_NAME = 56
"""Letters of a secret's name. The engine takes 64, and `_v` with six digits comes behind it."""

_TOKENS_LENGTH = 32

LONGEST_STACK_NAME = 36
"""Letters of a stack's name, which is part of the name of a config that keeps what was deployed."""

_PREFIX = "SWARM_"


def _object_name(name: str, example: str = "db_password") -> str:
    if not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9])?", name):
        raise wrong(
            "is not a name that the engine takes: letters, digits, inner _ . and -",
            f'a name such as "{_named(name, "_.-") or example}"',
        )
    if len(name) > LONGEST_NAME:
        raise wrong(
            f"has {len(name)} letters; with the number of its version behind it, the engine takes "
            f"{LONGEST_NAME}",
            "a shorter name",
        )
    if version := re.search(r"_v[0-9]+$", name):
        raise wrong(
            f"ends in {version[0]}, as versions do, which are counted by this tool",
            f'"{_without_versions(name) or example}"',
        )
    if name.startswith(LABEL_PREFIX):
        raise wrong(
            f"begins with {LABEL_PREFIX}, which is kept for what this tool makes itself",
            f'a name such as "{example}"',
        )
    return name


def _secret_name(name: str) -> str:
    return _object_name(name)


VALUE_FOR_NAME = (
    "is longer than the name of a secret, or looks like what is in one",
    "the name of a secret that is declared in [[secrets]], which says where the value is; replace "
    "the value if this file was shared",
)
"""What is said of a secret's value that stands where its name belongs."""


def _secret_reference(name: str) -> str:
    if name.startswith("eyJ") or len(name) > LONGEST_NAME:
        raise wrong(*VALUE_FOR_NAME, hidden=True)
    return _secret_name(name) if name else name


def names_no_secret(name: str) -> bool:
    """Whether a text can be no secret's name, which is told of the text itself."""
    try:
        _secret_reference(name)
    except PydanticCustomError:
        return True
    return False


def like_a_token(name: str) -> bool:
    """Whether a text that could be a name is more like a token: long, and made of no words.

    >>> like_a_token("cloudflare_dns_token_of_home_2026")
    False
    """
    words = re.split(r"[_.-]+", name)
    return len(name) >= _TOKENS_LENGTH and not all(
        re.fullmatch(r"[a-zA-Z]*[0-9]*", word) for word in words
    )


def _config_name(name: str) -> str:
    _object_name(name, "traefik")
    if names_a_secret(name):
        raise wrong(
            "is what a secret is called, and whoever may ask the engine can read a config",
            "[[secrets]] for it; or another name, if there is nothing secret in it",
        )
    return name


def _without_versions(name: str) -> str:
    return _named(re.sub(r"(_v[0-9]+)+$", "", name), "_.-")


def _stack_name(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?", name):
        raise wrong(
            "cannot begin the names of services: letters, digits, inner _ and -",
            f'a name such as "{_named(name, "_-")[:LONGEST_STACK_NAME] or "web"}"',
        )
    if len(name) > LONGEST_STACK_NAME:
        raise wrong(
            f"has {len(name)} letters, more than {LONGEST_STACK_NAME}",
            "a shorter name",
        )
    return name


def _named(text: str, inner: str) -> str:
    """The text as a name."""
    return re.sub(rf"[^a-zA-Z0-9{inner}]+", "_", text).strip("_.-")[:LONGEST_NAME].strip("_.-")


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise wrong(
            "is not the name of a variable: letters, digits and _, no digit first",
            'a name such as "DB_PASSWORD"'
            if not (bare := re.fullmatch(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?", name))
            else f'"{bare[1]}"',
        )
    return name


def _read_variable(name: str) -> str:
    _variable(name)
    if name.upper().startswith(_PREFIX):
        raise wrong(
            f"begins with {_PREFIX}, as variables do that are settings",
            f'another name, such as "{name[len(_PREFIX) :] or "DB_PASSWORD"}"',
        )
    return name


def _project_file(text: str, example: str = "secrets/db") -> str:
    if not text.isprintable():
        raise wrong("is not a path", f'the path of a file, such as "{example}"')
    if text != text.strip():
        raise wrong("has a space before or after it", f'"{text.strip()}"')
    if not text:
        raise wrong("is empty", f'the path of a file, such as "{example}"')
    if text.endswith("/"):
        raise wrong("is a folder", f'the path of a file, such as "{example}"')
    if str(from_user(text)).startswith("~"):
        user, _, rest = text[1:].partition("/")
        raise wrong(
            f'begins with the home of "{user}", and no user on this machine is called so',
            f'a path from the folder of the settings, from the root or from your home: "~/{rest}"',
        )
    return text


def _identity(text: str) -> str:
    if text.endswith(".pub"):
        raise wrong(
            "is the public half of a key; the private one opens what was encrypted to it",
            f'"{text.removesuffix(".pub")}"',
        )
    if text.startswith("age1"):
        raise wrong(
            "is a public key; the private one opens what was encrypted to it",
            'the path of the file that has it, such as "~/.config/age/keys.txt"',
        )
    return _project_file(text, "~/.ssh/id_ed25519")


def _stack_file(text: str) -> str:
    return _project_file(text, "stacks/web.yml")


def _argv(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        words = []
    raise wrong(
        "is one text, and no shell takes it apart",
        f"a list, each word by itself: {_list(words or ['pass', 'show', 'lab/db'])}",
    )


def _list(words: list[str]) -> str:
    return json.dumps(words, ensure_ascii=False)


_PRINTING = ("echo", "printf")


def _words(words: tuple[str, ...]) -> tuple[str, ...]:
    if words and not words[0].strip():
        raise wrong("names no program", 'the program first: ["pass", "show", "lab/db"]')
    if any("\0" in word for word in words):
        raise wrong("has a word with a zero byte, which no program can be given", "without it")
    if words and words[0].rpartition("/")[2] in _PRINTING:
        raise wrong(
            "prints its own words, so that the value itself would stand here",
            'a program that fetches the value: ["pass", "show", "lab/db"]',
        )
    return words


_STEP = r"""\[(?:"[^"\[\]]+"|'[^'\[\]]+'|[0-9]+)\]"""
_PLAIN = re.compile(r"[^\s.\[\]\"'\\]+")


def _sops_key(text: str) -> str:
    if not text or (text.isprintable() and re.fullmatch(rf"(?:{_STEP})+", text)):
        return text
    if text.startswith("[") or not text.isprintable():
        raise wrong(
            "is not a place as sops writes it", '"db.password", or \'["db"]["password"]\' in quotes'
        )
    for part in text.split("."):
        if not _PLAIN.fullmatch(part):
            raise wrong(
                "is not a place in a file: names with a dot between them",
                '"db.password"; where a name has a dot itself, as sops writes it: '
                '\'["db"]["the.password"]\'',
            )
    return text


def sops_path(key: str) -> str:
    """A key as the program takes it, after `--extract`.

    >>> sops_path("users.0.password")
    '["users"][0]["password"]'
    """
    if key.startswith("["):
        return key
    return "".join(
        f"[{part}]" if part.isascii() and part.isdigit() else f'["{part}"]'
        for part in key.split(".")
    )


class FromVariable(BaseModel):
    """The value of a variable of this computer's environment, or of `.env`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str


def _stack_value(value: Any) -> Any:
    example = 'a text in quotes, or { env = "DOMAIN" } for a variable of this computer'
    if isinstance(value, bool | int | float):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        raise wrong("is not a text", f'in quotes: "{text}"')
    if isinstance(value, Mapping):
        name = value.get("env")
        if {*value} != {"env"} or not isinstance(name, str):
            raise wrong("is a table of another kind", example)
        return FromVariable(env=_read_variable(name))
    if not isinstance(value, str | FromVariable):
        raise wrong("is not a text", example)
    if isinstance(value, str) and ("\0" in value or not value.isprintable()):
        raise wrong("contains characters that cannot be printed", example)
    return value


def _files(files: tuple[str, ...]) -> tuple[str, ...]:
    if not files:
        raise wrong("is empty", 'at least one compose file: ["stacks/web.yml"]')
    for file in files:
        if files.count(file) > 1:
            raise wrong("names a file twice", "each file once")
    return files


SecretName = Annotated[str, AfterValidator(_secret_name), Field(examples=["db_password"])]

OptionalSecretName = Annotated[
    str, AfterValidator(_secret_reference), Field(examples=["tunnel_token"])
]
"""The name of a declared secret; "" for none."""

ConfigName = Annotated[str, AfterValidator(_config_name), Field(examples=["traefik"])]

StackName = Annotated[str, AfterValidator(_stack_name), Field(examples=["web"])]

Variable = Annotated[str, AfterValidator(_variable), Field(examples=["DOMAIN"])]

OptionalVariable = Annotated[
    str,
    AfterValidator(lambda name: _read_variable(name) if name else name),
    Field(examples=["DB_PASSWORD"]),
]

ProjectFile = Annotated[
    str, AfterValidator(lambda text: _project_file(text)), Field(examples=["secrets/db"])
]

OptionalProjectFile = Annotated[
    str,
    AfterValidator(lambda text: _project_file(text) if text else text),
    Field(examples=["secrets/db"]),
]

Identity = Annotated[str, AfterValidator(_identity), Field(examples=["~/.ssh/id_ed25519"])]

Command = Annotated[
    tuple[str, ...],
    BeforeValidator(_argv),
    AfterValidator(_words),
    Field(examples=[["pass", "show", "lab/db"]]),
]

SopsKey = Annotated[str, AfterValidator(_sops_key), Field(examples=["db.password"])]

StackFiles = Annotated[
    tuple[Annotated[str, AfterValidator(_stack_file)], ...],
    AfterValidator(_files),
    Field(examples=[["stacks/web.yml"]]),
]

StackValue = Annotated[str | FromVariable, BeforeValidator(_stack_value)]
