"""A systemd timer for the check, on the machine that checks: as user or as root.

The service is of type ``oneshot``: a timer does not start what still runs, so checks never overlap.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values

from pyinfra_swarm.drift.target import Unusable
from pyinfra_swarm.run.plain_file import write
from pyinfra_swarm.settings.paths import from_user, project
from pyinfra_swarm.settings.sources import FILE_NAME
from pyinfra_swarm.settings.variables import PATH_VARIABLE, RESERVED

if TYPE_CHECKING:
    from jinja2 import Environment

UNIT = "pyinfra-swarm-drift"
_SLACK = 120
"""Seconds for everything but pyinfra: starting, notifications, the dead man's switch."""


@dataclass(frozen=True)
class Schedule:
    """When and how to check.

    when: systemd's calendar, as ``hourly`` or ``*:0/15``; jitter: seconds of random delay.
    timeout: seconds for one check; arguments: more words for the check.
    settings: path of the settings file; python, root: what runs, and where.
    """

    when: str = "hourly"
    jitter: int = 300
    timeout: float = 300
    arguments: tuple[str, ...] = ()
    settings: str = ""
    python: str = sys.executable
    root: str = field(default_factory=lambda: str(project()))
    user: bool = False

    @property
    def command(self) -> tuple[str, ...]:
        """The check, as the service runs it; ``%S`` is systemd's folder for state."""
        state = f"%S/{UNIT}"
        return (
            self.python.replace("%", "%%"),
            "-m",
            "pyinfra_swarm.drift",
            *("--since", f"{state}/state.json", "--html", f"{state}/drift.html"),
            *("--timeout", f"{self.timeout:g}"),
            *(word.replace("%", "%%") for word in self.arguments),
        )


