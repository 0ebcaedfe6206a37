"""Where a backup comes from that is restored, and what is asked for it."""

from __future__ import annotations

from dataclasses import replace

from pyinfra_swarm.backup.force_new_cluster import (
    Attach,
    PutStateBack,
    RestoreAvailability,
    cleared,
    forced,
    lost_manager,
    what_is_lost,
)
from pyinfra_swarm.backup.origin import asked_before_restore, plan_origin
from pyinfra_swarm.run.findings import Notice
from tests.unit.backup.records import NOW, said, written
from tests.unit.backup.test_archive import ABOUT


def test_a_backup_of_this_computer_needs_no_words() -> None:
    entry = written()
    assert plan_origin(entry.file, entry, ABOUT, [entry]) == []


def test_a_backup_of_unknown_origin_is_reported_with_what_it_says_of_itself() -> None:
    text = said(plan_origin("home-rk1-20990101T000000Z.tar.age", None, ABOUT, [written()]))
    assert "this computer did not write home-rk1-20990101T000000Z.tar.age" in text
    assert (
        f"swarm {ABOUT.cluster}, made on rk2 at 192.168.1.12 on 2026-11-25 03:15 UTC, Docker 28.5.2"
    ) in text
    assert "Nothing proves that" in text


def test_an_old_backup_under_a_new_name_is_reported_and_that_there_was_a_newer_one() -> None:
    old, new = written(), written(NOW + 60)
    text = said(plan_origin(new.file, old, ABOUT, [old, new]))
    assert f"{new.file} is what this computer wrote as {old.file}" in text
    assert f"has written a newer one of the same swarm: {new.file}, of 2026-11-25 03:16" in text
    newest = written(NOW + 90, sha256="0" * 64)
    text = said(plan_origin(old.file, old, ABOUT, [newest, new, old]))
    assert f"a newer one of the same swarm: {newest.file}" in text
    other = replace(new, cluster="another" + "a" * 18)
    assert plan_origin(old.file, old, ABOUT, [old, other]) == []


PUT_BACK = [PutStateBack("the swarm's state", "is put back")]


def test_a_backup_of_this_computer_is_confirmed_by_its_hosts_name() -> None:
    word, consequence = asked_before_restore(ABOUT, "rk2", PUT_BACK, recorded=True)
    assert word == "rk2"
    assert consequence.startswith("the swarm of 2026-11-25 03:15 UTC continues from rk2")


def test_one_of_unknown_origin_by_the_swarms_id_and_it_says_what_is_unknown() -> None:
    word, consequence = asked_before_restore(ABOUT, "rk2", PUT_BACK, recorded=False)
    assert word == ABOUT.cluster
    assert "this computer did not write this file, and nothing proves" in consequence
    assert "made on rk2 at 192.168.1.12 on 2026-11-25 03:15 UTC, Docker 28.5.2" in consequence
    assert "what has changed since is lost" in consequence


def test_a_host_that_keeps_its_own_state_is_not_said_to_get_the_backups() -> None:
    steps = [forced("rk2"), *cleared([lost_manager("n1", "rk1", "192.168.1.11")], "n2")]
    word, consequence = asked_before_restore(ABOUT, "rk2", steps, recorded=True)
    assert word == "rk2"
    [_, entry] = steps
    takes = RestoreAvailability("node rk2", "is drained", availability="active")
    forgets = "the swarm forgets rk1, which must never come back with an old state"
    drained = "rk2 takes tasks again. If you drained it yourself, "
    for rest, words in (
        ([entry], forgets),
        (
            [takes, Notice("the backup", "is older")],
            f"{drained}type another word: the restore is complete, and rk2 stays drained",
        ),
        ([entry, takes], f"{forgets}. {drained}drain it again afterwards"),
        ([Attach("overlay networks", "are gone"), takes], f"{drained}drain it again afterwards"),
    ):
        assert asked_before_restore(ABOUT, "rk2", rest, recorded=True)[1] == words
    assert consequence == (
        "rk2 already holds this swarm's state (its own, or what an interrupted restore has put "
        "back), and keeps it: this run puts nothing back. To have the backup instead, type another "
        "word, run `docker swarm leave --force` on rk2, then the same command again. rk2 becomes "
        "the only manager: changes that only the other managers knew are lost; rk1 must never come "
        "back with its old state"
    )


def test_it_is_said_who_must_not_come_back_after_a_new_cluster_was_forced() -> None:
    entries = cleared([lost_manager(f"n{n}", f"rk{n}", f"192.168.1.1{n}") for n in (1, 3)], "n2")
    begin = "rk2 becomes the only manager: changes that only the other managers knew are lost; "
    assert what_is_lost(entries, "rk2") == (
        f"{begin}rk1 and rk3 must never come back with their old state"
    )
    assert what_is_lost([], "rk2") == (
        f"{begin}the other managers must never come back with their old state"
    )
