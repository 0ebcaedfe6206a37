"""The plan as it stands above the question: what changes where, what it interrupts, what not.

Pure: from what was reported to lines of text. A line that begins with ``~``, ``!`` or ``✗`` is a
finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.run.telling import (
    MARKS,
    Line,
    Told,
    grouped,
    held_up,
    lines,
    named,
    rendered,
    tally,
)
from pyinfra_swarm.run.wording import clock, duration, verb


@dataclass(frozen=True)
class Plan:
    """What planning has come to.

    hosts: all that the run was to work on, in their order; told: what was reported of them.
    other: operations of others that would do something, by name, with the hosts; they say no more.
    asked_for: the same of ours that change nothing that is declared, such as a proof.
    left_out: why a host is left out of the run, by its name.
    missing: by the host's name, the operations that could not judge it.
    last_times: how long what restarts did not answer the last time, in seconds, by its name.
    seconds: how long the planning took.
    """

    hosts: Sequence[str]
    told: Sequence[Told]
    other: Sequence[tuple[str, Sequence[str]]] = ()
    asked_for: Sequence[tuple[str, Sequence[str]]] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    last_times: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0

    @property
    def anything(self) -> bool:
        """Whether there is anything to carry out on a host that is not left out."""
        changing = [one.host for one in self.told if isinstance(one.finding, Change)]
        more = [name for _, hosts in (*self.other, *self.asked_for) for name in hosts]
        return not self.left_out.keys() >= {*changing, *more}


def told_lines(plan: Plan) -> list[Line]:
    """What is told, each thing once: also what others' operations would do."""
    other = [
        Line("change", "other", tuple(hosts), f"{name}: would do something")
        for name, hosts in plan.other
    ]
    found = lines(plan.told)
    changes = [line for line in found if line.kind == "change"]
    return [*changes, *other, *found[len(changes) :]]


def shown(plan: Plan, *, pieces: bool = False) -> list[str]:
    """The plan's lines, its title first. pieces: every single difference, as with ``-v``."""
    found = told_lines(plan)
    nothing = "what was asked for" if plan.asked_for else "nothing differs"
    if plan.left_out:
        nothing += ", as far as could be checked"
    counted = tally(line.kind for line in found) or nothing
    if held := held_up(found, plan.left_out):
        counted += f" ({held} held up)"
    text = [f"The plan, after {clock(plan.seconds)}: {counted}"]
    for line in found:
        first, *rest = rendered(line, plan.hosts, pieces=pieces)
        text.append(f"{MARKS[line.kind]} {first}")
        text += [f"      {piece}" for piece in rest]
    text += [f"{named(hosts, plan.hosts)}: {name}" for name, hosts in plan.asked_for]
    text += _interrupted(plan)
    text += _left_out(plan)
    return text


def _interrupted(plan: Plan) -> list[str]:
    """What restarts, and what that interrupts."""
    restarted: dict[tuple[str, bool], list[str]] = {}
    for one in plan.told:
        if isinstance(one.finding, Change) and one.finding.restarts:
            key = one.finding.restarts, one.finding.drains
            restarted.setdefault(key, []).append(one.host)
    return [
        f"{what} restarts on {named(hosts, plan.hosts)}"
        + (", one after the other" if len(set(hosts)) > 1 else "")
        + f": {_DRAINED if drains else _STOPPED} ({_how_long(plan.last_times.get(what))})"
        for (what, drains), hosts in restarted.items()
    ]


_STOPPED = "the containers there stop, and the ports they publish do not answer meanwhile"
_DRAINED = (
    "services' tasks move to other nodes before; other containers there stop, and no port answers "
    "at that node meanwhile"
)


def _how_long(seconds: float | None) -> str:
    return (
        "for how long shows when it has happened once"
        if seconds is None
        else f"{duration(seconds)} the last time"
    )


def _left_out(plan: Plan) -> list[str]:
    refused = {one.host for one in plan.told if one.finding.kind == "refusal"}
    text = []
    out = [name for name in plan.hosts if name in plan.left_out and name in refused]
    if out:
        is_are = verb(out, "is", "are")
        text.append(f"{named(out, plan.hosts)} {is_are} refused, and left out")
    others = [(name, why) for name, why in plan.left_out.items() if name not in refused]
    for same in grouped(others, lambda one: one[1]):
        names = [name for name, _ in same]
        is_are = verb(names, "is", "are")
        text.append(f"{named(names, plan.hosts)} {is_are} left out: {same[0][1]}")
    for those in grouped(plan.missing.items(), lambda one: tuple(one[1])):
        names = [name for name, _ in those]
        text.append(f"not looked at on {named(names, plan.hosts)}: {'; '.join(those[0][1])}")
    return text


def question(plan: Plan) -> str:
    """The question below it: what Enter does, and how to say no."""
    left = [name for name in plan.hosts if name not in plan.left_out]
    where = f" on {named(left, plan.hosts)}" if plan.left_out else ""
    return f"Do it{where}? Enter or y: yes. Anything else, or Ctrl-C: no, and nothing is changed."


def done(carried_out: Sequence[Told], everybody: Sequence[str]) -> list[str]:
    """What was done, by host: ``node1–node4: firewall (8080/tcp from anywhere)``."""
    by_host: dict[str, dict[str, dict[str, None]]] = {}
    for one in carried_out:
        finding = one.finding
        thing = finding.within.what if finding.within else finding.what
        by_host.setdefault(one.host, {}).setdefault(one.part, {})[thing] = None
    said = [
        (name, "; ".join(f"{part} ({_some(list(things))})" for part, things in parts.items()))
        for name, parts in by_host.items()
    ]
    order = {name: number for number, name in enumerate(everybody)}
    said.sort(key=lambda one: order.get(one[0], len(order)))
    return [
        f"{named([name for name, _ in same], everybody)}: {same[0][1]}"
        for same in grouped(said, lambda one: one[1])
    ]


_THINGS = 4


def _some(things: Sequence[str]) -> str:
    if len(things) <= _THINGS:
        return ", ".join(things)
    return f"{', '.join(things[: _THINGS - 1])} and {len(things) - _THINGS + 1} more"