def units(schedule: Schedule) -> dict[str, str]:
    """The unit files, by name."""
    variable = f"{PATH_VARIABLE}={schedule.settings}".replace("%", "%%")
    page = Path(schedule.root) / "docs/drift.md"
    values = {
        "unit": UNIT,
        "user": schedule.user,
        "when": schedule.when,
        "jitter": schedule.jitter,
        "folder": schedule.root.replace("%", "%%"),
        "documentation": str(page).replace("%", "%%") if os.path.isfile(page) else "",
        "settings": _quoted(variable, expands=False) if schedule.settings else "",
        "configuration": "%h/.config" if schedule.user else "/etc",
        "command": " ".join(map(_quoted, schedule.command)),
        "time_limit": f"{schedule.timeout + _SLACK:g}",
    }
    return {
        f"{UNIT}.{kind}": _templates().get_template(f"check.{kind}.j2").render(values)
        for kind in ("service", "timer")
    }


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # slow to load

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # plain text; each value is quoted as systemd reads it
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _quoted(word: str, *, expands: bool = True) -> str:
    """A word as systemd reads it; ``%`` is the caller's to double.

    expands: it stands where systemd would put variables in.
    """
    if word and all(letter.isalnum() or letter in "%/._-=:@+," for letter in word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    escaped = escaped.replace("$", "$$") if expands else escaped
    return f'"{escaped}"'


def folder(*, user: bool, environment: Mapping[str, str] = os.environ) -> Path:
    """Where units of this kind go."""
    if not user:
        return Path("/etc/systemd/system")
    base = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "systemd/user"


def settings_path(environment: Mapping[str, str]) -> str:
    """The settings file in force, for the service; "" where it is the project's own."""
    named = environment.get(PATH_VARIABLE)
    if named:
        return str(from_user(named).absolute())
    if not (project() / FILE_NAME).exists():
        raise Unusable(
            f"There is nothing to check: {project()} has no {FILE_NAME}, and {PATH_VARIABLE} is "
            "not set\n"
            "    instead: write it first, starting from cluster.example.toml"
        )
    return ""


def environment_file(*, user: bool) -> Path:
    """Where the service's variables are, if there are any: they may be secrets."""
    return (Path.home() / ".config" if user else Path("/etc")) / "pyinfra-swarm/drift.env"


def refuse_to_lose_settings(environment: Mapping[str, str], *, user: bool) -> None:
    """Raises :class:`Unusable` where variables are settings that the service would not have."""
    path = environment_file(user=user)
    try:
        there = dotenv_values(path) if path.exists() else {}
    except OSError as error:
        raise Unusable(f"{path}: cannot be read: {error.strerror}") from error
    lost = sorted(
        name
        for name in environment
        if name.upper().startswith("SWARM_") and name.upper() not in RESERVED and name not in there
    )
    if lost:
        raise Unusable(
            f"The service would not have what is set here only: {', '.join(lost)}\n"
            f"    instead: put it into {FILE_NAME}, the .env beside it or {path}; or unset it"
        )


def words_of_before(*, user: bool) -> list[str]:
    """The words behind ``install`` that make the timer of an earlier version again; else none.

    Its service runs ``python -m drift``, which this version does not have.
    """
    there = folder(user=user)
    try:
        service = (there / f"{UNIT}.service").read_text(encoding="utf-8")
        timer = (there / f"{UNIT}.timer").read_text(encoding="utf-8")
    except OSError:
        return []
    found = re.search(r"^ExecStart=.*? -m drift (.*)$", service, re.MULTILINE)
    when = re.search(r"^OnCalendar=(.+)$", timer, re.MULTILINE)
    jitter = re.search(r"^RandomizedDelaySec=(\d+)$", timer, re.MULTILINE)
    if not (found and when and jitter):
        return []
    _since, _state, _html, _page, _timeout, timeout, *own = shlex.split(found[1])
    words = ["--when", when[1], "--jitter", jitter[1], "--timeout", timeout]
    check = [word.replace("%%", "%").replace("$$", "$") for word in own]
    return [*words, "--", *check] if check else words


def install(schedule: Schedule) -> str:
    """Write the units and start the timer; says what was done. Raises :class:`Unusable`."""
    _calendar(schedule.when)
    there = folder(user=schedule.user)
    renewed = bool(words_of_before(user=schedule.user))
    _systemctl(schedule.user, "daemon-reload")  # fails where no systemd runs, with nothing written
    try:
        there.mkdir(parents=True, exist_ok=True)
        for name, text in units(schedule).items():
            write(there / name, text)
    except OSError as error:
        raise Unusable(f"{there}: units cannot be written there: {error.strerror}") from error
    _systemctl(schedule.user, "daemon-reload")
    _systemctl(schedule.user, "enable", "--now", f"{UNIT}.timer")
    _systemctl(schedule.user, "restart", f"{UNIT}.timer")  # another time, of one that runs
    lines = [f"The check runs {schedule.when}, by {there / f'{UNIT}.timer'}."]
    if renewed:
        lines.append("It replaces the timer of an earlier version, whose command is gone.")
    if schedule.user:
        lines.append("It runs only while you are logged in, unless you run: loginctl enable-linger")
    lines.append(f"Put channels for notifications into {environment_file(user=schedule.user)}.")
    return "\n".join([*lines, f"To read what it printed: {_journal(schedule.user)}"])


def remove(*, user: bool) -> str:
    """Stop the timer and remove the units; says what was done. The state stays."""
    there = folder(user=user)
    present = [there / name for name in units(Schedule()) if (there / name).exists()]
    if not present:
        return f"There was no timer in {there}."
    _systemctl(user, "disable", "--now", f"{UNIT}.timer")
    for path in present:
        try:
            path.unlink()
        except OSError as error:
            raise Unusable(f"{path}: cannot be removed: {error.strerror}") from error
    _systemctl(user, "daemon-reload")
    return f"The timer is removed. The history of earlier checks stays in {_state(user)}."


def show(*, user: bool) -> str:
    """The timer, the last check, and how to read what it printed."""
    if not (folder(user=user) / f"{UNIT}.timer").exists():
        if not _systemd_runs():
            return f"No check is scheduled by systemd, which this machine does not run{_CRON}"
        return "No check is scheduled: pyinfra-swarm schedule install"
    if words_of_before(user=user):
        return (
            "This timer was made by an earlier version, whose command is gone, so its checks fail\n"
            "    instead: pyinfra-swarm schedule install (without more words it keeps its "
            "options)"
        )
    timers = _systemctl(user, "list-timers", "--all", "--no-pager", f"{UNIT}.timer")
    last = _systemctl(
        user,
        "show",
        f"{UNIT}.service",
        "-p",
        "Result",
        "-p",
        "ExecMainStatus",
        "-p",
        "ExecMainStartTimestamp",
    )
    return "\n".join(
        [timers.rstrip(), "", last.rstrip(), f"To read what it printed: {_journal(user)}"]
    )


def _systemd_runs() -> bool:
    return os.path.isdir("/run/systemd/system")  # as sd_booted(3) asks


_CRON = "\n    instead: use cron, as docs/drift.md shows"


def _state(user: bool) -> str:
    if user:
        return f"~/.local/state/{UNIT} (before systemd 254 ~/.config/{UNIT})"
    return f"/var/lib/{UNIT}"


def _journal(user: bool) -> str:
    return f"journalctl {'--user ' if user else ''}-u {UNIT}"


def _calendar(when: str) -> None:
    """Ask systemd whether it understands a time."""
    done = _run(["systemd-analyze", "calendar", "--", when])
    if done.returncode:
        raise Unusable(
            f"--when {when}: systemd does not understand it: {done.stderr.strip()}\n"
            "    instead: hourly, daily, or a time such as *:0/15 (man systemd.time)"
        )


def _systemctl(user: bool, *words: str) -> str:
    command = ["systemctl", *(["--user"] if user else []), *words]
    done = _run(command)
    if done.returncode and not _systemd_runs():
        raise Unusable(f"this machine does not run systemd, which a schedule needs{_CRON}")
    if done.returncode:
        raise Unusable(f"`{shlex.join(command)}` failed: {done.stderr.strip() or 'no message'}")
    return done.stdout


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            list(command), capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError as error:
        raise Unusable(
            f"{command[0]} is missing on this machine: a schedule needs systemd{_CRON}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Unusable(f"`{shlex.join(command)}` did not answer within a minute") from error
