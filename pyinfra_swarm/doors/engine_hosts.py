"""Where an engine listens beside its own sockets: what its arguments, units and files say."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

FOLDERS = (
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/run/systemd/transient",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)
"""Where systemd looks for units (systemd.unit(5)), the first before the others."""

OWN = ("fd:", "unix:", "npipe:")
"""How those begin that are no way in over the network."""


_SHORT = re.compile(r"-D*H=?(.*)")
"""``-H``, which may stand behind ``-D`` in one word, and before its value."""


def of_arguments(words: Sequence[str]) -> list[str]:
    """What ``-H`` and ``--host`` say in the words of a command."""
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--host":
            found.append(next(rest, ""))
        elif word.startswith("--host="):
            found.append(word.removeprefix("--host="))
        elif short := _SHORT.fullmatch(word):
            found.append(short[1] or next(rest, ""))
    return found


def of_units(lines: Iterable[str], defaults: Iterable[str]) -> list[str]:
    """What systemd would start, by the text of ``docker.service`` and ``docker.socket``.

    defaults: lines ``DOCKER_OPTS="…"`` that a unit may use.
    """
    values: dict[str, list[str]] = {"ExecStart": [], "ListenStream": []}
    for name, value in _settings(lines):
        if name in values:  # an empty one takes back those before it
            values[name] = [*values[name], value] if value else []
    found = [f"tcp://{one}" for one in values["ListenStream"] if not one.startswith(("/", "@"))]
    options = [word for line in defaults for word in _words(line.partition("=")[2])]
    for command in values["ExecStart"]:
        words = _words(command)
        if any(word in ("$DOCKER_OPTS", "${DOCKER_OPTS}") for word in words):
            words += [word for option in options for word in _words(option)]
        found += of_arguments(words)
    return found


def of_files(files: Mapping[tuple[int, str], Sequence[str]], defaults: Iterable[str]) -> list[str]:
    """What systemd would start once it has read its files anew, as it does at a boot.

    files: the lines of a file by its folder's place in ``FOLDERS`` and its path below that.
    """
    lines: list[str] = []
    for kind in ("service", "socket"):
        unit = f"docker.{kind}"
        found = {path: files[place, path] for place, path in sorted(files, reverse=True)}
        lines += found.get(unit, ())
        drop_ins: dict[str, str] = {}
        for folder in (f"{kind}.d", f"{unit}.d"):  # the unit's own go before those of all units
            own = [path for path in found if path.startswith(f"{folder}/")]
            drop_ins.update({path.removeprefix(f"{folder}/"): path for path in own})
        for _, path in sorted(drop_ins.items()):
            lines += found[path]
    return of_units(lines, defaults)


def of_daemon_json(text: str) -> list[str]:
    """What ``hosts`` says; nothing where the file is none that an engine takes."""
    try:
        hosts = json.loads(text).get("hosts") or []
        return [str(host) for host in hosts] if isinstance(hosts, list) else [str(hosts)]
    except (ValueError, AttributeError, RecursionError):
        return []


def over_the_network(hosts: Iterable[str]) -> tuple[str, ...]:
    """Only those through which the engine is reached by TCP, each once."""
    return tuple(dict.fromkeys(one for one in hosts if one and not one.startswith(OWN)))


def _settings(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Name and value of a unit's lines, those that end in a backslash joined."""
    whole = ""
    for line in lines:
        if line.lstrip().startswith(("#", ";")):
            continue  # also where it stands between lines that are joined
        if line.rstrip().endswith("\\"):
            whole += line.rstrip()[:-1] + " "
            continue
        name, equals, value = (whole + line).partition("=")
        whole = ""
        if equals:
            yield name.strip(), value.strip()


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()
