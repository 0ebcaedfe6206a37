"""What a check found: per host in sync, drifted or unknown; each difference with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pyinfra_swarm.drift.run import Run
from pyinfra_swarm.run.exit_code import exit_code
from pyinfra_swarm.run.findings import KINDS
from pyinfra_swarm.run.printable import plain, plain_lines, plain_values

VERSION = 1
"""Of the JSON's shape (``docs/drift.schema.json``); grows when a reader would have to change."""

BUSY_LIMIT = timedelta(hours=2)
"""A run that has kept checks from measuring for so long is a failure of theirs, and news: it may
hang at a question, in a terminal that nobody looks at any more. The longest that a run has in
itself is a rolling upgrade or reboot of many nodes."""

State = Literal["in sync", "drifted", "unknown"]
Identity = tuple[str, str, str]
"""Host, part, and what differs: the same from check to check."""
Fault = tuple[str, ...]
"""Kind, reason, expected and found, without what varies from check to check."""

_NO_KEY = (
    "A check takes no host key that is not known: log in once by hand, or run the deploy, which "
    "takes it where ssh.strict_host_keys is “accept-new”"
)
_AMOUNT = re.compile(
    r"^\d+$|(?<!\S)\d+(?:\.\d+)? "
    r"(?:of \d+|seconds?|minutes?|hours?|days?|bytes|[KMGT]iB|free)\b"
)
_IN_BRACKETS = re.compile(r" \([^)]*\)")


@dataclass(frozen=True)
class Host:
    """A declared host that is to be checked."""

    name: str
    role: str = ""
    address: str = ""


@dataclass(frozen=True)
class Difference:
    """Something that is not as declared.

    kind: ``change`` (a deploy fixes it), ``notice`` (only reported) or ``refusal`` (nothing can be
    changed on this host before it is gone).
    mended_by: the deploy that fixes a change, as ``deploys/ssh.py``; else empty, see ``remedy``.
    since: when it was first seen (ISO 8601, UTC); empty without a history.
    within: where it is one piece of something declared, the sentence that says it for all of them.

    Its texts are plain, wherever they come from (:mod:`run.printable`), so they can be shown as
    they are. So are those of the types below.
    """

    host: str
    part: str
    kind: str
    what: str
    reason: str
    expected: str = ""
    found: str = ""
    remedy: str = ""
    mended_by: str = ""
    since: str = ""
    within: str = ""

    def __post_init__(self) -> None:
        _make_plain(self)

    @property
    def identity(self) -> Identity:
        return (self.host, self.part, self.what)

    @property
    def fault(self) -> Fault:
        """What is wrong with it. Another fault is news, even if a difference was known.

        An amount (``3 days``, ``2 of 4``, a number alone) may change at every check, and so may
        what a reason says in brackets or after a colon.
        """
        reason = _IN_BRACKETS.sub("", self.reason.partition(": ")[0])
        stable = (_AMOUNT.sub("…", text) for text in (reason, self.expected, self.found))
        return (self.kind, *stable)


@dataclass(frozen=True)
class HostReport:
    """What is known of one host.

    unknown: why it could not be checked completely; empty if it was.
    parts: the parts of the job that were checked completely.
    since: when it came into its state (ISO 8601, UTC); empty without a history.
    measures: values that are no differences, by their names.
    """

    name: str
    role: str = ""
    address: str = ""
    differences: tuple[Difference, ...] = ()
    unknown: str = ""
    parts: tuple[str, ...] = ()
    since: str = ""
    measures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _make_plain(self)

    @property
    def state(self) -> State:
        if self.differences:
            return "drifted"
        return "unknown" if self.unknown else "in sync"

    @property
    def refused(self) -> bool:
        """Nothing can be changed on it before the cause of the refusal is gone."""
        return any(difference.kind == "refusal" for difference in self.differences)


