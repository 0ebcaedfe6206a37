"""What is remembered from check to check, and what is news."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from pyinfra_swarm.drift.report import Difference, Host, Report, moment, stamp
from pyinfra_swarm.drift.run import Operation
from tests.unit.drift.drift_examples import (
    AT,
    OPERATIONS,
    all_looked,
    busy,
    failed,
    found,
    host_in,
    looked,
    reported,
    run_of,
)

LATER = AT + timedelta(hours=5)
IN_SYNC = reported(run_of(all_looked()))
DRIFTED = reported(run_of([*all_looked(), found("rk2", "ssh", "sshd")]))
SILENT = reported(
    run_of([*looked("rk1"), *looked("rk3"), failed("rk2", "Could not connect")], status=1)
)


def only_ssh(*hosts: str) -> Report:
    """A check of one part, in sync where it was answered."""
    run = run_of([record for name in hosts for record in looked(name, "SSH")])
    return reported(replace(run, operations=(Operation("SSH"),)), deploy="deploys/ssh.py")


ONLY_SSH = only_ssh("rk1", "rk2", "rk3")


def at(report: Report, moment: datetime) -> Report:
    return replace(report, at=moment)


def after(*reports: Report) -> tuple[History, Report, News]:
    """History, report and news after checks an hour apart."""
    history, seen, news = History(), reports[0], News()
    for number, report in enumerate(reports):
        history, seen, news = learn(history, at(report, AT + timedelta(hours=number)))
    return history, seen, news


def test_the_first_check_of_a_cluster_in_sync_is_no_news() -> None:
    assert not after(IN_SYNC)[2]


def test_a_new_difference_is_news_once() -> None:
    _, _, news = after(IN_SYNC, DRIFTED)
    assert [one.what for one in news.new] == ["sshd"]
    assert not after(IN_SYNC, DRIFTED, DRIFTED)[2]


def test_a_difference_keeps_the_moment_when_it_was_first_seen() -> None:
    _, seen, _ = after(IN_SYNC, DRIFTED, DRIFTED, DRIFTED)
    assert seen.differences[0].since == stamp(AT + timedelta(hours=1))
    assert host_in(seen, "rk2").since == stamp(AT + timedelta(hours=1))
    assert host_in(seen, "rk1").since == stamp(AT)


def with_keys(*records: dict[str, str]) -> Report:
    """A check that finds so much about the keys of ada on rk2."""
    told = [found("rk2", "ssh", "keys of ada", **{"kind": "change", **more}) for more in records]
    return reported(run_of([*all_looked(), *told]))


MISSING = {"reason": "a declared key is missing", "expected": "ssh-ed25519 …ada"}
STRANGERS = {"reason": "a key that is not declared opens this account", "found": "…eve"}
REFUSED = {"kind": "refusal", "reason": "its home has a path that cannot be undone at"}


def test_a_worse_fault_of_the_same_name_is_news_and_has_its_own_beginning() -> None:
    checks = [with_keys(MISSING), with_keys(STRANGERS), with_keys(REFUSED)]
    for number, check in enumerate(checks):
        history, seen, news = after(*checks[: number + 1])
        assert news.new == seen.differences == check_at(check, number)
        assert news.fixed == ()
        assert history.differences == seen.differences
        assert not after(*checks[: number + 1], check)[2]
    assert [one.what for one in after(*checks, IN_SYNC)[2].fixed] == ["keys of ada"]


def test_a_host_differs_since_its_oldest_difference_and_not_longer() -> None:
    _, seen, _ = after(with_keys(MISSING), with_keys(STRANGERS))
    assert host_in(seen, "rk2").since == stamp(AT + timedelta(hours=1))
    _, seen, _ = after(with_keys(MISSING), with_keys(MISSING, STRANGERS))
    assert host_in(seen, "rk2").since == stamp(AT)


def check_at(report: Report, hours: int) -> tuple[Difference, ...]:
    """Its differences, seen for the first time so many hours after the first check."""
    since = stamp(AT + timedelta(hours=hours))
    return tuple(replace(one, since=since) for one in report.differences)


def test_a_second_fault_of_the_same_name_is_news_and_its_end_is_not() -> None:
    both = with_keys(MISSING, STRANGERS)
    _, seen, news = after(with_keys(MISSING), both)
    assert [one.found for one in news.new] == ["…eve"]
    assert [one.since for one in seen.differences] == [
        stamp(AT),
        stamp(AT + timedelta(hours=1)),
    ]
    assert not after(with_keys(MISSING), both, with_keys(MISSING))[2]


VARYING = [
    {"reason": "should have been renewed by now", "found": "{n} days left of 90 days"},
    {"reason": "has expired. Replace it", "found": "ended {n} hours ago"},
    {"reason": "were last confirmed {n} days ago; the last refresh failed: 4{n} bytes"},
    {"reason": "it is 13{n} seconds ahead of this computer's"},
    {"reason": "it does not suffice", "expected": "500 MiB free", "found": "30{n} MiB"},
    {"reason": "hardly any file can be made", "expected": "20000 free", "found": "1900{n}"},
    {"reason": "the old and the new one are trusted", "found": "{n} of 9 nodes have a new one"},
    {"reason": "the engine reports an error: dial tcp 10.0.0.1:{n}: refused"},
    {"reason": "the host waits for one, to use what was updated (linux {n}, libc6)"},
]


@pytest.mark.parametrize("texts", VARYING, ids=lambda texts: str(texts["reason"])[:20])
def test_an_age_a_count_or_somebody_elses_words_are_no_news(texts: dict[str, str]) -> None:
    checks = [
        with_keys({name: text.format(n=number) for name, text in texts.items()})
        for number in range(3, 6)
    ]
    _, seen, news = after(*checks)
    assert not news
    assert [one.since for one in seen.differences] == [stamp(AT)]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"reason": "is not running"}, {"reason": "does not start at boot"}),
        (
            {"reason": "a rule above ours", "found": "-A INPUT -p tcp --dport 22 -j ACCEPT"},
            {"reason": "a rule above ours", "found": "-A INPUT -p tcp --dport 2375 -j ACCEPT"},
        ),
        (
            {"reason": "has 2 rules that are not declared", "found": "-A X -j ACCEPT"},
            {"reason": "has 3 rules that are not declared", "found": "-A X -j ACCEPT"},
        ),
        ({"reason": "can log in", "found": "1 keys"}, {"reason": "can log in", "found": "2 keys"}),
        (
            {"reason": "is not declared", "found": "worker, ready, 10.0.0.3"},
            {"reason": "is not declared", "found": "manager, ready, 10.0.0.3"},
        ),
    ],
)
def test_what_says_how_bad_it_is_is_news(earlier: dict[str, str], later: dict[str, str]) -> None:
    assert after(with_keys(earlier), with_keys(later))[2].new


def test_what_is_gone_was_mended() -> None:
    history, _, news = after(DRIFTED, IN_SYNC)
    assert [one.what for one in news.fixed] == ["sshd"]
    assert history.differences == ()


def test_a_silent_host_is_news_and_what_differed_there_is_not_called_mended() -> None:
    history, _, news = after(DRIFTED, SILENT)
    assert [host.name for host in news.lost] == ["rk2"]
    assert news.fixed == ()
    assert [one.what for one in history.differences] == ["sshd"]
    assert not after(DRIFTED, SILENT, SILENT)[2]


def test_a_host_that_answers_again_is_news_and_its_old_difference_is_not_new() -> None:
    _, seen, news = after(DRIFTED, SILENT, DRIFTED)
    assert [host.name for host in news.back] == ["rk2"]
    assert news.new == ()
    assert seen.differences[0].since == stamp(AT)


def test_a_refused_host_is_told_as_a_difference_only() -> None:
    refused = reported(
        run_of(
            [
                *looked("rk1"),
                *looked("rk3"),
                *looked("rk2", "SSH"),
                found("rk2", "ssh", "esp4", "refusal"),
                failed("rk2", "esp4"),
            ],
            status=1,
        )
    )
    _, _, news = after(IN_SYNC, refused)
    assert [one.what for one in news.new] == ["esp4"]
    assert news.lost == ()
    assert not after(IN_SYNC, refused, refused)[2]


def test_a_check_of_one_part_says_nothing_about_the_others() -> None:
    both = reported(
        run_of([*all_looked(), found("rk2", "ssh", "sshd"), found("rk2", "docker", "daemon.json")])
    )
    history, _, news = after(both, ONLY_SSH)
    assert [one.what for one in news.fixed] == ["sshd"]
    assert [one.what for one in history.differences] == ["daemon.json"]


def test_a_check_of_one_part_does_not_call_a_host_in_sync_that_differs_elsewhere() -> None:
    differs = reported(run_of([*all_looked(), found("rk2", "docker", "daemon.json")]))
    history, _, _ = after(IN_SYNC, differs, ONLY_SSH)
    assert history.states["rk2"] == ("drifted", stamp(AT + timedelta(hours=1)))
    assert history.hours["rk2"] == {
        "2026-11-24T06": "in sync",
        "2026-11-24T07": "drifted",
        "2026-11-24T08": "drifted",
    }
    assert history.states["rk1"] == ("in sync", stamp(AT))
    _, seen, news = after(IN_SYNC, differs, ONLY_SSH, differs)
    assert host_in(seen, "rk2").since == stamp(AT + timedelta(hours=1))
    assert not news


@pytest.mark.parametrize("silent", ["SSH", "Docker"])
def test_a_host_is_back_only_when_what_it_was_silent_about_was_looked_at(silent: str) -> None:
    others = [name for name in OPERATIONS if name != silent]
    half = reported(
        run_of(
            [*looked("rk1"), *looked("rk2", *others), *looked("rk3"), failed("rk2", "no answer")]
        )
    )
    checks = [half, ONLY_SSH, half, ONLY_SSH, IN_SYNC]
    news = [after(*checks[:number])[2] for number in range(1, len(checks) + 1)]
    assert [[host.name for host in one.lost] for one in news] == [["rk2"], [], [], [], []]
    assert [[host.name for host in one.back] for one in news] == [[], [], [], [], ["rk2"]]
    assert after(half, ONLY_SSH)[0].states["rk2"] == ("unknown", stamp(AT))


def test_a_host_that_one_deploy_has_lost_is_found_by_it_and_by_the_whole_job() -> None:
    lost = only_ssh("rk1", "rk3")
    for found_again in (ONLY_SSH, IN_SYNC):
        history, _, news = after(IN_SYNC, lost, found_again)
        assert [host.name for host in news.back] == ["rk2"]
        assert history.lost == {}
        assert history.states["rk2"][0] == "in sync"
    assert after(SILENT, lost, ONLY_SSH)[0].lost == {"rk2": ("deploys/site.py",)}


def test_what_was_changed_without_a_word_is_mended_by_no_check_of_another_part() -> None:
    silent = reported(run_of(looked("rk1", "SSH"), {"Docker": ("rk2",)}))
    [one] = after(silent)[0].differences
    assert one.part == ""
    assert after(silent, ONLY_SSH)[2].fixed == ()
    assert after(silent, IN_SYNC)[2].fixed == (one,)


def test_a_check_of_some_hosts_leaves_the_others_as_they_were() -> None:
    limited = reported(run_of(looked("rk1")), hosts=(Host("rk1", "manager"),), limit=("rk1",))
    history, _, news = after(DRIFTED, limited)
    assert not news
    assert [one.what for one in history.differences] == ["sshd"]
    assert history.states["rk2"][0] == "drifted"


def test_a_host_that_is_not_declared_any_longer_is_forgotten_without_a_word() -> None:
    fewer = reported(run_of(looked("rk1")), hosts=(Host("rk1", "manager"),))
    history, _, news = after(DRIFTED, fewer)
    assert not news
    assert set(history.states) == {"rk1"}
    assert set(history.hours) == {"rk1"}


def test_a_run_in_progress_teaches_nothing_but_that() -> None:
    before, _, _ = after(DRIFTED)
    history, report, news = learn(before, busy(at=LATER))
    assert not news
    assert replace(history, busy={}) == before
    assert report.exit_code == 1
    assert not report.stuck


def test_a_run_that_keeps_checks_from_measuring_becomes_news_once() -> None:
    """Whoever holds the lock, and whether it is one run or another at each check."""
    history, news, told = History(), [], []
    for quarter in range(16):
        history, report, one = learn(history, busy(at=AT + timedelta(minutes=15 * quarter)))
        news.append(bool(one))
        told.append(report.stuck)
    assert told == [False] * 8 + [True] * 8  # from two hours on
    assert news == [False] * 8 + [True] + [False] * 7
    assert history.busy == {"deploys/site.py": (stamp(AT), True)}


def test_a_run_that_says_itself_how_long_it_has_gone_on_is_believed() -> None:
    _, report, news = learn(History(), busy(seconds=3 * 3600))
    assert report.stuck
    assert news.stuck


def test_that_checks_measure_again_is_news_where_it_was_told_that_they_did_not() -> None:
    for seconds, told in ((60, False), (3 * 3600, True)):
        history, _, _ = learn(History(), busy(seconds=seconds))
        history, _, news = learn(history, at(IN_SYNC, LATER))
        assert bool(news.measured) == told
        assert history.busy == {}


def test_a_check_that_would_not_meet_the_run_does_not_end_it() -> None:
    """One of a part of the job on workers alone sees no lock."""
    history, _, _ = learn(History(), busy())
    history, _, _ = learn(history, at(only_ssh(), LATER))
    assert "deploys/site.py" in history.busy
    _, report, _ = learn(history, busy(at=AT + timedelta(hours=3)))
    assert report.stuck
    history, _, _ = learn(History(), busy(deploy="deploys/ssh.py"))
    assert learn(history, at(IN_SYNC, LATER))[0].busy == {}


@given(st.integers(0, 10**12) | st.text(max_size=3) | st.none() | st.floats())
def test_a_run_may_say_any_number_of_seconds(seconds: object) -> None:
    report = busy(seconds=seconds)  # type: ignore[arg-type]
    assert moment(report.busy_since) <= AT


def test_the_history_keeps_the_worst_state_of_an_hour() -> None:
    history = History()
    for minutes, report in ((0, IN_SYNC), (10, DRIFTED), (20, IN_SYNC), (65, SILENT)):
        history, _, _ = learn(history, at(report, AT + timedelta(minutes=minutes)))
    assert history.hours["rk2"] == {"2026-11-24T06": "drifted", "2026-11-24T07": "unknown"}
    assert history.hours["rk1"] == {"2026-11-24T06": "in sync", "2026-11-24T07": "in sync"}


def test_the_history_ends() -> None:
    history = History()
    for hours in range(0, (DAYS + 3) * 24):
        history, _, _ = learn(history, at(IN_SYNC, AT + timedelta(hours=hours)))
    assert len(history.hours["rk1"]) == DAYS * 24


@settings(max_examples=50)
@given(st.lists(st.sampled_from([IN_SYNC, DRIFTED, SILENT, ONLY_SSH]), min_size=1, max_size=8))
def test_news_add_up_to_what_is_there(reports: list[Report]) -> None:
    history = History()
    open_ones: set[object] = set()
    silent: set[str] = set()
    for number, report in enumerate(reports):
        history, _, news = learn(history, at(report, AT + timedelta(hours=number)))
        new, fixed = ({o.identity for o in group} for group in (news.new, news.fixed))
        assert not new & open_ones
        assert fixed <= open_ones
        open_ones = (open_ones | new) - fixed
        assert not {h.name for h in news.lost} & silent
        silent = (silent | {h.name for h in news.lost}) - {h.name for h in news.back}
        assert open_ones == {one.identity for one in history.differences}
        assert silent == set(history.lost)
        assert from_json(json.loads(json.dumps(to_json(history)))) == history


# The file
# --------


def test_a_memory_comes_back_as_it_was_written(tmp_path: Path) -> None:
    history, _, _ = after(IN_SYNC, DRIFTED)
    path = tmp_path / "state" / "drift.json"
    with remembered(path) as empty:
        assert empty == History()
        remember(path, history)
    assert load(path) == history
    assert path.stat().st_mode & 0o777 == 0o600
    assert {file.name for file in path.parent.iterdir()} == {"drift.json", ".drift.json.lock"}


def test_another_user_of_this_computer_cannot_keep_checks_waiting(tmp_path: Path) -> None:
    lock = tmp_path / ".drift.json.lock"
    for before in (None, 0o644):
        if before:
            lock.chmod(before)
        with remembered(tmp_path / "drift.json"):
            assert lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"version": 7}', '{"version": 1, "cluster": "x"}', "\x00"]
)
def test_a_file_that_is_something_else_is_not_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "drift.json"
    path.write_text(text)
    with pytest.raises(Unreadable, match="is not what a check remembers"), remembered(path):
        pass
    assert path.read_text() == text


def test_a_file_from_before_the_deploys_were_remembered_is_read() -> None:
    history, _, _ = after(DRIFTED, SILENT)
    old = {**to_json(history), "lost": ["rk2"]}
    assert replace(from_json(old), lost=history.lost) == history
    _, _, news = learn(from_json(old), at(ONLY_SSH, LATER))
    assert [host.name for host in news.back] == ["rk2"]
    assert not learn(from_json(old), at(SILENT, LATER))[2]


def test_a_full_disk_is_said_and_what_was_remembered_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "drift.json"
    first, _, _ = after(IN_SYNC)
    remember(path, first)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unreadable, match=r"cannot be written: No space left on device"):
        remember(path, after(IN_SYNC, DRIFTED)[0])
    assert load(path) == first
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unreadable, match="cannot be used"), remembered(tmp_path / "file" / "x"):
        pass
