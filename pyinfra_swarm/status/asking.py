"""Asking the hosts how they are: pyinfra's own facts, by its command line."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from pyinfra_swarm.backup import record_file
from pyinfra_swarm.nodes.membership import view
from pyinfra_swarm.run.own_process import run_pyinfra
from pyinfra_swarm.run.printable import plain, plain_lines, plain_values
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.status.seen import QUESTIONS, Seen, seen
from pyinfra_swarm.status.summary import Backup, Status, newest, summary


class Unasked(Exception):
    """pyinfra has asked nobody; the message is its own last words."""


def status(
    settings: Settings, source: str, *, limit: Sequence[str], timeout: float, verbose: bool
) -> Status:
    """Ask all hosts, or those of a limit and the managers. Raises :class:`Unasked`."""
    said = ask(settings, limit=limit, timeout=timeout, verbose=verbose)
    backup, unknown = None, ""
    try:
        backup = last_backup(settings.cluster.name, swarm_of(settings, said))
    except OSError as error:
        unknown = str(error)
    return summary(
        settings, said, at=time.time(), source=source, backup=backup, backup_unknown=unknown
    )


def ask(
    settings: Settings, *, limit: Sequence[str], timeout: float, verbose: bool
) -> dict[str, Seen]:
    """What the hosts say. A host that does not answer hides no other. Raises :class:`Unasked`."""
    # The managers speak for the swarm, whoever is asked about.
    limits = [word for pattern in (*limit, "managers") for word in ("--limit", pattern)]
    facts = [fact for fact, _ in QUESTIONS.values()]
    ended = run_pyinfra(
        ["--json", *(limits if limit else []), "inventory.py", "fact", *facts],
        host_keys="no" if settings.ssh.strict_host_keys == "no" else "yes",
        timeout=timeout,
        verbose=verbose,
    )
    silent = {
        plain(str(record["host"])): plain(str(record.get("reason", "")))
        for record in ended.records
        if record["kind"] == "failed"
    }
    answers = _answers(ended.output)
    if answers is None and not silent:
        late = (
            f"no end after {timeout:g} seconds\n    instead: a longer --timeout; "
            "`pyinfra-swarm fact host.Host` shows which hosts answer"
            if ended.status is None
            else ""
        )
        raise Unasked(late or _last_words(ended.log) or "pyinfra has said nothing; try --verbose")
    asked = {*silent, *(host for told in (answers or {}).values() for host in told)}
    hosts = tuple(host.name for host in settings.hosts if not limit or host.name in asked)
    return seen(hosts, answers or {}, silent)


def _answers(output: str) -> Mapping[str, Mapping[str, Any]] | None:
    with suppress(ValueError):
        said = plain_values(json.loads(output))
        if isinstance(said, dict) and all(isinstance(one, dict) for one in said.values()):
            return said
    return None


def _last_words(log: str) -> str:
    """What pyinfra has said last, from the line that begins with an arrow; without empty lines."""
    lines = [line.rstrip() for line in log.splitlines()]
    begin = max((n for n, line in enumerate(lines) if line.startswith("--> ")), default=0)
    return plain_lines("\n".join(filter(None, lines[begin:]))[:2000].removeprefix("--> "))


def swarm_of(settings: Settings, said: Mapping[str, Seen]) -> str:
    """The swarm's id, as the manager says that speaks for it; "" where none does."""
    acting = view(settings, {name: one.membership for name, one in said.items()})
    return acting.cluster if acting else ""


def last_backup(cluster: str, swarm: str) -> Backup | None:
    """The last one that this computer has written of a cluster. Raises ``OSError``.

    cluster: its name; swarm: its id, "" where it is not known. The id is proof by itself: two
    clusters may have one name, and one may get another.
    """
    written = [
        one
        for one in record_file.entries()
        if (one.cluster == swarm if swarm else one.name == cluster)
    ]
    return newest([Backup(one.taken, one.host, one.file, compared=bool(swarm)) for one in written])