@dataclass(frozen=True)
class Report:
    """A check's outcome.

    cluster: its name; source: where the settings come from; at: when it began (UTC).
    deploy, limit: what was asked for; seconds: how long it took.
    busy: who holds the cluster, if a run is in progress; nothing was measured then.
    busy_since: since when, as far as the run itself or the history says (ISO 8601, UTC).
    problem: why nothing could be checked at all; else empty.
    measures: values about the cluster as a whole, by their names.
    """

    cluster: str
    at: datetime
    hosts: tuple[HostReport, ...]
    source: str = ""
    deploy: str = ""
    limit: tuple[str, ...] = ()
    seconds: float = 0.0
    busy: str = ""
    busy_since: str = ""
    problem: str = ""
    measures: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _make_plain(self)

    @property
    def stuck(self) -> bool:
        """A run has been in progress for longer than :data:`BUSY_LIMIT`."""
        if not (self.busy and self.busy_since):
            return False
        return self.at - moment(self.busy_since) >= BUSY_LIMIT

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Those of all hosts, in their order."""
        return tuple(difference for host in self.hosts for difference in host.differences)

    @property
    def incomplete(self) -> tuple[HostReport, ...]:
        """The hosts that were not checked completely."""
        return tuple(host for host in self.hosts if host.unknown)

    @property
    def exit_code(self) -> int:
        """See :mod:`run.exit_code`."""
        return exit_code(
            looked=bool(self.hosts) and not (self.busy or self.problem),
            differs=bool(self.differences),
            complete=not self.incomplete,
        )


def _make_plain(one: Difference | HostReport | Report) -> None:
    for part in fields(one):
        value = getattr(one, part.name)
        if part.name == "problem":  # pyinfra's last words, a few lines
            object.__setattr__(one, part.name, plain_lines(value))
        elif isinstance(value, str):
            object.__setattr__(one, part.name, plain(value))
        elif isinstance(value, Mapping):
            object.__setattr__(one, part.name, plain_values(value))


def report(
    run: Run,
    hosts: Sequence[Host],
    *,
    at: datetime,
    cluster: str = "",
    source: str = "",
    deploy: str = "",
    limit: tuple[str, ...] = (),
    deploys: Iterable[str] = (),
    timeout: float = 0.0,
) -> Report:
    """Join the plan, the records of the operations, and the hosts that failed.

    hosts: those to check. A host is in sync only if every operation of the plan has recorded that
    it looked at the host and reported everything; if anything is missing, the host is unknown.
    deploys: the project's deploys; a change is fixed by the one named after its part.
    """
    made = Report(
        cluster=cluster,
        at=at,
        hosts=(),
        source=source,
        deploy=deploy,
        limit=limit,
        seconds=round(run.seconds, 2),
        measures=_measures(run, ""),
    )
    if busy := next((record for record in run.records if record.get("kind") == "busy"), None):
        return replace(
            made,
            busy=str(busy.get("reason") or "by somebody"),
            busy_since=stamp(at - timedelta(seconds=_seconds(busy))),
            measures={},
        )
    known = {host.name: host for host in hosts}
    reported = {record["host"] for record in run.records if record.get("host")}
    planned = {name for operation in run.operations or () for name in operation.hosts}
    strangers = sorted((reported | planned) - known.keys())
    everybody = [*hosts, *map(Host, strangers)]
    available = set(deploys)
    return replace(
        made,
        hosts=tuple(_host(run, host, available, deploy, timeout) for host in everybody),
        problem=_problem(run, reported, timeout),
    )


def _seconds(busy: Mapping[str, Any]) -> float:
    said = busy.get("seconds", 0)
    return said if isinstance(said, int | float) and 0 <= said < 1e9 else 0


def _problem(run: Run, reported: set[str], timeout: float) -> str:
    """Why the run as a whole has no result."""
    if run.status is None:
        return f"the check was ended: it had not finished after {timeout:g} seconds"
    if run.unreadable:
        return run.unreadable
    if run.operations is None and not reported:
        return _last_words(run.log) or f"pyinfra ended with status {run.status} and printed nothing"
    return ""


def _last_words(log: str) -> str:
    """The end of pyinfra's log, from the last error on."""
    lines = [line.rstrip() for line in log.strip().split("\n")]
    starts = [
        number
        for number, line in enumerate(lines)
        if line.startswith("-->") and not line.endswith("...")
    ]
    first = starts[-1] if starts else max(len(lines) - 10, 0)
    return "\n".join(lines[first : first + 40]).removeprefix("--> ").strip()


def _host(
    run: Run, host: Host, deploys: set[str], checked_deploy: str, timeout: float
) -> HostReport:
    own = [record for record in run.records if record.get("host") == host.name]
    differences = [
        _difference(record, deploys, checked_deploy)
        for record in own
        if record.get("kind") in KINDS
    ]
    looked = {record["what"] for record in own if record.get("kind") == "looked"}
    differences += _unreported(run, host.name, own, deploys, checked_deploy)
    return HostReport(
        name=host.name,
        role=host.role,
        address=host.address,
        differences=tuple(differences),
        unknown=_unknown(run, own, looked, timeout),
        parts=_parts(run, looked),
        measures=_measures(run, host.name),
    )


def _difference(record: Mapping[str, Any], deploys: set[str], checked_deploy: str) -> Difference:
    part = record.get("part", "")
    mended_by = _fixed_by(part, deploys, checked_deploy) if record["kind"] == "change" else ""
    texts = {
        name: str(record.get(name, ""))
        for name in ("host", "kind", "what", "reason", "expected", "found", "remedy", "within")
    }
    return Difference(part=part, mended_by=mended_by, **texts)


