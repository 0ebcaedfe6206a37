"""A program of this computer that prints a value: run without a shell, within a time limit.

What it prints is a value and is never shown. What it says on standard error is, where it fails.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pyinfra_swarm.run.clock import now
from pyinfra_swarm.run.printable import plain, quoted
from pyinfra_swarm.secrets.value import Unreadable, Value
from pyinfra_swarm.settings.errors import NOT_SHOWN

SECONDS = 60
"""How long a program may take."""

_SAID = 250
"""Letters of what it says on standard error that are shown, at its begin and at its end."""

_KEPT = 1 << 14
_WORDS = 6
_CHUNK = 1 << 16


def printed(words: Sequence[str], folder: Path, at_most: int, *, seconds: float = SECONDS) -> Value:
    """What a program prints on standard output.

    folder: where it runs. at_most: bytes of output; one that prints more is ended. It has nothing
    on standard input and no terminal, so that it cannot wait for an answer.

    Raises :class:`Unreadable`, and `FileNotFoundError` where there is no such program.
    """
    shown = shown_command(words)
    with _Pipe() as output, _Pipe() as errors:
        process = _started(words, folder, shown, output, errors)
        try:
            answer, said, why = _read(process, output, errors, at_most, seconds)
        finally:
            with suppress(ProcessLookupError):
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    heard = _heard(said, answer)
    if why:
        raise Unreadable(f"{shown} {why}{heard}", _try_it(folder, shown))
    if process.returncode:
        raise Unreadable(f"{shown} {_ended(process.returncode)}{heard}", _try_it(folder, shown))
    return answer


def shown_command(words: Sequence[str]) -> str:
    """The command for a person, as a shell would take it."""
    more = " …" if len(words) > _WORDS else ""
    return f"`{' '.join(map(quoted, words[:_WORDS]))}`{more}"


def _try_it(folder: Path, shown: str) -> str:
    return f"Run {shown} in {plain(folder)} until it prints the value and ends with status 0"


def _started(
    words: Sequence[str], folder: Path, shown: str, output: _Pipe, errors: _Pipe
) -> subprocess.Popen[bytes]:
    if not folder.is_dir():
        raise Unreadable(f"{shown} cannot run: there is no folder {plain(folder)}", "Make it")
    try:
        with output.write as said, errors.write as heard:
            return subprocess.Popen(
                [*words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=heard,
                start_new_session=True,  # what it has started ends with it
            )
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no command"
        raise Unreadable(
            f"{shown} cannot run: {why}", "The program first, then each word by itself"
        ) from None


def _read(
    process: subprocess.Popen[bytes], output: _Pipe, errors: _Pipe, at_most: int, seconds: float
) -> tuple[Value, Value, str]:
    """What the program prints and says, and why it is not waited for any longer."""
    until = now() + seconds
    ends = output.read.fileno(), errors.read.fileno()
    printed, said = bytearray(), bytearray()
    read = dict(zip(ends, (printed, said), strict=True))
    why = ""
    with selectors.DefaultSelector() as open_ends:
        for end in read:
            os.set_blocking(end, False)
            open_ends.register(end, selectors.EVENT_READ)
        while not why and (open_ends.get_map() or process.poll() is None):
            # Asked before the look: what it prints between the look and its end is not lost.
            has_ended = process.poll() is not None
            ready = [key.fd for key, _ in open_ends.select(timeout=0.05)]
            for end in ready:
                chunk = os.read(end, _CHUNK)
                read[end] += chunk
                if not chunk:
                    open_ends.unregister(end)
            del said[:-_KEPT]
            if len(printed) > at_most:
                why = f"prints more than {at_most} bytes"
            elif now() > until:
                why = f"has not ended within {seconds:.0f} seconds"
            elif has_ended and not ready:
                break  # what it has left running holds the ends open, maybe for ever
    return Value(bytes(printed)), Value(bytes(said)), why


def _ended(status: int) -> str:
    if status < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
        return f"was ended by signal {-status}"
    return f"ended with status {status}"


def _heard(said: Value, answer: Value) -> str:
    """What a program has said on standard error, without what it has printed."""
    text, value = (end.decode(errors="backslashreplace") for end in (said.data, answer.data))
    parts = {part for part in (value.strip(), *value.split()) if len(part) > 2}
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, NOT_SHOWN)
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).strip()  # colours
    text = text.partition("\ngoroutine ")[0].strip()  # a Go program's stack
    if not text:
        return ", and said nothing"
    if len(text) > 2 * _SAID:
        text = f"{text[:_SAID]} … {text[-_SAID:]}"
    return f": {plain(text)}"


class _Pipe:
    """Both ends of a pipe, each closed once: its number may be another thread's file by then."""

    def __enter__(self) -> _Pipe:
        read, write = os.pipe()
        self.read, self.write = os.fdopen(read, "rb", 0), os.fdopen(write, "wb", 0)
        return self

    def __exit__(self, *_: object) -> None:
        self.read.close()
        self.write.close()
