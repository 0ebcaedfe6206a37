"""The reasons channel: what a program needs to judge a run, one JSON object a line.

The file is named by ``SWARM_REASONS``; without it nothing is written. Each record has the keys
``host``, ``part``, ``phase`` (``plan`` or ``apply``), ``kind`` and ``what``. By kind:

- ``change``, ``notice``, ``refusal``: a finding, with ``reason``, ``expected``, ``found`` and
  ``remedy``;
- ``looked``: an operation (``what``) has reported all its findings about a host, with ``changes``;
- ``not looked``: an operation (``what``) could not judge a host, with a ``reason``;
- ``job``: an operation is part of no state;
- ``measure``: a value that is no finding, with ``value``;
- ``busy``: a plan meets another run, with a ``reason`` and for how many ``seconds`` that has run;
- ``failed``: at the end, a host that is not done, with a ``reason``.

docs/decisions/reasons.md has the rules.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyinfra import logger
from pyinfra.api import Host

from pyinfra_swarm.run import pyinfra_internals
from pyinfra_swarm.run.context import phase, state, this_run
from pyinfra_swarm.run.printable import plain_values

_UNWRITABLE = "SWARM_REASONS = {path}: the findings cannot be written there: {why}"


@dataclass
class _Records:
    """measured: host, part, what and phase of each value that is recorded."""

    measured: set[tuple[str, str, str, str]] = field(default_factory=set)
    unwritable: bool = False


def record(entry: Mapping[str, Any]) -> None:
    """Write a record. A disk that fills up here must not leave a change on a host half made.

    Each is one line of ASCII, whatever is in it: programs differ in what they take for a line end.
    """
    path = os.environ.get("SWARM_REASONS")
    if not path or this_run(_Records).unwritable:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(plain_values(entry)) + "\n")
    except OSError as error:
        this_run(_Records).unwritable = True
        said = _UNWRITABLE.format(path=path, why=error.strerror)
        logger.error(f"{said}; the run goes on without")


def must_be_writable() -> None:
    """End the run where the file that ``SWARM_REASONS`` names cannot be written."""
    path = os.environ.get("SWARM_REASONS")
    if path:
        try:
            open(path, "a").close()
        except OSError as error:
            said = _UNWRITABLE.format(path=path, why=error.strerror)
            logger.error(f"{said}\n\n    instead: name a file in an existing folder, or unset it")
            raise SystemExit(1) from error


def looked(host: Host, part: str, *, changes: bool) -> None:
    """The operation under way has reported all that a plan holds about a host.

    changes: whether its part has found changes there, reported by it or by another before.
    """
    operation = pyinfra_internals.current_operation(host)
    if phase() == "apply" or not operation:
        return
    for name in pyinfra_internals.operation_names(state(), operation):
        record(
            {
                "host": host.name,
                "part": part,
                "phase": phase(),
                "kind": "looked",
                "what": name,
                "changes": changes,
            }
        )


def not_looked_at(host: Host, part: str, why: str) -> list[str]:
    """The operation under way cannot judge a host, and why; gives the operation's names."""
    operation = pyinfra_internals.current_operation(host)
    names = pyinfra_internals.operation_names(state(), operation) if operation else []
    for name in names:
        record(
            {
                "host": host.name,
                "part": part,
                "phase": phase(),
                "kind": "not looked",
                "what": name,
                "reason": why,
            }
        )
    return names


def asked_for(host: Host, part: str) -> None:
    """The operation under way is no part of a state: it is done when it is asked for."""
    operation = pyinfra_internals.current_operation(host)
    if phase() == "apply" or not operation:
        return
    for name in pyinfra_internals.operation_names(state(), operation):
        record({"host": host.name, "part": part, "phase": "plan", "kind": "job", "what": name})


def measure(part: str, what: str, value: Any, *, host: str = "") -> None:
    """Record a value that is no finding, for reports: each once a run and phase.

    value: what JSON can hold, or a function that gives it, called only where it is recorded;
    host: its name, "" for what is said of the cluster as a whole.
    """
    measured = this_run(_Records).measured
    key = (host, part, what, phase())
    if key not in measured:
        measured.add(key)
        record(
            {
                "host": host,
                "part": part,
                "phase": phase(),
                "kind": "measure",
                "what": what,
                "value": value() if callable(value) else value,
            }
        )
