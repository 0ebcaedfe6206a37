"""Locked managers: which get the key, and which engines may be restarted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.keys.attach import plan_attachment
from pyinfra_swarm.keys.unlock import key_missing, plan_unlock
from pyinfra_swarm.keys.unlock_key import KeyFile
from pyinfra_swarm.nodes.membership import Observed
from pyinfra_swarm.run.findings import Change, Refusal
from pyinfra_swarm.swarm.init import plan_init
from tests.builders import the
from tests.unit.keys.clusters import (
    AUTOLOCKED,
    CUT_OFF,
    FILE,
    LOCKED,
    LOCKING,
    NO_FILE_YET,
    PATH,
    RK1,
    RK2,
    RK3,
    RK4,
    SETTINGS,
    UNMOUNTED,
)

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
    assert "deploys/unlock.py" in the(Refusal, plan_init(LOCKING, ONE_LOCKED, RK2))
    assert plan_init(LOCKING, ONE_LOCKED, RK1) == []
    sentence = the(Refusal, plan_init(LOCKING, ALL_LOCKED, RK4))
    assert "rk1, rk2 and rk3 are locked" in sentence
    assert "deploys/unlock.py" in sentence


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
    refusal = key_missing(file, "bbbb")
    assert refusal is not None
    assert words in refusal.sentence()
    assert "deploys/swarm.py` fetches the key" in refusal.sentence()


def test_an_engine_may_be_restarted_whose_key_is_at_hand() -> None:
    assert key_missing(FILE, "aaaa") is None


def test_without_a_leader_that_tells_the_key_the_one_in_the_file_is_taken_for_it() -> None:
    assert key_missing(FILE, None) is None
    for file in (None, NO_FILE_YET, UNMOUNTED):
        assert key_missing(file, None)
