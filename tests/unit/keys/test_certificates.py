"""Certificates: how long they are valid, and which were not renewed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.keys.certificates import (
    as_setting,
    has_expired,
    plan_certificates,
)
from pyinfra_swarm.nodes.membership import Membership, Observed
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.swarm.init import plan_init
from tests.builders import FRESH, the
from tests.unit.keys.clusters import (
    CONVERGED,
    DAY,
    NO_MANAGER,
    NOW,
    RK1,
    RK2,
    RK3,
    RK4,
    ROTATING,
    SETTINGS,
    TERMS,
    cluster_of,
    of,
)


def certificates(observed: Observed, name: str = "rk1", now: float = NOW) -> list[Finding]:
    return plan_certificates(SETTINGS, observed, SETTINGS.host(name), now=now)


def test_certificates_as_declared_and_renewed_are_no_finding() -> None:
    assert [certificates(CONVERGED, host.name) for host in SETTINGS.hosts] == [[]] * 4


def test_another_validity_is_a_change_of_the_acting_managers() -> None:
    observed = cluster_of(SETTINGS, replace(TERMS, certificate_expiry=5400))
    sentence = the(Change, certificates(observed))
    assert "(1h30m → 90d)" in sentence
    assert "gets it when it is renewed" in sentence
    assert certificates(observed, "rk2") == []


@pytest.mark.parametrize(("used", "overdue"), [(0.5, False), (0.79, False), (0.85, True)])
@pytest.mark.parametrize("name", ["rk1", "rk4"])
def test_a_certificate_that_swarm_should_have_renewed_is_reported(
    used: float, overdue: bool, name: str
) -> None:
    issued = NOW - used * 90 * DAY
    observed = of(CONVERGED, name, certificate_issued=issued, certificate_expires=issued + 90 * DAY)
    found = certificates(observed, name)
    assert bool(found) is overdue
    if overdue:
        sentence = the(Notice, found)
        assert "found 14 days left of 90 days" in sentence
        assert "one host at a time" in sentence


def test_the_shortest_certificates_are_given_time_for_their_renewal() -> None:
    issued = NOW - 97 * 60  # of 120 minutes: swarm renews until the 96th
    observed = of(CONVERGED, "rk4", certificate_issued=issued, certificate_expires=issued + 7200)
    assert certificates(observed, "rk4") == []


@pytest.mark.parametrize(
    ("name", "words"),
    [("rk4", "`docker swarm leave --force` on it, then"), ("rk2", "do not make it leave")],
)
def test_an_expired_certificate_of_a_running_engine(name: str, words: str) -> None:
    observed = of(CONVERGED, name, certificate_expires=NOW - 9 * DAY)
    sentence = the(Notice, certificates(observed, name))
    assert "Do not restart it" in sentence
    assert "ended 9 days ago" in sentence
    assert words in sentence


def stopped_over_it(name: str, role: str) -> Membership:
    error = (
        "error while loading TLS certificate in /var/lib/docker/swarm/certificates/swarm-node.crt: "
        "certificate (1 - de2lnp6qeytgprbyb1xkypjat) not valid after Sun, 15 Nov 2026 16:04:42 "
        "UTC, and it is currently Tue, 24 Nov 2026 16:04:45 UTC: x509: certificate has expired or "
        "is not yet valid: "
    )
    return Membership("running", name, "error", error=error, certificate_role=role)


def test_a_worker_whose_engine_stopped_over_it_is_told_how_to_come_back() -> None:
    observed = {**CONVERGED, "rk4": stopped_over_it("rk4", "worker")}
    sentence = the(Refusal, plan_init(SETTINGS, observed, RK4))
    assert "its engine is no longer a node of it" in sentence
    assert "`docker swarm leave --force` on it, then run the site" in sentence
    assert certificates(observed, "rk4") == []


def test_managers_that_all_stopped_over_it_are_not_told_to_leave() -> None:
    observed = {**CONVERGED} | {
        name: stopped_over_it(name, "manager") for name in ("rk1", "rk2", "rk3")
    }
    for host in (RK1, RK2, RK3):
        sentence = the(Refusal, plan_init(SETTINGS, observed, host))
        assert "If none does, do not make it leave: docs/swarm-keys.md" in sentence


def test_a_root_that_ends_within_a_year_is_reported() -> None:
    observed = cluster_of(SETTINGS, replace(TERMS, root_expires=NOW + 100 * DAY))
    sentence = the(Notice, certificates(observed))
    assert "100 days left" in sentence
    assert "deploys/rotate_ca.py" in sentence
    assert certificates(observed, "rk2") == []


def test_a_rotation_left_open_is_reported() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk4",))
    sentence = the(Notice, certificates(observed))
    assert "the old and the new one are trusted; it waits for rk4" in sentence


def test_where_nothing_is_known_no_certificate_is_judged() -> None:
    assert certificates({**CONVERGED, "rk4": None}, "rk4") == []
    assert certificates({**CONVERGED, "rk4": FRESH}, "rk4") == []
    late = of(CONVERGED, "rk4", certificate_issued=NOW - 300 * DAY, certificate_expires=NOW - DAY)
    assert certificates(late, "rk4")
    for unknown in (
        {"certificate_issued": None},
        {"certificate_expires": None},
        {"state": "inactive"},
    ):
        assert certificates(of(late, "rk4", **unknown), "rk4") == []
    assert certificates(of(late, "rk4", state="error", error="x"), "rk4") == []
    assert certificates(NO_MANAGER) == []


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (0, "has expired"),
        (1, "should have been renewed"),
        (18 * DAY - 301, "should have"),
        (18 * DAY - 300, ""),
    ],
)
def test_a_certificate_is_due_after_four_fifths_and_five_minutes(left: int, words: str) -> None:
    issued = NOW + left - 90 * DAY
    observed = of(CONVERGED, "rk4", certificate_issued=issued, certificate_expires=NOW + left)
    found = certificates(observed, "rk4")
    assert words in found[0].reason if words else not found


@pytest.mark.parametrize(
    ("left", "words"),
    [(364, "364 days left"), (1, "24 hours left"), (2, "2 days left"), (1 / 24, "60 minutes left")],
)
def test_a_root_is_worth_a_word_for_a_year(left: float, words: str) -> None:
    observed = cluster_of(SETTINGS, replace(TERMS, root_expires=NOW + left * DAY))
    assert f"found {words}" in the(Notice, certificates(observed))
    for more in (NOW + 365 * DAY, None):
        assert certificates(cluster_of(SETTINGS, replace(TERMS, root_expires=more))) == []


def test_a_rotation_that_waits_for_nobody_names_nobody() -> None:
    sentence = the(Notice, certificates(cluster_of(SETTINGS, ROTATING)))
    assert "the old and the new one are trusted (found 4 of 4" in sentence


def test_an_error_is_no_expired_certificate_and_its_words_are_no_error() -> None:
    over_it = stopped_over_it("rk4", "worker")
    assert has_expired(over_it)
    assert not has_expired(replace(over_it, state="active"))
    assert not has_expired(replace(over_it, error="no space left on device"))


def test_lengths_of_time_are_written_as_the_settings_have_them() -> None:
    assert [as_setting(seconds) for seconds in (3600, 5400, 90 * DAY, 129600, 0)] == [
        *("1h", "1h30m", "90d", "1d12h", "0s")
    ]
