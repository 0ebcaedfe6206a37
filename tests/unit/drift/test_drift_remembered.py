"""What a history holds, part by part, and what the file says that it is kept in."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.drift.history import (
    DAYS,
    History,
    News,
    Unreadable,
    from_json,
    learn,
    load,
    remember,
    remembered,
    to_json,
)
from pyinfra_swarm.drift.report import Difference, HostReport, Report, State, stamp
from pyinfra_swarm.run.plain_file import write
from tests.unit.drift.drift_examples import AT, busy

SITE, SSH = "deploys/site.py", "deploys/ssh.py"
NOW, BEFORE = stamp(AT), stamp(AT - timedelta(hours=1))


def differs(host: str = "rk1", what: str = "sshd", part: str = "ssh", **more: Any) -> Difference:
    return Difference(host, part, "change", what, "is not as declared", **more)


def checked(*hosts: HostReport, deploy: str = SITE, **more: Any) -> Report:
    return Report("home", AT, hosts, deploy=deploy, **more)


WHOLE = HostReport("rk1", parts=("ssh",))


@pytest.mark.parametrize(
    "news",
    [
        News(new=(differs(),)),
        News(fixed=(differs(),)),
        News(lost=(WHOLE,)),
        News(back=(WHOLE,)),
        News(stuck=True),
        News(measured=NOW),
    ],
)
def test_any_of_them_is_news(news: News) -> None:
    assert news
    assert not News()


def test_a_memory_of_nothing_has_no_name() -> None:
    assert (History().cluster, History().hours, DAYS) == ("", {}, 14)


# Runs in progress
# ----------------


def test_each_thing_that_was_asked_for_has_its_own_run_in_the_way() -> None:
    history = History(cluster="named-before")
    asked: list[dict[str, Any]] = [{}, {"deploy": SSH}, {"limit": ("rk1", "rk2")}]
    for more in asked:
        history, _, _ = learn(history, busy(**more))
    assert history.cluster == "named-before"
    names = (SITE, SSH, f"{SITE} rk1 rk2")
    assert history.busy == dict.fromkeys(names, (NOW, False))
    assert learn(History(), busy())[0].cluster == "home"
    # Each ends by itself, or with a check of the whole.
    for report, left in (
        (checked(WHOLE), set[str]()),
        (checked(WHOLE, deploy=SSH), {names[0], names[2]}),
        (checked(WHOLE, limit=("rk1", "rk2")), {names[0], names[1]}),
        (checked(WHOLE, limit=("rk1",)), {*names}),
    ):
        assert set(learn(history, report)[0].busy) == left


def test_what_was_told_of_a_run_stays_told_when_another_has_just_begun() -> None:
    history = History(busy={SITE: (NOW, True)})
    history, report, news = learn(history, busy())
    assert not report.stuck
    assert not news
    assert history.busy == {SITE: (NOW, True)}


def test_since_when_nothing_was_measured_is_the_earliest_that_was_told() -> None:
    early = stamp(AT - timedelta(hours=9))
    history = History(busy={SITE: (BEFORE, True), SSH: (early, True), "x": ("", False)})
    assert learn(history, checked(WHOLE))[2].measured == early
    assert learn(History(busy={SITE: (early, False)}), checked(WHOLE))[2].measured == ""


# Hosts and differences
# ---------------------


def test_who_is_not_declared_any_longer_is_forgotten_in_every_part() -> None:
    hours: dict[str, dict[str, State]] = {"rk9": {NOW[:13]: "drifted"}}
    history = History(
        differences=(differs("rk9"),),
        states={"rk9": ("drifted", BEFORE)},
        lost={"rk9": (SITE,)},
        hours=hours,
        unsent=("a message",),
    )
    learnt, _, news = learn(history, checked(WHOLE))
    assert not news
    assert learnt == History(
        cluster="home",
        states={"rk1": ("in sync", NOW)},
        hours={"rk1": {NOW[:13]: "in sync"}},
        unsent=("a message",),
    )
    limited, _, _ = learn(history, checked(WHOLE, limit=("rk1",)))
    assert limited.differences == history.differences
    assert set(limited.states) == set(limited.hours) == {"rk1", "rk9"}
    assert limited.lost == history.lost


def test_the_hours_of_a_host_that_are_all_too_old_leave_nothing_of_it() -> None:
    old: dict[str, dict[str, State]] = {"rk9": {"2020-01-01T00": "drifted"}}
    learnt, _, _ = learn(History(hours=old), checked(WHOLE, limit=("rk1",)))
    assert set(learnt.hours) == {"rk1"}


@pytest.mark.parametrize(
    ("before", "now", "worst"),
    [
        ("in sync", "unknown", "unknown"),
        ("unknown", "in sync", "unknown"),
        ("unknown", "drifted", "drifted"),
        ("drifted", "unknown", "drifted"),
        ("drifted", "in sync", "drifted"),
    ],
)
def test_of_an_hours_states_the_worst_is_kept(before: State, now: State, worst: State) -> None:
    hosts = {
        "in sync": WHOLE,
        "unknown": HostReport("rk1", unknown="no answer"),
        "drifted": HostReport("rk1", differences=(differs(),)),
    }
    history, _, _ = learn(History(), checked(hosts[before]))
    assert learn(history, checked(hosts[now]))[0].hours["rk1"] == {NOW[:13]: worst}


def test_a_host_that_is_silent_is_so_whatever_is_remembered_of_it() -> None:
    silent = HostReport("rk1", unknown="no answer")
    history = History(differences=(differs(),), lost={"rk1": (SITE,)})
    assert learn(history, checked(silent))[0].states == {"rk1": ("unknown", NOW)}
    drifted = HostReport("rk1", differences=(differs(),), unknown="not all of it")
    assert learn(history, checked(drifted, deploy=SSH))[0].states == {"rk1": ("drifted", NOW)}


def test_the_deploys_that_have_lost_a_host_are_in_one_order() -> None:
    history = History()
    for deploy in ("d", "b", "e", "a", "c"):
        silent = HostReport("rk1", unknown="no answer")
        history, _, _ = learn(history, checked(silent, deploy=deploy))
    assert history.lost == {"rk1": ("a", "b", "c", "d", "e")}


@pytest.mark.parametrize(
    ("deploy", "hosts", "fixed"),
    [
        (SSH, [WHOLE], True),
        (SITE, [WHOLE], True),
        ("deploys/docker.py", [WHOLE], False),
        (SITE, [HostReport("rk1", unknown="no answer")], False),
        (SITE, [HostReport("rk1", unknown="no answer"), HostReport("rk2")], False),
        (SITE, [HostReport("rk2"), WHOLE], True),
    ],
)
def test_what_belongs_to_no_part_is_mended_where_its_host_was_looked_at_by_its_deploy(
    deploy: str, hosts: list[HostReport], fixed: bool
) -> None:
    one = differs(part="", mended_by=SSH)
    history = History(differences=(one,))
    learnt, _, news = learn(history, checked(*hosts, deploy=deploy))
    assert (news.fixed, learnt.differences) == (((one,), ()) if fixed else ((), (one,)))


def test_two_faults_of_one_name_are_one_piece_of_news() -> None:
    both = (differs(), differs(found="another"))
    found = HostReport("rk1", differences=(*both, differs(what="more")), parts=("ssh",))
    history, _, news = learn(History(), checked(found))
    assert [one.what for one in news.new] == ["sshd", "more"]
    assert len(history.differences) == 3
    _, _, news = learn(history, checked(WHOLE))
    assert [one.what for one in news.fixed] == ["sshd", "more"]


def test_what_is_still_there_is_remembered_once() -> None:
    found = HostReport("rk1", differences=(differs(),), parts=())
    history, _, _ = learn(History(), checked(found))
    history, _, _ = learn(history, checked(found))
    assert history.differences == (differs(since=NOW),)


# The file
# --------

MEMORY = History(
    cluster="home",
    differences=(differs(found="größer", since=NOW),),
    states={"rk1": ("drifted", NOW)},
    lost={"rk2": (SITE, SSH)},
    busy={SITE: (NOW, True)},
    unsent=("a message",),
    hours={"rk1": {"2026-11-24T06": "drifted"}},
)
WRITTEN: dict[str, Any] = {
    "version": 1,
    "cluster": "home",
    "differences": [
        {
            **{"host": "rk1", "part": "ssh", "kind": "change", "what": "sshd"},
            **{"reason": "is not as declared", "expected": "", "found": "größer"},
            **{"remedy": "", "mended_by": "", "since": NOW},
        }
    ],
    "states": {"rk1": ["drifted", NOW]},
    "lost": {"rk2": [SITE, SSH]},
    "busy": {SITE: [NOW, True]},
    "unsent": ["a message"],
    "hours": {"rk1": {"2026-11-24T06": "drifted"}},
}


def test_the_file_is_json_that_a_person_can_read(tmp_path: Path) -> None:
    assert to_json(MEMORY) == WRITTEN
    assert from_json(WRITTEN) == MEMORY
    path = tmp_path / "drift.json"
    remember(path, MEMORY)
    text = path.read_bytes()
    assert text.decode() == json.dumps(WRITTEN, ensure_ascii=False, indent=1) + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load(path) == MEMORY


def test_what_was_written_before_runs_in_progress_were_remembered_is_read() -> None:
    earlier = {name: value for name, value in WRITTEN.items() if name != "busy"}
    assert from_json(earlier) == replace(MEMORY, busy={})


def test_messages_that_an_earlier_version_has_not_sent_are_still_there() -> None:
    earlier = {"untold" if name == "unsent" else name: value for name, value in WRITTEN.items()}
    assert from_json(earlier) == MEMORY


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("version", 2, "version 2, where 1 was expected"),
        ("states", {"rk1": ["well", NOW]}, "“well” is no state"),
        ("hours", {"rk1": {"2026-11-24T06": "well"}}, "“well” is no state"),
        ("busy", {SITE: ["lately", True]}, "lately"),
        ("differences", [{**WRITTEN["differences"][0], "since": "lately"}], "lately"),
        ("differences", [{}], "missing"),
    ],
)
def test_what_no_check_has_written_is_refused(name: str, value: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        from_json({**WRITTEN, name: value})


def test_a_reader_meets_the_old_file_or_the_new_one_and_its_mode_is_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is whole, and on the disk, before it has its name; and it comes from the same folder."""
    path = tmp_path / "metrics.prom"
    seen: list[tuple[str, bytes, int]] = []
    place: Callable[..., None] = os.replace

    def replacing(new: str, old: Path) -> None:
        file = Path(new)
        seen.append((str(file.parent), file.read_bytes(), file.stat().st_mode & 0o777))
        assert file.name.startswith(".metrics.prom.")
        place(new, old)

    synced: list[int] = []

    def syncing(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr("os.replace", replacing)
    monkeypatch.setattr("os.fsync", syncing)
    write(path, "größer\n")
    assert seen == [(str(tmp_path), "größer\n".encode(), 0o644)]
    assert synced == [len("größer\n".encode())]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_memory_is_kept_from_other_checks_and_its_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "drift.json"
    for _ in range(2):
        with remembered(path):
            lock = path.with_name(".drift.json.lock")
            with open(lock) as other, pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert lock.stat().st_mode & 0o777 == 0o600
    with open(lock) as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        waiting = threading.Event()
        reached = threading.Event()

        def check() -> None:
            waiting.set()
            with remembered(path):
                reached.set()

        one = threading.Thread(target=check)
        one.start()
        assert waiting.wait(10)
        assert not reached.wait(0.1)
    one.join(10)
    assert reached.is_set()


def test_a_file_with_another_version_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "drift.json"
    path.write_text(json.dumps({**WRITTEN, "version": 2}))
    with pytest.raises(Unreadable, match="version 2"):
        load(path)
