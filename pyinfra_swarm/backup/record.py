"""Which backups this computer has written, by the SHA-256 of the whole file.

A backup is encrypted to public keys, so anybody who knows one can make a file that opens. The
record tells this computer's own files from others: a program that can write to the folder of
backups cannot write to the record.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pyinfra_swarm.run.wording import moment


@dataclass(frozen=True)
class Written:
    """A backup that this computer has written.

    sha256: of the file, in hexadecimal; size: its bytes; file: its name then; cluster: the swarm's
    id; name: what the settings called the cluster; host: whose state it is; taken: when, in seconds
    since 1970.
    """

    sha256: str
    size: int
    file: str
    cluster: str
    name: str
    host: str
    taken: int

    @property
    def time(self) -> str:
        """When it was taken, as a person reads it."""
        return moment(self.taken)


@dataclass(frozen=True)
class Found:
    """A file in the folder of backups. written: what it is, ``None`` for one of unknown origin."""

    name: str
    written: Written | None


def as_line(written: Written) -> str:
    """An entry of the record, as a line of its file."""
    return json.dumps(asdict(written)) + "\n"


def parse(text: str) -> list[Written]:
    """The record's entries. A line that is not whole, as after a power cut, is left out."""
    found = []
    for line in text.split("\n"):
        try:
            entry = Written(**json.loads(line))
        except (ValueError, TypeError, RecursionError):
            continue
        if _is_whole(entry):
            found.append(entry)
    return found


def _is_whole(entry: Written) -> bool:
    texts = (entry.sha256, entry.file, entry.cluster, entry.name, entry.host)
    return (
        all(isinstance(text, str) for text in texts)
        and re.fullmatch(r"[0-9a-f]{64}", entry.sha256) is not None
        and type(entry.size) is int
        and type(entry.taken) is int
        and 0 <= entry.taken < 1 << 33
    )


def file_name(name: str, host: str, taken: int) -> str:
    """The name of a backup's file: ``home-rk2-20261124T031500Z.tar.age``."""
    stamp = datetime.fromtimestamp(taken, UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{name}-{host}-{stamp}.tar.age"
