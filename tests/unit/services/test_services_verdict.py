"""How an update stands: never called done where something else runs, and always an end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.services.cause import NOTHING
from pyinfra_swarm.services.service import (
    TASK_STATES,
    UPDATE_STATES,
    Service,
    Task,
    parse_services,
    parse_tasks,
)
from pyinfra_swarm.services.verdict import (
    ANOTHER_NODE,
    SETTLED,
    TO_BE_HEALTHY,
    TO_PULL,
    TO_RUN,
    TO_TRY,
    TRIES,
    Asked,
    Completed,
    Failed,
    Verdict,
    Waiting,
    follow,
    judge,
    made_of,
    patience,
    same_spec,
)
from tests.unit.services import described

BEFORE, AFTER = described.spec(image="app:1"), described.spec(image="app:2")
OTHERS = described.spec(image="other:1")
VERSION = 20


def service(
    state: str = "", of: dict[str, Any] = AFTER, version: int = 21, message: str = "", **more: Any
) -> Service:
    if state:
        more["UpdateStatus"] = {"State": state, "Message": message}
    [found] = parse_services(json.dumps([described.service(version, of, **more)]))
    return found


def tasks(*entries: dict[str, Any]) -> tuple[Task, ...]:
    return parse_tasks(json.dumps(entries))


def task(number: int, of: dict[str, Any] = AFTER, **more: Any) -> dict[str, Any]:
    return described.task(number, of, **{"slot": number, **more})


NEW = tasks(task(1), task(2))
OLD = tasks(task(3, BEFORE, slot=1, version=5), task(4, BEFORE, slot=2, version=6))


def asked(of: dict[str, Any] = AFTER, **more: Any) -> Asked:
    return replace(Asked.now(of, VERSION, 0.0, BEFORE), **more)


def seen(*moments: tuple[float, Service, Sequence[Task]], of: Asked | None = None) -> Verdict:
    """The last verdict of some looks, each with its moment."""
    now = asked() if of is None else of
    for at, one, found in moments:
        now = follow(now, one, found, at)
        verdict = judge(now, one, found, at)
    return verdict


# Done
# ----


@pytest.mark.parametrize("state", ["completed", "rollback_completed"])
def test_the_managers_word_and_the_tasks_together_are_done(state: str) -> None:
    assert seen((1, service(state), NEW)) == Completed(2)


def test_tasks_that_run_are_not_done_while_the_managers_still_watch_them() -> None:
    assert seen((1, service("updating"), NEW), (9, service("updating"), NEW)) == Waiting(2, 2)


def test_the_managers_word_is_not_enough() -> None:
    one = tasks(task(1), task(2, state="starting"))
    assert seen((1, service("completed"), one)) == Waiting(1, 2)
    assert seen((1, service("completed"), OLD)) == Waiting(0, 2)
    both = (*NEW, *OLD)
    assert seen((1, service("completed"), both)) == Waiting(2, 2)
    stopping = tasks(task(1), task(2), task(3, BEFORE, desired="shutdown"))
    assert seen((1, service("completed"), stopping)) == Completed(2)


def test_a_task_that_runs_and_is_to_stop_is_not_counted() -> None:
    leaving = tasks(task(1), task(2, desired="shutdown"))
    assert seen((1, service("completed"), leaving)) == Waiting(1, 2)


def test_right_after_an_update_nothing_is_known_yet() -> None:
    assert seen((0, service(), OLD), (9, service(), OLD)) == Waiting(0, 2)


def test_where_nothing_had_to_be_replaced_it_is_done_after_a_moment_without_news() -> None:
    """Other labels, another number of replicas, a new service: the managers say nothing of it."""
    assert seen((0, service(), NEW)) == Waiting(2, 2)
    assert seen((0, service(), NEW), (SETTLED, service(), NEW)) == Completed(2)
    news = (0, service(), NEW), (4, service(), NEW[:1]), (6, service(), NEW)
    assert seen(*news) == Waiting(2, 2)
    assert seen(*news, (11, service(), NEW)) == Completed(2)


def test_no_replicas_are_done_at_once() -> None:
    none = described.spec(replicas=0)
    assert seen((0, service(of=none), ()), of=asked(none)) == Completed(0)
    left = tasks(task(1, none))
    assert seen((0, service(of=none), left), of=asked(none)) == Waiting(1, 0)


def test_one_on_each_node_is_done_where_each_has_its_new_one() -> None:
    each = described.spec(replicas=None)
    on = [task(n, each, slot=0, NodeID=f"node{n:021d}") for n in (1, 2, 3)]
    found = tasks(*on)
    assert seen((0, service("completed", each), found), of=asked(each)) == Completed(3)
    behind = tasks(*on[:2], {**on[2], "Status": {"State": "starting"}})
    assert seen((0, service("completed", each), behind), of=asked(each)) == Waiting(2, 3)
    drained = tasks(*on[:2], {**on[2], "DesiredState": "shutdown"})
    assert seen((0, service("completed", each), drained), of=asked(each)) == Completed(2)


def test_tasks_that_failed_on_the_way_want_a_moment_without_news() -> None:
    """The failure action “continue”, or a share of failures that is allowed."""
    found = (*NEW, *tasks(task(5, slot=1, state="failed", desired="shutdown", exit_code=1)))
    done = service("completed")
    assert seen((0, done, found)) == Waiting(2, 2)
    assert seen((0, done, found), (SETTLED, done, found)) == Completed(2)


def test_the_services_own_monitor_period_counts() -> None:
    slow = described.spec(image="app:2", UpdateConfig={"Monitor": 30 * 10**9})
    found = tasks(task(1, slow), task(2, slow))
    looks = (0, service(of=slow), found), (29, service(of=slow), found)
    assert seen(*looks, of=asked(slow)) == Waiting(2, 2)
    assert seen(*looks, (30, service(of=slow), found), of=asked(slow)) == Completed(2)


# Not done
# --------


def test_paused_is_failed_with_the_cause_of_the_task_that_is_named() -> None:
    failed = [
        task(1, state="failed", desired="shutdown", exit_code=3, version=31),
        task(2, state="rejected", desired="shutdown", error="No such image: app:2", version=32),
    ]
    message = f"update paused due to failure or early termination of task {failed[0]['ID']}"
    verdict = seen((1, service("paused", message=message), tasks(*failed)))
    assert isinstance(verdict, Failed)
    assert (verdict.by, verdict.cause.kind, verdict.cause.task) == (
        "paused",
        "crash",
        failed[0]["ID"],
    )
    verdict = seen((1, service("paused"), tasks(*failed)))
    assert isinstance(verdict, Failed)
    assert verdict.cause.kind == "image"


def test_what_failed_before_is_no_cause() -> None:
    before = tasks(task(1, state="failed", desired="shutdown", exit_code=3, version=VERSION))
    verdict = seen((1, service("paused"), before))
    assert isinstance(verdict, Failed)
    assert verdict.cause.task == ""


def test_a_rollback_is_awaited_and_is_a_failure() -> None:
    """Also where the managers call it “completed” in the end."""
    failed = tasks(task(1, state="failed", desired="shutdown", exit_code=3))
    rolling = service("rollback_started", BEFORE)
    assert seen((1, rolling, failed)) == Waiting(0, 0, rolling_back=True)
    for state in ("rollback_completed", "rollback_paused", "completed", "updating"):
        verdict = seen((1, rolling, failed), (2, service(state, BEFORE), (*failed, *OLD)))
        assert isinstance(verdict, Failed)
        assert (verdict.by, verdict.cause.exit_code) == ("rolled back", 3)


def test_a_rollback_that_never_ends_is_told_after_a_while() -> None:
    rolling = service("rollback_started", BEFORE)
    limit = patience(AFTER, OLD)
    looks = (0, service("updating"), OLD), (500, rolling, OLD)
    assert seen(*looks) == Waiting(0, 0, rolling_back=True)
    assert seen(*looks, (500 + limit, rolling, OLD)) == Waiting(0, 0, rolling_back=True)
    verdict = seen(*looks, (501 + limit, rolling, OLD))
    assert isinstance(verdict, Failed)
    assert verdict.by == "rolled back"


@pytest.mark.parametrize("state", ["", "updating", "paused", "completed"])
def test_somebody_elses_update_supersedes_it(state: str) -> None:
    verdict = seen((1, service(state, OTHERS), NEW))
    assert isinstance(verdict, Failed)
    assert verdict.by == "superseded"


def test_without_progress_there_is_an_end_with_its_cause() -> None:
    why = "no suitable node (scheduling constraints not satisfied on 4 nodes)"
    stuck = tasks(task(1, state="pending", error=why), *[task(2, BEFORE, version=5)])
    at = service("updating")
    limit = patience(AFTER, stuck)
    placement = f"no node may run it: “{why}”"
    assert seen((0, at, stuck), (limit, at, stuck)) == Waiting(0, 2, trouble=placement)
    verdict = seen((0, at, stuck), (limit + 1, at, stuck))
    assert isinstance(verdict, Failed)
    assert (verdict.by, verdict.cause.kind) == ("timeout", "placement")


def test_progress_gives_it_more_time_and_failing_again_does_not() -> None:
    at, limit = service("updating"), patience(AFTER, NEW)
    one = tasks(task(1), task(2, BEFORE, version=5))
    assert seen((0, at, OLD), (limit, at, one), (2 * limit, at, one)) == Waiting(1, 2)
    loop = [(0.0, at, one)]
    for turn in range(1, 14):
        fails = task(9 + turn, slot=2, state="failed", desired="shutdown", exit_code=1)
        loop.append((turn * limit / 10, at, (*one, *tasks(fails))))
    assert isinstance(seen(*loop), Failed)


def refusals(number: int, **more: Any) -> tuple[Task, ...]:
    refused = {"state": "rejected", "desired": "shutdown", "error": "No such image: app:2"}
    return tasks(*(task(30 + n, **{"slot": 1, **refused, **more}) for n in range(number)))


@pytest.mark.parametrize("state", ["", "updating", "completed"])
def test_what_nodes_refuse_over_and_over_is_not_waited_for_long(state: str) -> None:
    """Where they go on with it: a new service, or the failure action “continue”."""
    at, found = service(state), refusals(TRIES)
    waited = seen((0, at, found), (TO_TRY, at, found))
    assert isinstance(waited, Waiting)
    assert (waited.running, waited.wanted) == (0, 2)
    assert waited.trouble
    verdict = seen((0, at, found), (TO_TRY + 1, at, found))
    assert isinstance(verdict, Failed)
    assert (verdict.by, verdict.cause.kind) == ("timeout", "image")


def test_one_place_whose_task_is_refused_is_enough() -> None:
    at, found = service("updating"), (*refusals(1, slot=2), *refusals(TRIES))
    assert isinstance(seen((0, at, found), (TO_TRY + 1, at, found)), Failed)


@pytest.mark.parametrize(
    "found",
    [
        refusals(TRIES - 1),
        (*refusals(TRIES - 1), *refusals(TRIES - 1, slot=2)),
        refusals(TRIES, version=VERSION),
        refusals(TRIES, of=BEFORE),
        refusals(TRIES, state="failed", error="task: non-zero exit (1)"),
    ],
    ids=["too few", "in two places", "before the update", "of before", "programs that have begun"],
)
def test_what_may_come_to_run_still_is_waited_for(found: tuple[Task, ...]) -> None:
    at = service("updating")
    waited = seen((0, at, found), (TO_TRY + 1, at, found))
    assert isinstance(waited, Waiting)
    assert (waited.running, waited.wanted) == (0, 2)


def test_where_it_goes_on_elsewhere_refusals_are_waited_for() -> None:
    at, found = service("updating"), refusals(TRIES)
    more = (*found, *tasks(task(2)))
    waited = seen((0, at, found), (TO_TRY - 1, at, more), (TO_TRY + 5, at, more))
    assert isinstance(waited, Waiting)
    assert (waited.running, waited.wanted) == (1, 2)
    assert waited.trouble


@pytest.mark.parametrize(
    ("state", "limit"),
    [
        ("pending", ANOTHER_NODE),
        ("preparing", TO_PULL),
        ("starting", TO_BE_HEALTHY),
        ("running", TO_RUN),
        ("ready", TO_RUN),
    ],
)
def test_patience_depends_on_what_the_tasks_are_at(state: str, limit: float) -> None:
    assert patience(AFTER, tasks(task(1, state=state))) == limit
    assert patience(AFTER, tasks(task(1, state=state, desired="shutdown"))) == TO_RUN


def test_patience_grows_with_the_pauses_that_the_service_asks_for() -> None:
    second = 10**9
    slow = described.spec(
        container={"StopGracePeriod": 60 * second},
        template={"RestartPolicy": {"Delay": 7 * second}},
        UpdateConfig={"Delay": 500 * second, "Monitor": 5 * second},
        RollbackConfig={"Delay": 1000 * second, "Monitor": 9 * second},
    )
    assert patience(slow, ()) == TO_RUN + 60 + 7 + 505 + 1009
    check = {
        "Interval": 10 * second,
        "Timeout": 2 * second,
        "Retries": 4,
        "StartPeriod": 30 * second,
    }
    healthy = described.spec(container={"Healthcheck": check})
    assert patience(healthy, tasks(task(1, state="starting"))) == TO_BE_HEALTHY + 30 + 48
    assert patience(healthy, tasks(task(1))) == TO_RUN
    once = described.spec(container={"Healthcheck": {**check, "Retries": 0}})
    assert patience(once, tasks(task(1, state="starting"))) == TO_BE_HEALTHY + 30 + 12


def test_the_limits_are_those_that_the_pages_name() -> None:
    limits = (ANOTHER_NODE, TO_RUN, TO_PULL, TO_BE_HEALTHY, TRIES, TO_TRY, SETTLED)
    assert limits == (60, 120, 600, 300, 3, 30, 5)


def test_a_rollback_is_known_by_the_managers_word_or_by_what_the_service_has() -> None:
    unknown = asked(before=None)
    for state in ("rollback_started", "rollback_completed", "rollback_paused"):
        verdict = seen((1, service(state, BEFORE), OLD), of=unknown)
        assert isinstance(verdict, Waiting if state == "rollback_started" else Failed)
        if isinstance(verdict, Failed):
            assert verdict.by == "rolled back"
    verdict = seen((1, service("completed", BEFORE), OLD), of=unknown)
    assert isinstance(verdict, Failed)
    assert verdict.by == "superseded"


def test_a_rollback_that_was_asked_for_and_fails_is_paused() -> None:
    verdict = seen((1, service("rollback_paused"), OLD))
    assert isinstance(verdict, Failed)
    assert verdict.by == "paused"


def test_tasks_of_somebody_elses_are_no_cause() -> None:
    theirs = tasks(task(1, OTHERS, state="failed", desired="shutdown", exit_code=3))
    verdict = seen((1, service("paused"), theirs))
    assert isinstance(verdict, Failed)
    assert verdict.cause.task == ""


@pytest.mark.parametrize(
    ("moved", "progress"),
    [
        (task(1, state="preparing"), True),
        (task(1, state="running"), True),
        (task(1, state="shutdown", desired="shutdown"), True),
        (task(1, state="pending"), False),
        (task(1, state="assigned"), False),
        (task(1, state="failed", desired="shutdown"), False),
        (task(1, state="rejected", desired="shutdown"), False),
        (task(1, state="running", version=VERSION), False),
        (task(1, BEFORE, state="running"), False),
        (task(9, slot=1, state="assigned"), False),
        (task(9, slot=2, state="new"), True),
    ],
)
def test_progress_is_a_state_that_was_not_reached_in_a_place(
    moved: dict[str, Any], progress: bool
) -> None:
    begun = follow(asked(), service("updating"), tasks(task(1, state="assigned")), 3.0)
    assert (begun.since, begun.reached, begun.back) == (
        3.0,
        TASK_STATES.index("assigned") + 1,
        False,
    )
    now = follow(
        begun, service("updating"), (*tasks(task(1, state="assigned")), *tasks(moved)), 5.0
    )
    assert (now.since == 5.0) is progress
    assert now.reached >= begun.reached
    assert (now.reached > begun.reached) is progress


def test_the_first_task_is_progress_and_those_of_before_are_none() -> None:
    at = follow(asked(), service("updating"), OLD, 3.0)
    assert (at.since, at.reached, at.back) == (0.0, 0, False)
    first = follow(at, service("updating"), tasks(task(1, state="new")), 5.0)
    assert (first.since, first.reached) == (5.0, 1)


def test_a_task_that_has_failed_has_come_no_further_than_one_that_is_new() -> None:
    failed = tasks(task(1, state="failed", desired="shutdown"))
    assert follow(asked(), service("updating"), failed, 3.0).reached == 1


def test_what_was_reached_once_is_no_progress_when_it_is_reached_again() -> None:
    at = follow(asked(), service("updating"), NEW, 1.0)
    gone = follow(at, service("updating"), NEW[:1], 5.0)
    again = follow(gone, service("updating"), NEW, 9.0)
    assert (gone.reached, again.reached, again.since) == (at.reached, at.reached, 1.0)


def test_a_place_is_a_slot_or_a_node() -> None:
    each = described.spec(replicas=None)
    here, there = (task(n, each, slot=0, NodeID=f"node{n:021d}") for n in (1, 2))
    at = service("updating", each)
    one = follow(asked(each), at, tasks(here), 1.0)
    both = follow(one, at, tasks(here, there), 2.0)
    assert both.reached == 2 * one.reached == 2 * (TASK_STATES.index("running") + 1)
    moved = task(3, slot=1, NodeID=f"node{3:021d}")
    at = service("updating")
    assert follow(asked(), at, tasks(task(1), moved), 1.0).reached == one.reached


def test_when_it_is_rolled_back_progress_begins_anew() -> None:
    at = follow(asked(), service("updating"), NEW, 1.0)
    back = follow(at, service("rollback_started", BEFORE), OLD, 9.0)
    assert (back.since, back.reached, back.back) == (9.0, 0, True)
    again = tasks(task(7, BEFORE))
    further = follow(back, service("rollback_started", BEFORE), again, 20.0)
    assert further.since == 20.0
    assert follow(further, service("rollback_started", BEFORE), again, 21.0).since == 20.0


def test_news_is_what_the_managers_say_what_runs_and_what_has_failed() -> None:
    at = follow(asked(), service(), NEW, 1.0)
    failed = tasks(task(5, state="failed", desired="shutdown"))
    for news in (
        follow(at, service("completed"), NEW, 2.0),
        follow(at, service(), NEW[:1], 2.0),
        follow(at, service(), (*NEW, *failed), 2.0),
    ):
        assert news.quiet == 2.0
    for none in ((*NEW, *OLD), (*NEW, *tasks(task(5, state="preparing")))):
        assert follow(at, service(), none, 2.0).quiet == 1.0


def test_only_what_failed_in_this_update_asks_for_a_quiet_moment() -> None:
    before = tasks(
        task(5, state="failed", desired="shutdown", version=VERSION),
        task(6, BEFORE, state="failed", desired="shutdown"),
    )
    assert seen((1, service("completed"), (*NEW, *before))) == Completed(2)


def test_nothing_of_a_specification_is_in_a_repr() -> None:
    shown = repr(follow(asked(), service(), NEW, 1.0))
    assert "hunter2" not in shown


UNTOLD = "the engine does not say why"


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Waiting(1, 3), "1 of 3 new tasks runs"),
        (Waiting(1, 1), "1 of 1 new task runs"),
        (Waiting(3, 2), "2 of 2 new tasks run"),
        (Waiting(1, 0), "1 new task runs"),
        (Waiting(2, 3), "2 of 3 new tasks run"),
        (Waiting(0, 0), "0 new tasks run"),
        (Waiting(0, 0, rolling_back=True), "the managers are rolling it back"),
        (Failed("paused", NOTHING), f"the managers have paused the update: {UNTOLD}"),
        (Failed("rolled back", NOTHING), f"it was rolled back: {UNTOLD}"),
        (Failed("timeout", NOTHING), f"the update does not come to its end: {UNTOLD}"),
    ],
)
def test_how_it_stands_in_words(verdict: Waiting | Failed, words: str) -> None:
    assert verdict.sentence() == words


def test_of_somebody_elses_update_no_cause_is_told() -> None:
    words = "somebody else has changed the service meanwhile"
    assert Failed("superseded", NOTHING).sentence() == words


# Jobs
# ----

JOB = described.spec(mode={"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 2}})
ITERATION: Any = {"JobStatus": {"JobIteration": {"Index": 4}}}


def test_a_job_is_done_where_its_tasks_have_ended_well_or_run() -> None:
    at = service(of=JOB, **ITERATION)
    mine = {"JobIteration": {"Index": 4}, "desired": "complete"}
    done = tasks(*(task(n, JOB, state="complete", **mine) for n in (1, 2)))
    assert seen((0, at, done), of=asked(JOB)) == Completed(0)
    before = tasks(
        *(
            task(n, JOB, state="complete", desired="complete", JobIteration={"Index": 3})
            for n in (1, 2)
        )
    )
    assert isinstance(seen((0, at, before), of=asked(JOB)), Waiting)
    runs = (*done[:1], *tasks(task(2, JOB, **mine)))
    assert isinstance(seen((0, at, runs), of=asked(JOB)), Waiting)
    assert isinstance(seen((0, at, runs), (9, at, runs), of=asked(JOB)), Completed)
    begins = (*done[:1], *tasks(task(2, JOB, state="preparing", **mine)))
    assert isinstance(seen((0, at, begins), (9, at, begins), of=asked(JOB)), Waiting)
    ends = (*done[:1], *tasks(task(2, JOB, state="preparing", **{**mine, "desired": "shutdown"})))
    assert isinstance(seen((0, at, ends), (9, at, ends), of=asked(JOB)), Completed)
    for desired in ("complete", "shutdown"):
        failed = tasks(task(2, JOB, state="failed", **{**mine, "desired": desired}))
        fails = (*done[:1], *failed)
        assert isinstance(seen((0, at, fails), (9, at, fails), of=asked(JOB)), Waiting)


def test_what_still_runs_of_a_job_s_last_turn_is_none_of_this_one() -> None:
    at = service(of=JOB, **ITERATION)
    last = tasks(task(1, JOB, desired="complete", JobIteration={"Index": 3}))
    assert seen((0, at, last), of=asked(JOB)) == Waiting(0, 2)


def test_a_job_on_each_node_is_done_after_a_moment_without_news() -> None:
    each = described.spec(mode={"GlobalJob": {}})
    at = service(of=each, **ITERATION)
    mine = {"JobIteration": {"Index": 4}, "desired": "complete", "slot": 0}
    done = tasks(task(1, each, state="complete", **mine))
    assert isinstance(seen((0, at, done), of=asked(each)), Waiting)
    assert isinstance(seen((0, at, done), (9, at, done), of=asked(each)), Completed)


# Specifications
# --------------


def test_what_is_empty_is_the_same_as_what_is_left_out() -> None:
    more = {**AFTER, "EndpointSpec": {"Mode": ""}, "RollbackConfig": None, "Networks": []}
    assert same_spec(more, AFTER)
    assert not same_spec(described.spec(replicas=0), described.spec(replicas=1))
    assert not same_spec(AFTER, BEFORE)


def test_a_task_is_made_of_the_template_but_for_its_placement() -> None:
    [one] = tasks(task(1))
    moved = described.spec(image="app:2", template={"Placement": {"Constraints": ["a==b"]}})
    assert made_of(moved, one)
    network = [{"Target": "n" * 25}]
    old_place = {**AFTER, "Networks": network}
    assert made_of(old_place, one)
    with_both = described.spec(image="app:2", template={"Networks": network}, Networks=network)
    assert made_of(with_both, one)
    assert not made_of({"Name": "odd"}, one)
    elsewhere = described.spec(image="app:2", template={"Networks": network})
    assert not made_of(elsewhere, one)
    assert not made_of(BEFORE, one)


# Properties
# ----------

SPECS = st.sampled_from([BEFORE, AFTER, OTHERS])
TASKS = st.lists(
    st.builds(
        task,
        st.integers(1, 9),
        SPECS,
        slot=st.integers(1, 3),
        state=st.sampled_from(TASK_STATES),
        desired=st.sampled_from(["ready", "running", "shutdown", "remove"]),
        version=st.integers(1, 40),
    ),
    max_size=7,
)
STATES = st.sampled_from(["", *UPDATE_STATES])


@given(st.lists(st.tuples(STATES, SPECS, TASKS, st.floats(0, 50)), min_size=1, max_size=6))
def test_done_is_said_only_where_all_that_is_to_run_is_what_was_asked_for(
    looks: list[tuple[str, dict[str, Any], list[dict[str, Any]], float]],
) -> None:
    now, at = asked(), 0.0
    for state, of, entries, passed in looks:
        at += passed
        found, one = tasks(*entries), service(state, of)
        now = follow(now, one, found, at)
        if isinstance(judge(now, one, found, at), Completed):
            assert one.spec == AFTER
            assert state in ("", "completed", "rollback_completed")
            wanted = [each for each in found if each.wanted]
            runs = {each.slot for each in wanted if each.state == "running"}
            assert all(made_of(AFTER, each) for each in wanted)
            assert len(runs) >= 2


@given(STATES, SPECS, TASKS)
def test_where_nothing_happens_any_more_there_is_an_end(
    state: str, of: dict[str, Any], entries: list[dict[str, Any]]
) -> None:
    now, found, one = asked(), tasks(*entries), service(state, of)
    for at in (0.0, 10.0, TO_PULL + 1):
        now = follow(now, one, found, at)
        verdict = judge(now, one, found, at)
    assert not isinstance(verdict, Waiting)


@given(st.lists(st.tuples(STATES, SPECS, TASKS), min_size=1, max_size=30))
def test_whatever_happens_the_time_is_limited(
    looks: list[tuple[str, dict[str, Any], list[dict[str, Any]]]],
) -> None:
    """Progress is counted once for each place and each state, and there is no other."""
    now, renewed = asked(), 0
    for at, (state, of, entries) in enumerate(looks):
        found, one = tasks(*entries), service(state, BEFORE if of is OTHERS else AFTER)
        then = follow(now, one, found, float(at))
        assert then.since >= now.since
        renewed += then.since > now.since
        now = then
    changes = 2 * sum(of is OTHERS for _, of, _ in looks)
    assert renewed <= (changes + 2) * 3 * (TASK_STATES.index("running") + 1)
