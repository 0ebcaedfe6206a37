"""Files that a person has written: read, or refused with the place and what to do."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pyinfra_swarm.settings.errors import Problem, SettingsError
from pyinfra_swarm.settings.toml_errors import explained_toml


def read_toml(path: Path, many: Collection[str] = ()) -> tuple[dict[str, Any], str]:
    """The content of a settings file, and its text.

    many: the tables that repeat. Raises `SettingsError` with file, line and column.
    """
    try:
        text = read_text(path)
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        place, reason, instead = explained_toml(error, text, many)
        where = f"{path}{place}"
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


def read_text(path: Path) -> str:
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
