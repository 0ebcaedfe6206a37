"""pyinfra's command line in a process of its own, and the findings that it records there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyinfra_swarm.run.printable import plain_values
from pyinfra_swarm.settings.paths import from_user, project
from pyinfra_swarm.settings.variables import PATH_VARIABLE

_HOST_KEYS = "SWARM_SSH__STRICT_HOST_KEYS"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PATIENCE = 5
"""Seconds that pyinfra has to end by itself, once asked."""


def pyinfra_command(words: Sequence[str]) -> list[str]:
    """The command ``pyinfra`` of this environment."""
    # -P: as the console script, without the working directory in front of everything.
    return [sys.executable, "-P", "-m", "pyinfra", *words]


@dataclass(frozen=True)
class Ended:
    """What pyinfra has left.

    status: its exit status; ``None`` where it was ended because of the time limit.
    output: its standard output; log: its messages, empty where they went to standard error.
    records: what was recorded, see :mod:`run.records`.
    unreadable: why the records are incomplete; empty where all can be read.
    """

    status: int | None
    output: str
    log: str
    records: tuple[Mapping[str, Any], ...]
    unreadable: str = ""


def run_pyinfra(words: Sequence[str], *, host_keys: str, timeout: float, verbose: bool) -> Ended:
    """Run pyinfra in the project's folder, with nobody at its terminal, and wait for its end.

    words: of its command line; host_keys: what to do about unknown keys, as in
    ``ssh.strict_host_keys``; timeout: seconds after which it is ended; verbose: its messages go to
    standard error. Raises whatever ends this process (``KeyboardInterrupt``), pyinfra first.
    """
    with tempfile.TemporaryDirectory(prefix="pyinfra-swarm-") as folder:
        reasons = Path(folder) / "reasons"
        status, output, log = _run(words, reasons, host_keys, timeout, verbose)
        found, unreadable = records(reasons, cut_off=status is None or status < 0)
    return Ended(status, output, log, found, unreadable)


def _run(
    words: Sequence[str], reasons: Path, host_keys: str, timeout: float, verbose: bool
) -> tuple[int | None, str, str]:
    process = subprocess.Popen(
        pyinfra_command(words),
        cwd=project(),
        env=environment(os.environ, reasons, host_keys),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if verbose else subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # what is sent to us from a terminal is passed on by us, once
    )
    status: int | None = None
    try:
        output, log = process.communicate(timeout=timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        output, log = _end(process)
    except BaseException:
        _end(process)
        raise
    return status, output, _ANSI.sub("", log or "")


def _end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """End pyinfra and everything it started; returns what it printed until then."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_PATIENCE)
    return "", ""


def environment(given: Mapping[str, str], reasons: Path, host_keys: str) -> dict[str, str]:
    """The environment for pyinfra: the user's, without what only a check itself needs."""
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith("DRIFT_") and name.upper() != _HOST_KEYS
    }
    if kept.get(PATH_VARIABLE):  # a path is the user's, and pyinfra runs in another folder
        kept[PATH_VARIABLE] = str(from_user(kept[PATH_VARIABLE]).absolute())
    own = {_HOST_KEYS: host_keys, "SWARM_REASONS": str(reasons), "PYINFRA_PROGRESS": "off"}
    return {**kept, **own}


def records(path: Path, *, cut_off: bool) -> tuple[tuple[Mapping[str, Any], ...], str]:
    """The records, and why those are not all; "" where they are.

    cut_off: the run was killed. Its last line may be incomplete then, and is left out: the report
    says separately that the run did not finish.
    """
    if not path.exists():
        return (), ""
    # No other line ends: a text in a record may hold what other programs take for one.
    *lines, rest = path.read_bytes().split(b"\n")
    found, broken = [], []
    for number, line in enumerate(lines if cut_off or not rest else [*lines, rest], start=1):
        try:
            found.append(_record(line))
        except ValueError:
            broken.append(number)
    if not broken:
        return tuple(found), ""
    return tuple(found), (
        f"{len(broken)} of {len(lines) + bool(rest)} records of what was found cannot be read "
        f"(the first is number {broken[0]}), so more may differ"
    )


def _record(line: bytes) -> Mapping[str, Any]:
    """A record. Raises ``ValueError`` where the line is none."""
    record = json.loads(line.decode("utf-8"))
    if not isinstance(record, dict):
        raise ValueError("no mapping")
    if not all(isinstance(record.get(key), str) for key in ("host", "part", "kind", "what")):
        raise ValueError("not the keys of a record")
    made: Mapping[str, Any] = plain_values(record)
    return made
