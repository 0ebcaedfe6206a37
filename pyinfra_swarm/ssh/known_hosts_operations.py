"""What this computer knows a host by: its list of known hosts, as the run's connection uses it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paramiko.hostkeys import HostKeyEntry
from pyinfra.api import Host

from pyinfra_swarm.run.pyinfra_internals import known_hosts


def known_types(host: Host) -> list[str]:
    """The types of the keys that a host is known by, in the order of the list.

    Empty where it is not known there, or the run comes by no SSH.
    """
    found = known_hosts(host)
    return list(found[0].get(found[2], {})) if found else []


def learn(host: Host, keys: Sequence[str]) -> None:
    """Add keys (``type blob``) to what a host is known by, in this run and in its file.

    Raises ``OSError`` where the file cannot be written.
    """
    found = known_hosts(host)
    if found is None:
        return
    known, file, name = found
    entries = [HostKeyEntry.from_line(f"{name} {key}\n") for key in keys]
    added = [entry for entry in entries if entry is not None and entry.key is not None]
    if file:
        with Path(file).open("a+", encoding="utf-8") as listed:
            listed.seek(0)
            before = listed.read()
            listed.write("\n" if before and not before.endswith("\n") else "")
            listed.writelines(entry.to_line() or "" for entry in added)
    for entry in added:
        assert entry.key is not None
        known.add(name, entry.key.get_name(), entry.key)
