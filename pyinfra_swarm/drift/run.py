"""The real deploy, planned but not carried out: pyinfra's command line in its own process."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.run.own_process import run_pyinfra
from pyinfra_swarm.run.printable import plain

SITE = "deploys/site.py"
"""The deploy that is the whole job."""


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
    def words(self) -> list[str]:
        """Of pyinfra's command line."""
        limits = [word for pattern in self.limit for word in ("--limit", pattern)]
        return ["--dry", "--json", *limits, self.inventory, self.deploy]


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
    ended = run_pyinfra(
        request.words,
        host_keys=request.host_keys,
        timeout=request.timeout,
        verbose=request.verbose,
    )
    seconds = time.monotonic() - begun
    operations = _operations(ended.output)
    return Run(ended.status, operations, ended.records, ended.log, seconds, ended.unreadable)


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
