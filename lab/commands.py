"""Programs of this machine, run with their errors kept, and processes ended for certain."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program and return its standard output.

    Raises LabError: with the end of what it printed, when it fails or takes too long.
    """
    words = [str(word) for word in argv]
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]}: program not found") from error
    _running.add(process)
    try:
        output, errors = process.communicate(stdin, timeout)
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(words)}: no end after {timeout} s") from error
    finally:
        _end(process)
        _running.discard(process)
    if process.returncode != 0:
        said = (output + errors).strip().splitlines()[-15:]
        raise LabError(
            f"{' '.join(words[:6])} … failed with exit code {process.returncode}:\n  "
            + "\n  ".join(said or ["(it printed nothing)"])
        )
    return output


_running: "set[subprocess.Popen[str]]" = set()
"""Programs of `run` that have not ended, in whatever thread."""


def end_all() -> None:
    """End every program that `run` waits for, in whatever thread; each `run` then raises."""
    for process in list(_running):
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a program of `run`, with its children, if it has not ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@dataclass(frozen=True)
class Recorded:
    """A process, recorded so that it can be told from a later one with the same number.

    pid: its number, also the number of its process group
    started: clock ticks from the machine's boot to its start
    boot: which boot of the machine that was
    """

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    """Which boot of this machine it is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> tuple[str, int, int] | None:
    """State letter, process group and start time of a process; None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[2]), int(fields[19])


def record(pid: int) -> Recorded:
    """Remember a process that was just started.

    Raises LabError when it is gone already.
    """
    stat = _stat(pid)
    if stat is None:
        raise LabError(f"process {pid} ended as soon as it was started")
    return Recorded(pid, stat[2], boot_id())


def _group(process: Recorded) -> list[int]:
    """Live members of the process group it led, none of them older than itself."""
    if process.boot != boot_id():
        return []
    members = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            stat = _stat(int(entry.name))
            if (
                stat is not None
                and stat[0] not in "ZX"
                and stat[1] == process.pid
                and stat[2] >= process.started
            ):
                members.append(int(entry.name))
    return members


def kill_group(process: Recorded, program: str) -> None:
    """End a process and its children at once, and return when they are gone.

    Processes that do not run `program` are left alone: after a crash the numbers may belong
    to somebody else.
    """
    deadline = time.monotonic() + 10
    while members := [pid for pid in _group(process) if _is(pid, program)]:
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline:
            raise LabError(f"{program}: processes {members} do not end, even by SIGKILL")
        time.sleep(0.02)


def _is(pid: int, program: str) -> bool:
    """Whether a process runs `program`; a guest's own processes have no command line."""
    try:
        if Path(os.readlink(f"/proc/{pid}/exe")).name == program:
            return True
        return program in Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
