"""What earlier checks found: since when something differs, and the last days host by host.

A small file of JSON. Everything here is pure but :func:`remembered`, which reads it, and
:func:`remember`, which writes it whole or not at all.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pyinfra_swarm.drift.report import (
    Difference,
    Fault,
    HostReport,
    Identity,
    Report,
    State,
    moment,
    stamp,
)
from pyinfra_swarm.drift.run import SITE
from pyinfra_swarm.run.plain_file import write

VERSION = 1
DAYS = 14
"""How long the history goes back."""

_SEVERITY: dict[State, int] = {"in sync": 0, "unknown": 1, "drifted": 2}


class Unreadable(Exception):
    """The file is not one of ours, or cannot be used; the message says what to do."""


@dataclass(frozen=True)
class History:
    """What is remembered of a cluster.

    cluster: its name; "" before the first check.
    differences: those that were there when last looked, with ``since``.
    states: each host's state when last looked, and since when: ``{host: (state, since)}``; not in
    sync while something is remembered that the check of one part has not looked at.
    lost: the hosts that could not be looked at whole when last tried, with the deploys that were;
    "" for one that is not known.
    busy: what was asked for (deploy and limit) whose last check met a run in progress, with since
    when nothing was measured, and whether that was notified:
    ``{"deploys/site.py": (since, notified)}``.
    unsent: messages that no channel took, oldest first; they are tried again.
    hours: the worst state in each hour of the last days: ``{host: {"2026-11-24T06": state}}``.
    """

    cluster: str = ""
    differences: tuple[Difference, ...] = ()
    states: Mapping[str, tuple[State, str]] = field(default_factory=dict)
    lost: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    busy: Mapping[str, tuple[str, bool]] = field(default_factory=dict)
    unsent: tuple[str, ...] = ()
    hours: Mapping[str, Mapping[str, State]] = field(default_factory=dict)


@dataclass(frozen=True)
class News:
    """What has changed since the check before, for one notification.

    new, fixed: differences; lost: hosts that cannot be looked at whole any longer (but those
    refused: the refusal is a difference, and says it all); back: hosts that can again.
    stuck: a run has kept checks from measuring for too long; measured: since when it had, where
    that was notified, and this check has measured again.
    """

    new: tuple[Difference, ...] = ()
    fixed: tuple[Difference, ...] = ()
    lost: tuple[HostReport, ...] = ()
    back: tuple[HostReport, ...] = ()
    stuck: bool = False
    measured: str = ""

    def __bool__(self) -> bool:
        changed = self.new or self.fixed or self.lost or self.back
        return bool(changed or self.stuck or self.measured)


def learn(history: History, report: Report) -> tuple[History, Report, News]:
    """What is remembered after a check, the report with ``since`` filled in, and the news.

    A difference is new also where its host, part and name are known and its fault is another. It
    is fixed only when its part was looked at whole on its host and it was not there. A host that
    was lost is back when the same deploy, or the whole job, has looked at it whole. A check that
    measured nothing (a run in progress) teaches nothing but that; after a while it is news.
    """
    if report.busy:
        return _learn_busy(history, report)
    now = stamp(report.at)
    before = {_key(difference): difference for difference in history.differences}
    history = history if report.limit else _of_these(history, {host.name for host in report.hosts})
    hosts = tuple(_since_when(host, history, before, now) for host in report.hosts)
    seen = replace(report, hosts=hosts)
    there = {_key(difference) for difference in seen.differences}
    differing = {identity for identity, _ in there}
    whole = {(host.name, part) for host in hosts for part in host.parts}
    gone = [one for one in history.differences if _key(one) not in there]
    over = [one for one in gone if _looked_at(one, whole, report)]
    kept = tuple(one for one in gone if one not in over)
    lost = _lost(history, report)
    over_with = _measured(history, report)
    news = News(
        new=tuple(_once(one for one in seen.differences if _key(one) not in before)),
        fixed=tuple(_once(one for one in over if one.identity not in differing)),
        lost=tuple(h for h in hosts if h.name in lost and h.name not in history.lost),
        back=tuple(h for h in hosts if h.name not in lost and h.name in history.lost),
        measured=min((since for since, notified in over_with.values() if notified), default=""),
    )
    states = {host.name: _state_of(host, {one.host for one in kept}, lost) for host in hosts}
    since = {name: _since(history.states.get(name), state, now) for name, state in states.items()}
    learnt = History(
        cluster=report.cluster,
        differences=(*kept, *seen.differences),
        states={**history.states, **{name: (states[name], since[name]) for name in states}},
        lost=lost,
        busy={asked: one for asked, one in history.busy.items() if asked not in over_with},
        unsent=history.unsent,
        hours=_hours(history, report.at, states),
    )
    return learnt, seen, news


def _learn_busy(history: History, report: Report) -> tuple[History, Report, News]:
    asked = _asked(report)
    since, notified = history.busy.get(asked, (report.busy_since, False))
    seen = replace(report, busy_since=min(since, report.busy_since))
    busy = {**history.busy, asked: (seen.busy_since, notified or seen.stuck)}
    cluster = history.cluster or report.cluster
    learnt = replace(history, cluster=cluster, busy=busy)
    return learnt, seen, News(stuck=seen.stuck and not notified)


def _asked(report: Report) -> str:
    return " ".join([report.deploy, *report.limit])


def _measured(history: History, report: Report) -> dict[str, tuple[str, bool]]:
    """What was kept from measuring, and is no longer: the same was asked for, or all there is."""
    everything = report.deploy == SITE and not report.limit
    return {
        asked: one for asked, one in history.busy.items() if everything or asked == _asked(report)
    }


def _key(one: Difference) -> tuple[Identity, Fault]:
    return one.identity, one.fault


def _of_these(history: History, names: set[str]) -> History:
    """Without the hosts that are not declared any longer."""
    return replace(
        history,
        differences=tuple(one for one in history.differences if one.host in names),
        states={name: state for name, state in history.states.items() if name in names},
        lost={name: deploys for name, deploys in history.lost.items() if name in names},
        hours={name: states for name, states in history.hours.items() if name in names},
    )


def _since_when(
    host: HostReport,
    history: History,
    before: Mapping[tuple[Identity, Fault], Difference],
    now: str,
) -> HostReport:
    """The host with ``since`` filled in: that of its oldest difference, where it has any."""
    differences = tuple(
        replace(one, since=before[_key(one)].since if _key(one) in before else now)
        for one in host.differences
    )
    since = _since(history.states.get(host.name), host.state, now)
    return replace(
        host,
        since=min((one.since for one in differences), default=since),
        differences=differences,
    )


def _since(before: tuple[State, str] | None, state: State, now: str) -> str:
    return before[1] if before and before[0] == state else now


def _lost(history: History, report: Report) -> dict[str, tuple[str, ...]]:
    """Who is lost after this check, and to which deploys."""
    lost = dict(history.lost)
    for host in report.hosts:
        deploys = set(lost.pop(host.name, ())) - {report.deploy, ""}
        if report.deploy == SITE:
            deploys = set()
        if host.unknown and not host.refused:
            deploys.add(report.deploy)
        if deploys:
            lost[host.name] = tuple(sorted(deploys))
    return lost


def _state_of(host: HostReport, known_to_differ: Set[str], lost: Mapping[str, object]) -> State:
    """A host's state, as far as is remembered: what is in sync may be one part of the job only."""
    if host.state == "in sync" and host.name in known_to_differ:
        return "drifted"
    return "unknown" if host.state == "in sync" and host.name in lost else host.state


