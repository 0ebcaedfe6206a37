"""What a run has found, told and done: kept for the plan, and for the last lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra_swarm.run.telling import Told


@dataclass
class Reported:
    """What the run has reported until now.

    told: each finding once for each host; sentences: their sentences, by the host's name; shown:
    what of that was printed as it was found.
    parts_to_change: host and part with a change; changing: host and operation with one.
    operations: those that report what they find.
    carried_out: the changes that were made; at_work: those of an operation that is carried out, by
    host and operation. touched: hosts on which a command was begun.
    made: changes of an operation that has not come to its end, made already.
    failures: why a host is not done, by its name. begun_on: where an operation has begun.
    stopped: hosts on which the plan goes on although nothing will be carried out there.
    not_looked_at: by the host's name, the operations of the plan that could not judge it.
    plan_shown: the plan was shown, whole.
    refused_beside: by the host's name, what was refused there and holds up nothing else; planned:
    those of them that the plan has shown.
    """

    told: list[Told] = field(default_factory=list)
    sentences: set[tuple[str, str]] = field(default_factory=set)
    shown: set[tuple[str, str]] = field(default_factory=set)
    parts_to_change: set[tuple[str, str]] = field(default_factory=set)
    changing: set[tuple[str, str]] = field(default_factory=set)
    operations: set[str] = field(default_factory=set)
    carried_out: list[Told] = field(default_factory=list)
    at_work: dict[tuple[str, str], list[Told]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    made: list[Told] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    begun_on: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    not_looked_at: dict[str, list[str]] = field(default_factory=dict)
    another_run: bool = False
    plan_shown: bool = False
    refused_beside: dict[str, str] = field(default_factory=dict)
    planned: set[str] = field(default_factory=set)
