"""The report as one HTML file: nothing to load, no script, light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from pyinfra_swarm.drift import terminal
from pyinfra_swarm.drift.history import DAYS, History, hour
from pyinfra_swarm.drift.metrics import is_number
from pyinfra_swarm.drift.report import HostReport, Report, State, stamp
from pyinfra_swarm.drift.svg import CARD_HEIGHT, CARD_WIDTH, picture
from pyinfra_swarm.run.telling import named

_DAY = 86_400


@dataclass(frozen=True)
class Span:
    """Hours on end in one state; ``start`` and ``length`` in hours from the strip's left end."""

    state: State
    start: int
    length: int
    words: str


@dataclass(frozen=True)
class Strip:
    """A host's last days."""

    host: str
    spans: tuple[Span, ...]
    summary: str


def render(report: Report, history: History) -> str:
    """The page; the last days only where a history has them."""
    return _template().render(
        report=report,
        hosts=report.hosts or remembered(history),
        verdict=terminal.verdict(report),
        hint=terminal.hint(report),
        tone=tone(report),
        picture=picture(report),
        card=(CARD_WIDTH, CARD_HEIGHT),
        ports=published(report),
        strips=strips(history, report) if history.hours else [],
        hours=DAYS * 24,
        days=days(report.at),
        advice=list(terminal.advice(report))[1:],
        at=report.at.strftime("%-d %B %Y, %H:%M UTC"),
        iso=stamp(report.at),
        ago=lambda since: terminal.ago(report.at, since),
        now=stamp(report.at),
        how_to_fix=terminal.how_to_fix,
        days_left=lambda host: _days_left(host, report),
    )


def _days_left(host: HostReport, report: Report) -> str:
    expires = host.measures.get("certificate expires")
    if not is_number(expires):
        return "not known"
    return f"{int((expires - report.at.timestamp()) / _DAY)} days left"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


@dataclass(frozen=True)
class Port:
    """A published port: its number and protocol, and in words by whom, for whom, and where."""

    number: str
    by: str
    who: str
    where: str


def published(report: Report) -> list[Port]:
    """The published ports that the check has seen (:func:`firewall.published.shown`)."""
    listed = report.measures.get("published")
    found = []
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, Mapping):
            continue
        hosts, lacking = (_names(one.get(key)) for key in ("hosts", "lacking"))
        found.append(
            Port(
                f"{one.get('port')}/{one.get('protocol')}",
                str(one.get("service") or ("a service" if one.get("mesh") else "a container")),
                str(one.get("who") or "not known"),
                _in_the_mesh(report, hosts, lacking)
                if one.get("mesh")
                else named(hosts, [host.name for host in report.hosts]),
            )
        )
    return found


def _in_the_mesh(report: Report, hosts: Sequence[str], lacking: Sequence[str]) -> str:
    """Where a port of the routing mesh answers; of a node that has not been asked, nobody knows.

    hosts: the nodes that have Docker's rule for it; lacking: those that should have it.
    """
    nodes = report.measures.get("nodes")
    listed = list(map(str, nodes)) if isinstance(nodes, Mapping) else []
    everybody = [host.name for host in report.hosts]
    everybody += [name for name in listed if name not in everybody]
    unknown = [name for name in listed or everybody if name not in {*hosts, *lacking}]
    others = named(unknown, everybody)
    if report.limit and not listed:  # what else is in the swarm, nobody has said
        others = "the others"
    if not others:
        return f"everywhere but on {named(lacking, everybody)}" if lacking else "on every node"
    has = [named(hosts, everybody)] if hosts else []
    lacks = [f"not on {named(lacking, everybody)}"] if lacking else []
    return "; ".join([*has, *lacks, f"of {others} it is not known"])


def _names(value: Any) -> list[str]:
    return list(map(str, value)) if isinstance(value, list) else []


def tone(report: Report) -> str:
    """The colour of it all: a host's state, as a class of the style sheet."""
    return {0: "in-sync", 1: "unknown", 2: "drifted"}[report.exit_code]


def remembered(history: History) -> tuple[HostReport, ...]:
    """What was known of the hosts when last looked, for a check that measured nothing."""
    return tuple(
        HostReport(
            name,
            differences=tuple(one for one in history.differences if one.host == name),
            unknown="it could not be looked at then, either" if state == "unknown" else "",
            since=since,
        )
        for name, (state, since) in history.states.items()
    )


def strips(history: History, report: Report) -> list[Strip]:
    """The history of the report's hosts, hours in one state joined."""
    hosts = report.hosts or remembered(history)
    return [_strip(host.name, history.hours.get(host.name, {}), report.at) for host in hosts]


def _strip(host: str, states: Mapping[str, State], now: datetime) -> Strip:
    first = now - timedelta(hours=DAYS * 24 - 1)
    spans: list[Span] = []
    count: dict[str, int] = {}
    for number in range(DAYS * 24):
        at = first + timedelta(hours=number)
        state = states.get(hour(at))
        if state is None:
            continue
        count[state] = count.get(state, 0) + 1
        last = spans[-1] if spans else None
        if last and last.state == state and last.start + last.length == number:
            spans[-1] = Span(state, last.start, last.length + 1, last.words)
        else:
            spans.append(Span(state, number, 1, f"{state} from {at:%-d %b %H}:00 UTC"))
    words = [f"{state} in {many} h" for state, many in sorted(count.items(), key=lambda i: -i[1])]
    return Strip(host, tuple(spans), ", ".join(words) or "never checked")


def days(now: datetime) -> list[tuple[int, str]]:
    """Where each day begins on a strip, in hours, and what it is called."""
    first = now - timedelta(hours=DAYS * 24 - 1)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    begin = first.replace(minute=0, second=0, microsecond=0)
    found = []
    while midnight <= now:
        found.append((int((midnight - begin) / timedelta(hours=1)), f"{midnight:%-d %b}"))
        midnight += timedelta(days=1)
    return found