def _looked_at(one: Difference, whole: set[tuple[str, str]], report: Report) -> bool:
    if one.part:
        return (one.host, one.part) in whole
    same = report.deploy in (one.mended_by, SITE)
    return same and any(host.name == one.host and not host.unknown for host in report.hosts)


def _once(differences: Iterator[Difference]) -> Iterator[Difference]:
    """Each identity once: two reasons about one thing are one piece of news."""
    known: set[Identity] = set()
    for one in differences:
        if one.identity not in known:
            known.add(one.identity)
            yield one


def _hours(
    history: History, at: datetime, states: Mapping[str, State]
) -> dict[str, dict[str, State]]:
    oldest, now = hour(at - timedelta(days=DAYS)), hour(at)
    kept = {
        name: {then: state for then, state in hours.items() if then > oldest}
        for name, hours in history.hours.items()
    }
    for name, state in states.items():
        own = kept.setdefault(name, {})
        own[now] = max(own.get(now, state), state, key=lambda state: _SEVERITY[state])
    return {name: hours for name, hours in kept.items() if hours}


def hour(at: datetime) -> str:
    """The hour that a moment belongs to, as the history counts them (UTC)."""
    return stamp(at)[:13]


# The file
# --------


@contextmanager
def remembered(path: Path) -> Iterator[History]:
    """The history in a file, which no other check changes meanwhile; empty where there is none.

    Raises :class:`Unreadable`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open(path.with_name(f".{path.name}.lock"), "w", opener=_private)  # noqa: SIM115
    except OSError as error:
        raise Unreadable(f"{path}: cannot be used: {error.strerror}") from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield load(path)


def _private(path: str, flags: int) -> int:
    """Whoever can open a lock, if only to read, can hold it for ever: no other user may."""
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def load(path: Path) -> History:
    """The history in a file; empty where there is none. Raises :class:`Unreadable`."""
    try:
        return from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return History()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unreadable(
            f"{path}: is not what a check remembers ({type(error).__name__}: {error})\n"
            "    instead: another path, or remove the file (what differs is then new once more)"
        ) from error


def remember(path: Path, history: History) -> None:
    """Write a history whole; only its owner may read it. Raises :class:`Unreadable`."""
    text = json.dumps(to_json(history), ensure_ascii=False, indent=1) + "\n"
    try:
        write(path, text, mode=0o600)
    except OSError as error:
        raise Unreadable(
            f"{path}: cannot be written: {error.strerror}; it remembers what it did before"
        ) from error


def to_json(history: History) -> dict[str, Any]:
    """The history as plain data."""
    return {
        "version": VERSION,
        "cluster": history.cluster,
        "differences": [
            {key: value for key, value in asdict(one).items() if value or key != "within"}
            for one in history.differences
        ],
        "states": {name: list(state) for name, state in history.states.items()},
        "lost": {name: list(deploys) for name, deploys in history.lost.items()},
        "busy": {asked: list(one) for asked, one in history.busy.items()},
        "unsent": list(history.unsent),
        "hours": {name: dict(states) for name, states in history.hours.items()},
    }


def from_json(data: Mapping[str, Any]) -> History:
    """The reverse. Raises ``ValueError``, ``KeyError`` or ``TypeError``."""
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']}, where {VERSION} was expected")
    differences = tuple(Difference(**entry) for entry in data["differences"])
    for one in differences:
        moment(one.since)
    return History(
        cluster=data["cluster"],
        differences=differences,
        states={name: (_state(state), since) for name, (state, since) in data["states"].items()},
        lost=_deploys(data["lost"]),
        busy={
            str(asked): (stamp(moment(since)), bool(notified))
            # Not there in earlier ones, which called what is unsent "untold".
            for asked, (since, notified) in data.get("busy", {}).items()
        },
        unsent=tuple(map(str, data["unsent"] if "unsent" in data else data["untold"])),
        hours={
            name: {at: _state(state) for at, state in states.items()}
            for name, states in data["hours"].items()
        },
    )


def _deploys(lost: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(lost, list):  # as it was written before the deploys were
        return {str(name): ("",) for name in lost}
    return {name: tuple(map(str, deploys)) for name, deploys in lost.items()}


def _state(word: str) -> State:
    for state in _SEVERITY:
        if state == word:
            return state
    raise ValueError(f"“{word}” is no state of a host")
