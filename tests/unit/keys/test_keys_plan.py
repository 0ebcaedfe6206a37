"""Join tokens, the root CA, certificates and autolock: what is done, what is refused and why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.engine.unlock_key import fingerprint, is_key
from pyinfra_swarm.keys.attach import plan_attachment
from pyinfra_swarm.keys.autolock import needs_fingerprint, plan_autolock
from pyinfra_swarm.keys.certificates import (
    as_setting,
    has_expired,
    plan_certificates,
)
from pyinfra_swarm.keys.join_tokens import plan_tokens
from pyinfra_swarm.keys.root_ca import plan_ca_rotation
from pyinfra_swarm.keys.unlock import key_missing, plan_unlock
from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.keys.unlock_key_rotation import plan_key_rotation
from pyinfra_swarm.nodes.membership import Membership, Observed, SwarmSpec
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.swarm.plan import plan_swarm
from tests.builders import FRESH, declared, nodes_of, swarm, the

NOW = 1_800_000_000.0
DAY = 86400
TERMS = SwarmSpec(90 * DAY, autolock=False, issuer="new", root_expires=NOW + 7000 * DAY)
PATH = "/home/me/unlock-key"
FILE = KeyFile(PATH, fingerprint="aaaa")
NO_FILE_YET = KeyFile(PATH)
UNMOUNTED = KeyFile(PATH, problem="its folder /media/stick is not there")


def cluster_of(
    settings: Settings, spec: SwarmSpec = TERMS, old: tuple[str, ...] = (), **differing: Any
) -> dict[str, Membership | None]:
    """A converged cluster on these terms. old: who has a certificate of the old root;
    differing: of a node, by its name."""
    nodes = [
        replace(
            node,
            issuer="old" if node.hostname in old else "new",
            **differing.get(node.hostname, {}),
        )
        for node in nodes_of(settings)
    ]
    return {
        name: replace(
            said,
            spec=spec if said.controls else None,
            in_ingress=True,
            certificate_issued=NOW - 10 * DAY,
            certificate_expires=NOW + 80 * DAY,
            certificate_role="manager" if said.manager else "worker",
        )
        for name, said in swarm(nodes).items()
        if said is not None
    }


def of(observed: Observed, name: str, **differing: Any) -> dict[str, Membership | None]:
    """The same, but for one host."""
    own = observed[name]
    assert own is not None
    return {**observed, name: replace(own, **differing)}


SETTINGS = declared()
RK1, RK2, RK3, RK4 = SETTINGS.hosts
CONVERGED = cluster_of(SETTINGS)
LOCKING = declared(swarm={"autolock": True, "unlock_key_file": PATH})
OFF = declared(swarm={"autolock": False, "unlock_key_file": PATH})
AUTOLOCKED = cluster_of(SETTINGS, replace(TERMS, autolock=True))
ROTATING = replace(TERMS, rotating=True)
DOWN = {"state": "down"}
GONE = {"state": "down", "reachability": "unreachable"}
LOCKED = Membership("running", "rk2", "locked", error="Swarm is encrypted")
NO_MANAGER = dict.fromkeys(CONVERGED, FRESH)


# Join tokens
# -----------


def test_the_acting_manager_replaces_both_tokens_and_says_what_that_means() -> None:
    sentence = the(Change, plan_tokens(SETTINGS, CONVERGED, RK1))
    assert "the old ones let nobody in any more; nodes that have joined stay" in sentence
    assert [plan_tokens(SETTINGS, CONVERGED, host) for host in (RK2, RK3, RK4)] == [[]] * 3


@pytest.mark.parametrize("plan", [plan_tokens, plan_ca_rotation])
def test_nothing_is_replaced_where_no_manager_answers(plan: Any) -> None:
    for host in SETTINGS.hosts:
        sentence = the(Refusal, plan(SETTINGS, NO_MANAGER, host))
        assert "no declared manager answers for one" in sentence


# The root CA
# -----------


def test_the_root_is_replaced_in_the_acting_managers_name() -> None:
    sentence = the(Change, plan_ca_rotation(SETTINGS, CONVERGED, RK1))
    assert "both join tokens change" in sentence
    assert plan_ca_rotation(SETTINGS, CONVERGED, RK4) == []


@pytest.mark.parametrize(
    ("differing", "words"),
    [
        ({"rk4": DOWN}, "is not replaced while rk4 is down"),
        ({"rk3": GONE, "rk4": DOWN}, "is not replaced while rk3 and rk4 are down"),
        ({"rk2": {"reachability": "unreachable"}}, "is not replaced while rk2 is down"),
    ],
)
def test_the_root_is_not_replaced_while_a_node_is_down(
    differing: dict[str, Any], words: str
) -> None:
    observed = cluster_of(SETTINGS, **differing)
    for host in SETTINGS.hosts:
        sentence = the(Refusal, plan_ca_rotation(SETTINGS, observed, host))
        assert words in sentence
        assert "a node that was taken out has to join again" in sentence


def test_a_rotation_under_way_is_awaited_and_not_begun_anew() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk3", "rk4"))
    sentence = the(Change, plan_ca_rotation(SETTINGS, observed, RK1, awaited=True))
    assert "is being replaced already; the end is awaited" in sentence
    assert "2 of 4 nodes have a new certificate" in sentence
    assert plan_ca_rotation(SETTINGS, observed, RK2, awaited=True) == []


def test_a_rotation_that_ends_while_it_is_awaited_leaves_nothing_to_do() -> None:
    assert plan_ca_rotation(SETTINGS, CONVERGED, RK1, awaited=True) == []


def test_a_rotation_that_cannot_end_is_said_at_once() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk4",), rk4=DOWN)
    sentence = the(Refusal, plan_ca_rotation(SETTINGS, observed, RK1))
    assert "cannot end before rk4 has a certificate of the new one: is down" in sentence


def test_a_node_that_went_down_with_its_new_certificate_holds_up_nothing() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk3",), rk4=DOWN)
    assert "is awaited" in the(Change, plan_ca_rotation(SETTINGS, observed, RK1))


# How long certificates are valid
# -------------------------------


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
    sentence = the(Refusal, plan_swarm(SETTINGS, observed, RK4))
    assert "its engine is no node of it any more" in sentence
    assert "`docker swarm leave --force` on it, then run the site" in sentence
    assert certificates(observed, "rk4") == []


def test_managers_that_all_stopped_over_it_are_not_told_to_leave() -> None:
    observed = {**CONVERGED} | {
        name: stopped_over_it(name, "manager") for name in ("rk1", "rk2", "rk3")
    }
    for host in (RK1, RK2, RK3):
        sentence = the(Refusal, plan_swarm(SETTINGS, observed, host))
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


def test_two_nodes_that_hold_it_up_are_named() -> None:
    observed = cluster_of(SETTINGS, ROTATING, old=("rk3", "rk4"), rk3=GONE, rk4=DOWN)
    sentence = the(Refusal, plan_ca_rotation(SETTINGS, observed, RK1))
    assert "before rk3 and rk4 have a certificate of the new one: are down" in sentence
    untold = of(CONVERGED, "rk1", spec=None)
    assert "no declared manager" in the(Refusal, plan_ca_rotation(SETTINGS, untold, RK1))


def test_lengths_of_time_are_written_as_the_settings_have_them() -> None:
    assert [as_setting(seconds) for seconds in (3600, 5400, 90 * DAY, 129600, 0)] == [
        *("1h", "1h30m", "90d", "1d12h", "0s")
    ]


# Autolock
# --------


def autolock(
    settings: Settings,
    observed: Observed,
    file: KeyFile | None,
    known: str = "",
    name: str = "rk1",
) -> list[Finding]:
    return plan_autolock(settings, observed, settings.host(name), file, known)


def test_without_a_declaration_autolock_is_not_ours() -> None:
    assert autolock(SETTINGS, CONVERGED, None) == []
    sentence = the(Notice, autolock(SETTINGS, AUTOLOCKED, None))
    assert "is on, set by hand" in sentence
    assert "swarm.unlock_key_file" in sentence


def test_it_is_turned_on_by_the_acting_manager_alone() -> None:
    sentence = the(Change, autolock(LOCKING, CONVERGED, NO_FILE_YET))
    assert f"(off → on, the unlock key kept in {PATH})" in sentence
    assert autolock(LOCKING, CONVERGED, NO_FILE_YET, name="rk2") == []


def test_of_a_swarm_to_come_it_is_planned_too() -> None:
    fresh = dict.fromkeys(CONVERGED, FRESH)
    assert "kept in" in the(Change, autolock(LOCKING, fresh, NO_FILE_YET))
    assert "is not there" in the(Refusal, autolock(LOCKING, fresh, UNMOUNTED))
    assert autolock(LOCKING, fresh, NO_FILE_YET, name="rk2") == []
    assert autolock(SETTINGS, fresh, None) == []


@pytest.mark.parametrize(("observed", "on"), [(CONVERGED, False), (AUTOLOCKED, True)])
def test_a_key_without_a_place_is_refused(observed: Observed, on: bool) -> None:
    sentence = the(Refusal, autolock(LOCKING, observed, UNMOUNTED))
    assert f"cannot be kept in {PATH}: its folder /media/stick is not there" in sentence
    assert ("needed after the next reboot" in sentence) is on
    assert "mount what it is on" in sentence


def test_with_the_key_in_its_file_there_is_nothing_to_do() -> None:
    assert autolock(LOCKING, AUTOLOCKED, FILE, "aaaa") == []


def test_a_lost_key_is_fetched_and_another_one_kept() -> None:
    assert "is not in its file" in the(Change, autolock(LOCKING, AUTOLOCKED, NO_FILE_YET, "aaaa"))
    sentence = the(Change, autolock(LOCKING, AUTOLOCKED, FILE, "bbbb"))
    assert f"the other is kept in {PATH}.old" in sentence


def test_a_file_that_others_can_read_is_closed() -> None:
    sentence = the(Change, autolock(LOCKING, AUTOLOCKED, replace(FILE, mode=0o640), "aaaa"))
    assert "(0640 → 0600)" in sentence


def test_it_is_turned_off_where_a_file_is_declared() -> None:
    sentence = the(Change, autolock(OFF, AUTOLOCKED, FILE))
    assert f"{PATH} stays" in sentence
    assert autolock(OFF, CONVERGED, FILE) == []


def test_the_fingerprint_is_asked_only_of_the_acting_manager_and_only_where_it_matters() -> None:
    asked = [needs_fingerprint(LOCKING, AUTOLOCKED, host) for host in LOCKING.hosts]
    assert asked == [True, False, False, False]
    assert not needs_fingerprint(LOCKING, CONVERGED, RK1)
    assert not needs_fingerprint(SETTINGS, AUTOLOCKED, RK1)


def test_where_no_manager_answers_no_key_is_asked_for() -> None:
    assert not needs_fingerprint(LOCKING, NO_MANAGER, LOCKING.hosts[0])
    silent = cluster_of(SETTINGS)
    untold = of(silent, "rk1", spec=None)
    assert not needs_fingerprint(LOCKING, untold, RK1)
    assert autolock(LOCKING, untold, NO_FILE_YET) == []


def test_a_swarm_to_come_is_locked_only_where_it_is_declared_with_a_file() -> None:
    assert autolock(OFF, NO_MANAGER, NO_FILE_YET) == []
    assert autolock(LOCKING, NO_MANAGER, None) == []
    assert "off → on" in the(Change, autolock(LOCKING, NO_MANAGER, NO_FILE_YET))
    refused = the(Refusal, autolock(LOCKING, NO_MANAGER, UNMOUNTED))
    assert "needed after the next reboot" not in refused


def test_it_is_told_by_the_first_manager_that_could_found_the_swarm() -> None:
    for first in (None, Membership("stopped")):
        observed: Observed = {**NO_MANAGER, "rk1": first}
        assert autolock(LOCKING, observed, NO_FILE_YET) == []
        assert autolock(LOCKING, observed, NO_FILE_YET, name="rk2")
    nobody: Observed = dict.fromkeys(NO_MANAGER, None)
    assert autolock(LOCKING, nobody, NO_FILE_YET) == []


def test_a_key_that_was_not_asked_for_is_not_judged() -> None:
    for file in (NO_FILE_YET, FILE):
        assert autolock(LOCKING, AUTOLOCKED, file, "") == []


# Unlocking
# ---------


ONE_LOCKED: Observed = {**AUTOLOCKED, "rk2": LOCKED}
ALL_LOCKED: Observed = {
    **AUTOLOCKED,
    **{name: replace(LOCKED, hostname=name) for name in ("rk1", "rk2", "rk3")},
}


def test_only_a_locked_manager_is_unlocked() -> None:
    sentence = the(Change, plan_unlock(LOCKING, ONE_LOCKED, RK2, FILE))
    assert f"unlocked with the key in {PATH}" in sentence
    assert [plan_unlock(LOCKING, ONE_LOCKED, host, FILE) for host in (RK1, RK3, RK4)] == [[]] * 3


def test_a_worker_that_says_it_is_locked_is_not_given_the_key() -> None:
    lying: Observed = {**AUTOLOCKED, "rk4": replace(LOCKED, hostname="rk4")}
    sentence = the(Refusal, plan_unlock(LOCKING, lying, RK4, FILE))
    assert "it does not get the unlock key" in sentence
    alone: Observed = {**ALL_LOCKED, "rk4": replace(LOCKED, hostname="rk4")}
    assert "does not get the unlock key" in the(Refusal, plan_unlock(LOCKING, alone, RK4, FILE))


def test_one_that_is_still_a_manager_and_not_declared_so_any_more_is_unlocked() -> None:
    demoted = LOCKING.model_copy(
        update={
            "hosts": tuple(
                host.model_copy(update={"role": "worker"}) if host.name == "rk2" else host
                for host in LOCKING.hosts
            )
        }
    )
    host = demoted.host("rk2")
    assert not host.is_manager
    assert "unlocked with" in the(Change, plan_unlock(demoted, ONE_LOCKED, host, FILE))


def test_a_key_of_earlier_times_is_worth_a_try() -> None:
    file = KeyFile(PATH, earlier=1)
    assert "unlocked with" in the(Change, plan_unlock(LOCKING, ONE_LOCKED, RK2, file))


def test_without_a_key_it_says_where_there_is_one() -> None:
    sentence = the(Refusal, plan_unlock(LOCKING, ONE_LOCKED, RK2, NO_FILE_YET))
    assert "there is no such file" in sentence
    assert "rk1 is not locked, and has the key" in sentence
    sentence = the(Refusal, plan_unlock(LOCKING, ALL_LOCKED, RK2, UNMOUNTED))
    assert "is not there" in sentence
    assert "only a backup brings the swarm back" in sentence
    sentence = the(Refusal, plan_unlock(SETTINGS, ONE_LOCKED, RK2, None))
    assert "no file with the unlock key is declared" in sentence
    assert "--data key_file=PATH" in sentence


def test_the_site_names_the_deploy_that_unlocks() -> None:
    assert "deploys/unlock.py" in the(Refusal, plan_swarm(LOCKING, ONE_LOCKED, RK2))
    assert plan_swarm(LOCKING, ONE_LOCKED, RK1) == []
    sentence = the(Refusal, plan_swarm(LOCKING, ALL_LOCKED, RK4))
    assert "rk1, rk2 and rk3 are locked" in sentence
    assert "deploys/unlock.py" in sentence


CUT_OFF = of(AUTOLOCKED, "rk2", in_ingress=False)


def test_an_unlocked_manager_without_networks_is_started_once_more() -> None:
    sentence = the(Change, plan_attachment(LOCKING, CUT_OFF, RK2, FILE))
    assert "do not work on this manager since it was unlocked" in sentence
    assert plan_attachment(LOCKING, CUT_OFF, RK1, FILE) == []
    assert plan_attachment(LOCKING, CUT_OFF, RK4, FILE) == []
    assert plan_attachment(LOCKING, AUTOLOCKED, RK2, FILE) == []


def test_a_silent_host_is_neither_unlocked_nor_connected() -> None:
    silent: Observed = {**AUTOLOCKED, "rk2": None}
    assert plan_unlock(LOCKING, silent, RK2, FILE) == []
    assert plan_attachment(LOCKING, silent, RK2, FILE) == []


def test_a_file_that_cannot_be_used_unlocks_nothing_whatever_it_once_held() -> None:
    for file in (
        replace(FILE, problem="it is not a plain file"),
        KeyFile(PATH, problem="x", earlier=2),
    ):
        the(Refusal, plan_unlock(LOCKING, ONE_LOCKED, RK2, file))
        the(Refusal, plan_attachment(LOCKING, CUT_OFF, RK2, file))
    the(Refusal, plan_attachment(LOCKING, CUT_OFF, RK2, None))


def test_nothing_is_connected_where_no_manager_says_how_the_swarm_is() -> None:
    alone = dict.fromkeys(AUTOLOCKED, FRESH)
    own = CUT_OFF["rk2"]
    assert (
        plan_attachment(LOCKING, {**alone, "rk2": own and replace(own, nodes=None)}, RK2, FILE)
        == []
    )
    untold = of(CUT_OFF, "rk1", spec=None)
    assert plan_attachment(LOCKING, untold, RK2, FILE) == []
    without = {
        name: replace(m, overlays=()) if m and m.controls else m for name, m in CUT_OFF.items()
    }
    assert plan_attachment(LOCKING, without, RK2, FILE) == []
    worker = of(AUTOLOCKED, "rk4", in_ingress=False)
    assert plan_attachment(LOCKING, worker, RK4, FILE) == []


def test_of_two_managers_neither_can_be_spared_so_none_is_asked_for() -> None:
    two = declared(2, 1, swarm={"autolock": True, "unlock_key_file": PATH})
    observed = of(cluster_of(two, replace(TERMS, autolock=True)), "rk2", in_ingress=False)
    the(Change, plan_attachment(two, observed, two.host("rk2"), FILE))


def test_without_autolock_that_has_another_cause() -> None:
    assert plan_attachment(LOCKING, of(CONVERGED, "rk2", in_ingress=False), RK2, FILE) == []


def test_it_is_not_restarted_below_quorum_nor_without_a_key() -> None:
    spec = replace(TERMS, autolock=True)
    observed = of(cluster_of(SETTINGS, spec, rk3=GONE), "rk2", in_ingress=False)
    sentence = the(Refusal, plan_attachment(LOCKING, observed, RK2, FILE))
    assert "of 3 managers 2 must stay reachable, and without this one only 1 would be" in sentence
    sentence = the(Refusal, plan_attachment(LOCKING, CUT_OFF, RK2, NO_FILE_YET))
    assert "it would be locked again" in sentence


# Another unlock key
# ------------------


def rotation(observed: Observed, file: KeyFile | None, known: str = "aaaa") -> list[Finding]:
    return plan_key_rotation(LOCKING, observed, RK1, file, known)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (None, "no file that keeps the unlock key is declared"),
        (NO_FILE_YET, "there is no unlock key in /home/me/unlock-key"),
        (UNMOUNTED, "its folder /media/stick is not there"),
        (FILE, "holds another key than the swarm has"),
    ],
)
def test_no_engine_is_restarted_that_could_not_be_unlocked(
    file: KeyFile | None, words: str
) -> None:
    own = AUTOLOCKED["rk1"]
    assert own is not None
    refusal = key_missing(own, file, "bbbb")
    assert refusal is not None
    assert words in refusal.sentence()
    assert "deploys/swarm.py` fetches the key" in refusal.sentence()


def test_an_engine_may_be_restarted_whose_key_is_at_hand_or_that_is_not_locked_by_it() -> None:
    for observed, file in (
        (AUTOLOCKED, FILE),
        (CONVERGED, None),
        (of(AUTOLOCKED, "rk1", spec=None), None),
    ):
        own = observed["rk1"]
        assert own is not None
        assert key_missing(own, file, "aaaa") is None


def test_the_unlock_key_is_replaced_and_the_old_one_kept() -> None:
    sentence = the(Change, rotation(AUTOLOCKED, FILE))
    assert f"the old one in {PATH}.old" in sentence
    assert plan_key_rotation(LOCKING, AUTOLOCKED, RK2, FILE, "") == []


@pytest.mark.parametrize("missing", [{"state": "down"}, {"reachability": "unreachable"}])
def test_a_manager_that_is_missing_in_any_way_holds_up_a_new_key(missing: dict[str, str]) -> None:
    observed = cluster_of(SETTINGS, replace(TERMS, autolock=True), rk3=missing)
    assert "while rk3 cannot be reached" in the(Refusal, rotation(observed, FILE))
    workers = cluster_of(SETTINGS, replace(TERMS, autolock=True), rk4=DOWN)
    the(Change, rotation(workers, FILE))


def test_a_key_that_was_not_asked_for_does_not_hold_up_a_new_one() -> None:
    the(Change, rotation(AUTOLOCKED, FILE, ""))
    untold = of(AUTOLOCKED, "rk1", spec=None)
    assert "no declared manager" in the(Refusal, rotation(untold, FILE))


def test_a_rotation_that_was_interrupted_is_finished_first() -> None:
    change, notice = rotation(AUTOLOCKED, FILE, "bbbb")
    assert isinstance(change, Change)
    assert isinstance(notice, Notice)
    assert "is not replaced now" in notice.sentence()


@pytest.mark.parametrize(
    ("observed", "file", "words"),
    [
        (NO_MANAGER, FILE, "no declared manager answers for one"),
        (CONVERGED, FILE, "autolock is off, so there is none"),
        (AUTOLOCKED, None, "no file is declared to keep it in"),
        (AUTOLOCKED, UNMOUNTED, "its folder /media/stick is not there"),
        (
            cluster_of(SETTINGS, replace(TERMS, autolock=True), rk3=GONE),
            FILE,
            "is not replaced while rk3 cannot be reached",
        ),
    ],
)
def test_the_unlock_key_is_not_replaced(
    observed: Observed, file: KeyFile | None, words: str
) -> None:
    assert words in the(Refusal, rotation(observed, file))


# The key itself
# --------------


def test_a_key_is_told_from_other_texts_and_named_without_being_given_away() -> None:
    key = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8"  # of Docker's documentation
    assert is_key(key)
    assert not any(map(is_key, ("", "SWMKEY-1-", key + "\n", f" {key}", "SWMTKN-1-" + key[9:])))
    assert len(fingerprint(key)) == 16
    assert fingerprint(key) != fingerprint(key[:-1] + "9")
    assert key[9:15] not in fingerprint(key)