def _fixed_by(part: str, deploys: set[str], checked_deploy: str) -> str:
    """The deploy that fixes a change of a part."""
    own = f"deploys/{part}.py"
    return own if own in deploys else checked_deploy


def _unreported(
    run: Run, name: str, own: Sequence[Mapping[str, Any]], deploys: set[str], checked_deploy: str
) -> list[Difference]:
    """What pyinfra would change although no part reported a reason."""
    parts = _parts_of_operations(run)
    looked = {record["what"] for record in own if record.get("kind") == "looked"}
    reported = {
        record.get("part", "")
        for record in own
        if record.get("kind") == "change" or record.get("changes")
    }
    return [
        Difference(
            host=name,
            part=parts.get(operation.name, ""),
            kind="change",
            what=operation.name,
            reason="pyinfra would change something here, and no reason was given",
            mended_by=_fixed_by(parts.get(operation.name, ""), deploys, checked_deploy),
        )
        for operation in run.operations or ()
        if name in operation.hosts
        and (operation.name not in looked or parts[operation.name] not in reported)
    ]


def _unknown(run: Run, own: Sequence[Mapping[str, Any]], looked: set[str], timeout: float) -> str:
    if run.unreadable:
        return run.unreadable
    if run.operations is not None:
        missing = [one.name for one in run.operations if one.name not in looked]
        if run.operations and not missing:
            return ""
    if why := _not_looked(run, own, looked):
        return why
    if any(record.get("kind") == "refusal" for record in own):
        return "it was refused, so the rest was not checked"
    for record in own:
        if record.get("kind") == "failed":
            reason = str(record.get("reason") or "it failed, and did not say why")
            return f"{reason}. {_NO_KEY}" if "No host key for" in reason else reason
    if run.status is None:
        return f"the check was ended after {timeout:g} seconds"
    if not looked:
        return "it reported nothing"
    if run.operations is None:
        return "pyinfra did not finish its plan"
    return f"not checked: {', '.join(missing)}"


def _not_looked(run: Run, own: Sequence[Mapping[str, Any]], looked: set[str]) -> str:
    """What of the plan could not be judged, each with its reason, where all of it was tried."""
    told = {
        record["what"]: str(record.get("reason", ""))
        for record in own
        if record.get("kind") == "not looked"
    }
    reasons: dict[str, list[str]] = {}
    for one in run.operations or ():
        if one.name not in looked:
            reasons.setdefault(told.get(one.name, ""), []).append(one.name)
    if not reasons or "" in reasons:
        return ""
    return "; ".join(
        f"not checked: {', '.join(names)} ({reason})" for reason, names in reasons.items()
    )


def _parts(run: Run, looked: set[str]) -> tuple[str, ...]:
    """The parts of which every operation has looked at the host."""
    if run.operations is None or run.unreadable:
        return ()
    parts = _parts_of_operations(run)
    planned = [(parts.get(one.name, ""), one.name in looked) for one in run.operations]
    names = dict.fromkeys(part for part, _ in planned if part)
    return tuple(name for name in names if all(ok for part, ok in planned if part == name))


def _parts_of_operations(run: Run) -> dict[str, str]:
    """The part of each operation that has looked at a host, by the operation's name."""
    return {
        record["what"]: record.get("part", "")
        for record in run.records
        if record.get("kind") == "looked"
    }


def _measures(run: Run, host: str) -> dict[str, Any]:
    return {
        str(record["what"]): record.get("value")
        for record in run.records
        if record.get("kind") == "measure" and record.get("host", "") == host
    }


# JSON
# ----


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain data; ``docs/drift.schema.json`` describes it."""
    return {
        "version": VERSION,
        "cluster": report.cluster,
        "source": report.source,
        "deploy": report.deploy,
        "limit": list(report.limit),
        "at": stamp(report.at),
        "seconds": report.seconds,
        "exit_code": report.exit_code,
        "busy": report.busy,
        "busy_since": report.busy_since,
        "busy_too_long": report.stuck,
        "problem": report.problem,
        "hosts": [
            {
                "name": host.name,
                "role": host.role,
                "address": host.address,
                "state": host.state,
                "since": host.since,
                "unknown": host.unknown,
                "parts": list(host.parts),
                "differences": [asdict(difference) for difference in host.differences],
                "measures": dict(host.measures),
            }
            for host in report.hosts
        ],
        "measures": dict(report.measures),
    }


def stamp(moment: datetime) -> str:
    """A moment as reports write it: ISO 8601, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The reverse of :func:`stamp`. Raises ``ValueError``."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
