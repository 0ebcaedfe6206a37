"""The real deploy, planned but not carried out: pyinfra's command line in its own process."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyinfra_swarm.run.printable import plain, plain_values
from pyinfra_swarm.settings.paths import from_user, project
from pyinfra_swarm.settings.variables import PATH_VARIABLE

SITE = "deploys/site.py"
"""The deploy that is the whole job."""

_HOST_KEYS = "SWARM_SSH__STRICT_HOST_KEYS"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PATIENCE = 5
"""Seconds that pyinfra has to end by itself, once asked."""


@dataclass(frozen=True)
class Request:
    """What to check.

    inventory, deploy: files, as pyinfra takes them from the root of the project.
    limit: names, patterns and groups, as pyinfra takes them; empty for all hosts.
    host_keys: what to do about unknown keys, as in ``ssh.strict_host_keys``.
    timeout: seconds after which the check is ended.
    verbose: pyinfra's own log goes to standard error.
    """

    inventory: str = "inventory.py"
    deploy: str = SITE
    limit: tuple[str, ...] = ()
    host_keys: str = "yes"
    timeout: float = 300
    verbose: bool = False

    @property
    def command(self) -> list[str]:
        """The words of the command line."""
        limits = [word for pattern in self.limit for word in ("--limit", pattern)]
        # -P: as the console script, without the working directory in front of everything.
        pyinfra = [sys.executable, "-P", "-m", "pyinfra"]
        return [*pyinfra, "--dry", "--json", *limits, self.inventory, self.deploy]


@dataclass(frozen=True)
class Operation:
    """An operation of the plan, and the hosts on which it would change something."""

    name: str
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """The outcome of a planned deploy.

    status: pyinfra's exit status; ``None`` where it was ended because of the time limit.
    operations: the plan; ``None`` where pyinfra printed none (as when no host is left).
    records: what the operations reported, see :mod:`run.records`.
    unreadable: why the records are incomplete; empty where all can be read.
    log: pyinfra's own log; empty where it went to standard error.
    """

    status: int | None
    operations: tuple[Operation, ...] | None
    records: tuple[Mapping[str, Any], ...]
    log: str = ""
    seconds: float = 0.0
    unreadable: str = ""


def run(request: Request) -> Run:
    """Plan the deploy. Raises whatever ends this process (``KeyboardInterrupt``), pyinfra first."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="drift-") as folder:
        reasons = Path(folder) / "reasons"
        status, output, log = _pyinfra(request, reasons)
        records, unreadable = _records(reasons, cut_off=status is None or status < 0)
    seconds = time.monotonic() - begun
    return Run(status, _operations(output), records, log, seconds, unreadable)


def _pyinfra(request: Request, reasons: Path) -> tuple[int | None, str, str]:
    process = subprocess.Popen(
        request.command,
        cwd=project(),
        env=environment(os.environ, reasons, request.host_keys),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if request.verbose else subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # what is sent to us from a terminal is passed on by us, once
    )
    status: int | None = None
    try:
        output, log = process.communicate(timeout=request.timeout)
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
    """The environment for pyinfra: the user's, without what only the check itself needs."""
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith("DRIFT_") and name.upper() != _HOST_KEYS
    }
    if kept.get(PATH_VARIABLE):  # a path is the user's, and pyinfra runs in another folder
        kept[PATH_VARIABLE] = str(from_user(kept[PATH_VARIABLE]).absolute())
    own = {_HOST_KEYS: host_keys, "SWARM_REASONS": str(reasons), "PYINFRA_PROGRESS": "off"}
    return {**kept, **own}


def _operations(output: str) -> tuple[Operation, ...] | None:
    with suppress(ValueError, KeyError, TypeError):
        return tuple(
            Operation(
                plain(entry["name"]),
                tuple(
                    plain(host)
                    for hosts in ("hosts_with_change", "hosts_with_conditional_change")
                    for host in entry[hosts]
                ),
            )
            for entry in json.loads(output)["plan"]
        )
    return None


def _records(path: Path, *, cut_off: bool) -> tuple[tuple[Mapping[str, Any], ...], str]:
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
