"""The report for Prometheus: a textfile for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from pyinfra_swarm.drift.report import Report, moment
from pyinfra_swarm.run.findings import KINDS

_DAY = 86_400


@dataclass(frozen=True)
class Sample:
    """A value with its labels."""

    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Metric:
    """A gauge: its name, what it means, and its samples."""

    name: str
    meaning: str
    samples: tuple[Sample, ...]


def render(report: Report) -> str:
    """The text, in Prometheus' exposition format.

    A check that measured nothing (a run in progress) has only its own metrics.
    """
    return "".join(map(_text, metrics(report)))


def metrics(report: Report) -> Iterator[Metric]:
    """All metrics of a report that have samples."""
    for metric in (*_check(report), *_hosts(report), *_measures(report)):
        if metric.samples:
            yield metric


def _check(report: Report) -> Iterator[Metric]:
    cluster = {"cluster": report.cluster}
    for name, meaning, value in (
        ("last_run_timestamp_seconds", "When the last check began.", report.at.timestamp()),
        ("last_run_duration_seconds", "How long the last check took.", report.seconds),
        (
            "last_run_exit_code",
            "0 in sync, 2 something differs, 1 could not tell.",
            report.exit_code,
        ),
        (
            "run_in_progress",
            "1 if a run held the cluster, so that nothing was measured.",
            bool(report.busy),
        ),
        (
            "run_in_progress_seconds",
            "For how long a run has kept checks from measuring; 0 where none does.",
            report.at.timestamp() - moment(report.busy_since).timestamp() if report.busy else 0,
        ),
    ):
        yield Metric(f"swarm_drift_{name}", meaning, (Sample(float(value), cluster),))


def _hosts(report: Report) -> Iterator[Metric]:
    cluster = {"cluster": report.cluster}
    differences, unknown = [], []
    for host in report.hosts:
        own = {**cluster, "host": host.name}
        unknown.append(Sample(float(bool(host.unknown)), own))
        # A part that was not looked at has no number: 0 would say that nothing differs.
        parts = dict.fromkeys([*host.parts, *(one.part for one in host.differences)])
        for part in parts:
            for kind in KINDS:
                many = sum(one.part == part and one.kind == kind for one in host.differences)
                if many or part in host.parts:
                    labels = {**own, "part": part, "kind": kind}
                    differences.append(Sample(many, labels))
    yield Metric(
        "swarm_drift_differences",
        "Differences by host, part and kind; absent for what could not be looked at.",
        tuple(differences),
    )
    yield Metric(
        "swarm_drift_host_unknown",
        "1 if the host could not be looked at, or not at everything.",
        tuple(unknown),
    )


def _measures(report: Report) -> Iterator[Metric]:
    at = report.at.timestamp()
    yield _of_hosts(
        report,
        "certificate expires",
        "swarm_certificate_days_left",
        "Days until the certificate of the swarm's node expires.",
        lambda moment: (moment - at) / _DAY,
    )
    yield _of_hosts(
        report,
        "range list fetched",
        "swarm_range_list_age_seconds",
        "Age of the list of address ranges that may reach the web ports.",
        lambda moment: at - moment,
    )
    managers = report.measures.get("managers")
    cluster = {"cluster": report.cluster}
    if isinstance(managers, Mapping) and "margin" in managers:
        yield Metric(
            "swarm_quorum_margin",
            "How many more managers may fail; negative where the quorum is lost.",
            (Sample(float(managers["margin"]), cluster),),
        )
        yield Metric(
            "swarm_managers_reachable",
            "Managers that the leader reaches.",
            (Sample(float(managers["reachable"]), cluster),),
        )
    ends = report.measures.get("origin pull certificate expires")
    if is_number(ends):
        yield Metric(
            "swarm_origin_pull_certificate_days_left",
            "Days until the client certificate of origin pulls expires.",
            (Sample((float(ends) - at) / _DAY, cluster),),
        )
    yield from _versions(report)
    yield Metric(
        "swarm_drift_measure", "Other values that parts of the job report.", tuple(_others(report))
    )


def _of_hosts(report: Report, what: str, name: str, meaning: str, convert: Any) -> Metric:
    samples = [
        Sample(convert(float(value)), {"cluster": report.cluster, "host": host.name})
        for host in report.hosts
        if is_number(value := host.measures.get(what, ""))
    ]
    return Metric(name, meaning, tuple(samples))


def _versions(report: Report) -> Iterator[Metric]:
    """Of declared secrets and configs, as ``secrets.plan.measures`` gives them."""
    listed = report.measures.get("secrets and configs")
    entries = (
        [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    )
    for name, meaning, key in (
        ("swarm_secret_age_days", "Days since the current version was created.", "age_days"),
        ("swarm_secret_versions", "Versions that the swarm has.", "versions"),
        ("swarm_secret_users", "Services that use any version.", "users"),
    ):
        samples = {
            (str(one.get("kind")), str(one.get("name"))): float(value)
            for one in entries
            if is_number(value := one.get(key))
        }
        yield Metric(
            name,
            meaning,
            tuple(
                Sample(value, {"cluster": report.cluster, "kind": kind, "name": own})
                for (kind, own), value in samples.items()
            ),
        )


_OWN = ("certificate expires", "range list fetched", "origin pull certificate expires")


def _others(report: Report) -> Iterator[Sample]:
    places: Iterable[tuple[str, Mapping[str, Any]]] = [
        ("", report.measures),
        *((host.name, host.measures) for host in report.hosts),
    ]
    for host, values in places:
        for what, value in values.items():
            if is_number(value) and what not in _OWN:
                labels = {"cluster": report.cluster, "host": host, "what": what}
                yield Sample(float(value), labels)


_LARGEST = 2**53
"""No number that anything here measures comes near it; one that does is a host's invention."""


def is_number(value: object) -> TypeGuard[float]:
    """Whether a measure is a number that can be counted with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST < value < _LARGEST  # false for what is no number (NaN), too


def _text(metric: Metric) -> str:
    lines = [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} gauge"]
    for sample in metric.samples:
        labels = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
        lines.append(f"{metric.name}{{{labels}}} {_number(sample.value)}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 3))
