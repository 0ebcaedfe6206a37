"""What Prometheus reads, judged by its own parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from pyinfra_swarm.drift.metrics import render
from pyinfra_swarm.drift.report import Report
from tests.unit.drift.drift_examples import (
    AT,
    HOSTS,
    all_looked,
    busy,
    failed,
    found,
    looked,
    measure,
    reported,
    run_of,
)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(report: Report) -> Samples:
    """What Prometheus makes of it; each sample may be there once only."""
    made: Samples = {}
    for family in text_string_to_metric_families(render(report)):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in made
            made[key] = sample.value
    return made


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset({"cluster": "home", **labels}.items())))


def test_differences_are_counted_by_host_part_and_kind() -> None:
    records = [
        *all_looked(),
        found("rk2", "ssh", "sshd PasswordAuthentication"),
        found("rk2", "ssh", "sshd PermitRootLogin"),
        found("rk2", "swarm", "availability", "notice"),
    ]
    samples = parsed(reported(run_of(records)))

    def many(**labels: str) -> float | None:
        return value(samples, "swarm_drift_differences", **labels)

    assert many(host="rk2", part="ssh", kind="change") == 2
    assert many(host="rk2", part="swarm", kind="notice") == 1
    assert many(host="rk1", part="ssh", kind="change") == 0
    assert value(samples, "swarm_drift_last_run_exit_code") == 2


def test_what_was_not_looked_at_has_no_number_instead_of_0() -> None:
    records = [*looked("rk1"), *looked("rk2"), failed("rk3", "no answer")]
    samples = parsed(reported(run_of(records, status=1)))
    assert value(samples, "swarm_drift_host_unknown", host="rk3") == 1
    assert value(samples, "swarm_drift_host_unknown", host="rk1") == 0
    assert not any(
        name == "swarm_drift_differences" and ("host", "rk3") in labels for name, labels in samples
    )


def test_certificates_ranges_and_quorum_are_told_as_they_are_needed() -> None:
    now = AT.timestamp()
    records = [
        *all_looked(),
        measure("managers", {"managers": 3, "reachable": 2, "needed": 2, "margin": 0}),
        measure("certificate expires", now + 45 * 86_400, host="rk1"),
        measure("range list fetched", now - 7200, part="firewall", host="rk3"),
        measure("sessions", 4, part="later", host="rk3"),
    ]
    samples = parsed(reported(run_of(records)))
    assert value(samples, "swarm_certificate_days_left", host="rk1") == pytest.approx(45)
    assert value(samples, "swarm_range_list_age_seconds", host="rk3") == pytest.approx(7200)
    assert value(samples, "swarm_quorum_margin") == 0
    assert value(samples, "swarm_managers_reachable") == 2
    assert value(samples, "swarm_drift_measure", host="rk3", what="sessions") == 4


def test_a_run_in_progress_tells_of_the_check_only() -> None:
    samples = parsed(busy(seconds=3 * 3600))
    assert value(samples, "swarm_drift_run_in_progress") == 1
    assert value(samples, "swarm_drift_run_in_progress_seconds") == 3 * 3600
    assert {name for name, _ in samples} == {
        "swarm_drift_last_run_timestamp_seconds",
        "swarm_drift_last_run_duration_seconds",
        "swarm_drift_last_run_exit_code",
        "swarm_drift_run_in_progress",
        "swarm_drift_run_in_progress_seconds",
    }


def test_the_moment_of_the_check_is_told_so_that_its_age_is_known() -> None:
    samples = parsed(reported(run_of(all_looked())))
    assert value(samples, "swarm_drift_last_run_timestamp_seconds") == AT.timestamp()


@given(st.text(min_size=1), st.text(), st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_whatever_a_part_reports_is_valid(what: str, cluster: str, number: float) -> None:
    records = [*all_looked(), measure(what, number, host="rk1"), found("rk1", what, "x")]
    report = reported(run_of(records), cluster=cluster)
    samples = parsed(report)
    assert len([name for name, _ in samples if name == "swarm_drift_host_unknown"]) == len(HOSTS)


def test_secrets_and_configs_have_an_age_versions_and_users() -> None:
    of = {"kind": "secret", "name": "db"}
    told = [
        {**of, "version": 3, "versions": 2, "users": 4, "age_days": 10.25},
        {"kind": "config", "name": "db", "version": 0, "versions": 0, "users": 0, "age_days": None},
        "nonsense",
    ]
    samples = parsed(reported(run_of([*all_looked(), measure("secrets and configs", told)])))

    def said(metric: str, kind: str = "secret") -> float | None:
        return samples.get((metric, frozenset({"cluster": "home", **of, "kind": kind}.items())))

    assert said("swarm_secret_age_days") == 10.25
    assert said("swarm_secret_versions") == 2
    assert said("swarm_secret_users") == 4
    assert said("swarm_secret_age_days", "config") is None
    assert said("swarm_secret_users", "config") == 0
