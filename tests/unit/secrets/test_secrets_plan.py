"""What becomes of declared secrets and configs, and of the services that use them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal, Remark
from pyinfra_swarm.secrets.objects import Key, Seen, User
from pyinfra_swarm.secrets.plan import flipped, may_go, measures, names_after, plan, unneeded
from pyinfra_swarm.secrets.steps import (
    NOTHING,
    Asked,
    Await,
    AwaitOldTasks,
    Create,
    Flip,
    MakeCurrent,
    Remove,
    Wanted,
    Withdraw,
)
from pyinfra_swarm.services.service import Task
from tests.builders import the
from tests.models.secrets.world import spec
from tests.unit.secrets.swarms import DAY, DB, NOW, SITE, seen, stranger, user, version, wanted

V1, V2, V3, V4 = map(version, (1, 2, 3, 4))
BACK = Asked("db_password", back=True)
AGAIN = Asked("db_password")


def planned(
    there: Seen,
    *declared: Wanted,
    asked: Asked = NOTHING,
    living: Sequence[str] = (),
    ending: Sequence[Task] = (),
    down: Collection[str] = (),
) -> list[Finding]:
    return plan(declared, there, asked=asked, living=living, ending=ending, down=down, now=NOW)


def steps(findings: list[Finding]) -> list[str]:
    """The steps in their order, each with what it is about."""
    found = []
    for one in findings:
        match one:
            case Create() | MakeCurrent():
                found.append(f"{type(one).__name__} {one.expected}")
            case Withdraw():
                found.append(f"Withdraw {one.found}")
            case Flip() | Await() | AwaitOldTasks():
                found.append(f"{type(one).__name__} {one.service}")
            case Remove():
                found.append(f"Remove {one.name}")
    return found


# Versions
# --------


def test_what_is_declared_and_not_there_is_created() -> None:
    [create] = planned(seen(), wanted())
    assert isinstance(create, Create)
    assert (create.version, create.turn) == (1, 1)
    assert (
        create.sentence() == "secret db_password: is declared and does not exist (→ db_password_v1)"
    )


def test_where_all_is_as_declared_nothing_is_done() -> None:
    there = seen(V1, V2, user("web", V2, before=[V1], update="completed"))
    assert planned(there, wanted(V2)) == []


def test_a_changed_value_is_created_flipped_and_the_oldest_version_removed() -> None:
    there = seen(V1, V2, user("web", V2, before=[V1]), user("api", V2, before=[V1]))
    found = planned(there, wanted())
    assert steps(found) == [
        "Create db_password_v3",
        "Flip api",
        "Flip web",
        "Remove db_password_v1",
    ]
    assert found[1].sentence() == (
        "service api: does not use the current version of secret db_password "
        "(db_password_v2 → db_password_v3)"
    )


def test_the_version_before_is_kept_for_one_round() -> None:
    there = seen(V1, V2, V3, user("web", V3, before=[V2]))
    assert steps(planned(there, wanted(V3))) == ["Remove db_password_v1"]
    assert steps(planned(seen(V2, V3, user("web", V3)), wanted(V3))) == []


def test_a_value_that_an_older_version_has_is_no_new_version() -> None:
    there = seen(V1, V2, user("web", V2))
    found = planned(there, wanted(V1))
    assert steps(found) == ["MakeCurrent db_password_v1", "Flip web"]
    assert "its declared value is that of db_password_v1 again" in found[0].sentence()
    again = replace(V1, turn=3)
    assert planned(seen(again, V2, user("web", again, before=[V2])), wanted(again)) == []


def test_what_a_service_a_rollback_or_a_task_could_need_stays() -> None:
    for using in (
        user("old", V1),
        user("old", V3, before=[V1]),
        user("old", V1, mode="replicated-job"),
    ):
        there = seen(V1, V2, V3, using)
        assert "Remove db_password_v1" not in steps(planned(there, wanted(V3)))
        assert unneeded(wanted(V3), there) == ()
    there = seen(V1, V2, V3)
    assert [one.name for one in may_go([wanted(V3)], there)] == ["db_password_v1"]
    assert steps(planned(there, wanted(V3), living=[V1.id])) == []
    assert unneeded(wanted(V3), there, [V1.id]) == ()
    assert unneeded(wanted(V3), there) == (V1,)


def test_tasks_are_worth_asking_for_only_where_something_could_go() -> None:
    there = seen(V1, V2, V3)
    assert may_go([wanted(V3)], there) == (V1,)
    assert may_go([wanted(V3, problem="locked")], there) == ()
    assert may_go([wanted(V3)], there, asked=BACK) == ()
    assert may_go([wanted(V3)], replace(there, problem="no leader")) == ()
    assert may_go([wanted(V3)], there, asked=Asked("another")) == ()
    flipped_first = seen(V1, V2, V3, user("web", V2, before=[V1]))
    assert may_go([wanted(V3)], flipped_first) == (V1,)
    plain = stranger("db_password")
    not_adopted = seen(V1, V2, V3, plain, user("web", plain, before=[V1]))
    assert may_go([wanted(V3)], not_adopted) == ()
    assert may_go([wanted(V3, adopt=True)], not_adopted) == (V1,)


def test_the_current_version_never_goes_however_old_it_is() -> None:
    again = replace(V1, turn=9)
    there = seen(again, V2, V3)
    assert unneeded(wanted(again), there) == (V2,)
    assert steps(planned(there, wanted(again))) == ["Remove db_password_v2"]


def test_the_number_of_somebody_elses_object_is_left_out_and_told() -> None:
    found = planned(seen(V1, stranger("db_password_v2")), wanted())
    assert steps(found) == ["Create db_password_v3"]
    assert "db_password_v2 has a name of its versions, and is not made by" in found[1].sentence()


# Services
# --------


def test_a_service_gets_all_current_versions_at_once() -> None:
    site = version(1, SITE)
    there = seen(V1, site, user("web", V1, site))
    found = planned(there, wanted(), wanted(key=SITE))
    assert steps(found) == ["Create db_password_v2", "Create site_v2", "Flip web"]
    assert "secret db_password and config site" in found[2].sentence()


def test_a_service_that_uses_nothing_of_ours_is_left_alone() -> None:
    there = seen(V1, V2, stranger("api_key"), user("web", stranger("api_key")), user("db", V2))
    assert planned(there, wanted(V2)) == []


def test_a_job_is_told_and_not_run_again() -> None:
    job = user("migrate", V1, mode="replicated-job")
    [notice] = planned(seen(V1, V2, job), wanted(V2))
    assert isinstance(notice, Notice)
    assert "is a job, which would run again" in notice.reason
    assert (
        "`docker service update --detach --secret-rm db_password_v1 --secret-add "
        "source=db_password_v2,target=secret,uid=0,gid=0,mode=0444 migrate`"
    ) in notice.remedy


def test_an_update_that_an_interrupted_run_has_begun_is_awaited() -> None:
    for state in ("updating", "paused", "rollback_started", "rollback_paused"):
        there = seen(V1, V2, user("web", V2, before=[V1], update=state))
        [await_] = planned(there, wanted(V2))
        assert isinstance(await_, Await)
        assert await_.ours


def test_an_update_of_somebody_else_is_none_of_ours_unless_the_service_is_to_be_flipped() -> None:
    for state in ("updating", "paused"):
        there = seen(V1, V2, user("web", V2, before=[V2], update=state))
        assert planned(there, wanted(V2)) == []
    there = seen(V1, V2, user("web", V1, before=[V1], update="updating"))
    found = planned(there, wanted(V2))
    assert steps(found) == ["Await web", "Flip web"]
    assert isinstance(found[0], Await)
    assert not found[0].ours
    there = seen(V1, V2, user("web", V1, before=[V2], update="rollback_started"))
    assert steps(planned(there, wanted(V2))) == ["Flip web"]


def test_only_an_update_to_another_version_of_what_is_declared_is_ours() -> None:
    """A new service, another secret, a job: their owners see to them."""
    other, newer = stranger("api_key"), stranger("api_key_2")
    for whose in (
        user("web", V2, update="paused"),
        user("web", V2, newer, before=[V2, other], update="paused"),
        user("web", V2, before=[V1], update="updating", mode="global-job"),
    ):
        assert planned(seen(V1, V2, other, newer, whose), wanted(V2)) == []


def test_an_update_that_the_managers_call_completed_over_failing_tasks_is_awaited() -> None:
    """As where a run was interrupted in the middle, and the failure action is “continue”."""
    fails = user("web", V2, before=[V1], update="completed")
    fails = replace(fails, goes_on=True, tasks=(1, 2), ended=NOW - DAY + 1)
    [await_] = planned(seen(V1, V2, fails), wanted(V2))
    assert isinstance(await_, Await)
    assert (await_.id, await_.ours, await_.found) == (fails.id, True, "completed")


@pytest.mark.parametrize(
    "differing",
    [
        {"goes_on": False},
        {"tasks": (2, 2)},
        {"tasks": (3, 2)},
        {"tasks": None},
        {"ended": NOW - DAY},
        {"ended": None},
        {"previous": ()},
        {"mode": "global-job"},
        {"update": ""},
        {"update": "rollback_completed"},
    ],
    ids=str,
)
def test_what_fails_for_other_reasons_is_no_reason_to_go_back(differing: dict[str, Any]) -> None:
    fails = user("web", V2, before=[V1], update="completed")
    fails = replace(fails, goes_on=True, tasks=(1, 2), ended=NOW)
    assert steps(planned(seen(V1, V2, replace(fails, **differing)), wanted(V2))) == []


def test_each_open_update_is_awaited_in_the_order_of_names() -> None:
    there = seen(
        V1,
        V2,
        user("web", V2, before=[V1], update="updating"),
        user("db", V2, before=[V1], update="completed"),
        user("api", V2, before=[V1], update="paused"),
    )
    assert steps(planned(there, wanted(V2))) == ["Await api", "Await web"]


def test_a_service_with_an_object_that_is_not_ours_is_named_and_adopted_only_if_declared() -> None:
    plain = stranger("db_password")
    there = seen(V1, plain, user("web", plain))
    [notice] = planned(there, wanted(V1))
    assert isinstance(notice, Notice)
    assert "used by web" in notice.sentence()
    assert "adopt = true" in notice.remedy
    [flip] = planned(there, wanted(V1, adopt=True))
    assert isinstance(flip, Flip)
    assert flip.old == (plain.id,)


def test_only_the_services_that_use_what_is_not_ours_are_named_in_their_order() -> None:
    plain, other = stranger("db_password"), stranger("api_key")
    users = user("web", other, plain), user("api", plain), user("db", V1), user("mail", other)
    [notice] = planned(seen(V1, plain, other, *users), wanted(V1))
    assert notice.reason.endswith("it is used by api and web")
    assert planned(seen(V1, plain, other, *users[2:]), wanted(V1)) == []
    assert planned(seen(V1, user("db", V1)), wanted(V1, adopt=True)) == []


def test_jobs_are_told_in_the_order_of_their_names_and_what_is_no_file_stays_none() -> None:
    jobs = [user(name, V1, mode="global-job") for name in ("web", "api", "db")]
    [bare] = jobs[0].references
    jobs[0] = replace(jobs[0], references=(replace(bare, file=None),))
    found = planned(seen(V1, V2, *jobs), wanted(V2))
    assert [one.what for one in found] == ["service api", "service db", "service web"]
    assert "--secret-add source=db_password_v2 web`" in found[2].remedy


def test_another_name_that_begins_alike_is_no_user() -> None:
    app, vault = Key("secret", "app"), Key("secret", "app_vault")
    old, new, of_vault = version(1, app), version(2, app), version(1, vault)
    there = seen(old, new, of_vault, user("a", old), user("b", of_vault))
    assert steps(planned(there, wanted(new, app), wanted(of_vault, vault))) == ["Flip a"]


# A specification flipped
# -----------------------


def step_of(findings: list[Finding]) -> Flip:
    [flip] = [one for one in findings if isinstance(one, Flip)]
    return flip


def test_only_the_references_change_and_the_rest_stays_as_it_was() -> None:
    file = {"Name": "/etc/app/pw", "UID": "70", "GID": "71", "Mode": 256}
    there = seen(V1, V2, user("web", V1))
    step = step_of(planned(there, wanted(V2)))
    old = spec("web", V1, file=file)
    assert flipped(old, there, step) == spec("web", V2, file=file)
    assert flipped(spec("web", V2, file=file), there, step) is None
    assert old == spec("web", V1, file=file)


def test_what_is_not_adopted_stays_where_a_service_uses_both() -> None:
    plain = stranger("db_password")
    both = user("web", V1, plain)
    there = seen(V1, V2, plain, both)
    left = flipped(spec("web", V1, plain), there, step_of(planned(there, wanted(V2))))
    assert left == spec("web", plain, V2)
    adopted = step_of(planned(there, wanted(V2, adopt=True)))
    taken = flipped(spec("web", V1, plain), there, adopted)
    assert taken is not None
    names = [one["SecretName"] for one in taken["TaskTemplate"]["ContainerSpec"]["Secrets"]]
    assert names == ["db_password_v2", "db_password_v2"]


def test_two_secrets_of_one_service_each_get_their_own() -> None:
    other = Key("secret", "api_key")
    old, new = version(1, other), version(2, other)
    there = seen(V1, V2, old, new, user("web", V1, old))
    step = step_of(planned(there, wanted(V2), wanted(new, other)))
    assert flipped(spec("web", V1, old), there, step) == spec("web", V2, new)


def test_what_has_no_current_version_any_more_stays_and_the_rest_is_flipped() -> None:
    """Somebody has taken it away between the plan and the step's turn."""
    other = Key("secret", "api_key")
    old, new, undeclared = version(1, other), version(2, other), version(1, Key("secret", "aaa"))
    there = seen(old, new, V1, V2, undeclared, user("web", old, V1, undeclared))
    step = step_of(planned(there, wanted(new, other), wanted(V2)))
    now = seen(replace(new, withdrawn=NOW), replace(old, withdrawn=NOW), V1, V2, undeclared)
    flipped_now = flipped(spec("web", old, V1, undeclared), now, step)
    assert flipped_now is not None
    used = flipped_now["TaskTemplate"]["ContainerSpec"]["Secrets"]
    assert [one["SecretName"] for one in used] == ["aaa_v1", "api_key_v1", "db_password_v2"]


def test_only_what_the_step_is_about_is_flipped() -> None:
    """Versions of ours that nobody declares, or that were not asked for, are none of it."""
    other = Key("secret", "api_key")
    old, new = version(1, other), version(2, other)
    there = seen(V1, V2, old, new, user("web", V1, old))
    step = step_of(planned(there, wanted(V2), wanted(new, other), asked=AGAIN))
    assert flipped(spec("web", V1, old), there, step) == spec("web", V2, old)
    assert flipped(spec("web", V2, old), there, step) is None


def test_what_is_current_already_stays_as_it_is_whatever_its_order() -> None:
    """References are sorted where one of them is replaced; another order restarts the tasks."""
    keys = Key("secret", "a"), Key("secret", "b")
    current = [version(1, key) for key in keys]
    used = spec("web", *current)
    used["TaskTemplate"]["ContainerSpec"]["Secrets"].reverse()
    step = Flip("", "", id="s", service="web", keys=keys, old=())
    assert flipped(used, seen(*current), step) is None


# Back
# ----


def test_a_way_back_takes_the_current_version_back_everywhere() -> None:
    there = seen(V1, V2, user("api", V2), user("web", V2))
    found = planned(there, wanted(), asked=BACK)
    assert steps(found) == ["Withdraw db_password_v2", "Flip api", "Flip web"]
    assert found[1].expected == "db_password_v1"


def test_after_a_way_back_nothing_is_flipped_forward_again() -> None:
    taken = replace(V2, withdrawn=NOW)
    there = seen(V1, taken, user("web", V1, before=[taken], update="completed"))
    [notice] = planned(there, wanted(taken))
    assert isinstance(notice, Notice)
    assert "which was taken back on 2027-01-15 08:00 UTC; services stay at db_password_v1" in (
        notice.sentence()
    )
    assert unneeded(wanted(taken), there) == ()
    assert steps(planned(there, wanted(taken), asked=AGAIN)) == [
        "MakeCurrent db_password_v2",
        "Flip web",
    ]
    assert steps(planned(there, wanted())) == [
        "Create db_password_v3",
        "Flip web",
        "Remove db_password_v2",
    ]


def test_a_way_back_that_is_asked_for_again_goes_no_further() -> None:
    taken = replace(V3, withdrawn=NOW)
    half = seen(V1, V2, taken, user("api", V2), user("web", taken))
    assert steps(planned(half, wanted(), asked=BACK)) == ["Flip web"]
    whole = seen(V1, V2, taken, user("api", V2), user("web", V2, before=[taken]))
    [notice] = planned(whole, wanted(), asked=BACK)
    assert isinstance(notice, Notice)
    assert "db_password_v3 was taken back already" in notice.sentence()
    newer = seen(V1, V2, taken, V4, user("web", V4))
    assert steps(planned(newer, wanted(), asked=BACK)) == ["Withdraw db_password_v4", "Flip web"]


def test_a_way_back_that_is_asked_for_again_needs_no_version_but_the_one_it_has_come_to() -> None:
    there = seen(V1, replace(V2, withdrawn=NOW), user("web", V1))
    assert "db_password_v2 was taken back already" in the(
        Notice, planned(there, wanted(), asked=BACK)
    )


def test_where_the_only_version_was_taken_back_services_are_left_alone() -> None:
    taken = replace(V1, withdrawn=NOW, created=NOW - 10 * DAY)
    there = seen(taken, user("web", taken))
    notice = the(Notice, planned(there, wanted(taken, max_age=1)))
    assert "which was taken back on 2027-01-15 08:00 UTC; no version is left" in notice
    assert unneeded(wanted(taken), seen(taken)) == ()
    [refusal] = planned(there, wanted(), asked=BACK)
    assert isinstance(refusal, Refusal)
    assert refusal.found == "none"
    [again] = planned(there, wanted(taken), asked=AGAIN)
    assert isinstance(again, MakeCurrent)
    assert (again.id, again.turn, again.found) == (taken.id, 2, "")


def test_the_version_that_gives_way_to_an_older_one_is_kept_to_go_back_to() -> None:
    found = planned(seen(V1, V2, V3), wanted(V1))
    assert steps(found) == ["MakeCurrent db_password_v1", "Remove db_password_v2"]
    assert unneeded(wanted(V1), seen(V1, V2, V3)) == (V2,)


def test_where_there_is_no_version_none_can_go() -> None:
    assert unneeded(wanted(), seen()) == ()


def test_there_has_to_be_a_version_to_go_back_to() -> None:
    sentence = the(Refusal, planned(seen(V2, user("web", V2)), wanted(), asked=BACK))
    assert "no version before the current one" in sentence
    the(Refusal, planned(seen(), wanted(), asked=BACK))
    assert "does not say which" in the(Refusal, planned(seen(), wanted(), asked=Asked(back=True)))


# Only one, names
# ---------------


def test_only_the_one_that_is_asked_for_is_rotated() -> None:
    there = seen(V1, user("web", V1))
    found = planned(there, wanted(), wanted(key=SITE), asked=AGAIN)
    assert steps(found) == ["Create db_password_v2", "Flip web"]
    names = ("web", "s`te", "db_password", "mail")
    several = [wanted(key=Key("secret", name)) for name in names]
    [refusal] = planned(there, *several, asked=Asked("db_pasword"))
    assert isinstance(refusal, Refusal)
    assert refusal.remedy == "Declared are db_password, mail, s'te and web"


def test_the_names_of_a_plan_are_those_that_it_leaves() -> None:
    there = seen(V1, version(2, SITE))
    declared = [wanted(), wanted(version(2, SITE), SITE)]
    assert names_after(declared, there) == {DB: "db_password_v2", SITE: "site_v2"}
    assert names_after(declared, seen(V1, V2, version(2, SITE)), BACK) == {
        DB: "db_password_v1",
        SITE: "site_v2",
    }
    assert names_after([wanted(), wanted(key=SITE)], seen(), AGAIN) == {DB: "db_password_v1"}


# Reported
# --------


def test_a_value_that_cannot_be_had_refuses_everything() -> None:
    broken = wanted(problem="`pass show db` failed: gpg: no secret key")
    found = planned(seen(V1, V2, user("web", V1)), wanted(version(1, SITE), SITE), broken)
    assert "gpg: no secret key" in the(Refusal, found)
    assert steps(planned(seen(V1, V2), broken, asked=BACK)) != []


def test_a_manager_that_cannot_list_them_is_a_refusal() -> None:
    there = Seen(problem="the swarm has no leader")
    assert "the swarm has no leader" in the(Refusal, planned(there, wanted()))


def test_an_old_value_is_told_with_its_age() -> None:
    old = replace(V1, created=NOW - 200 * DAY)
    [notice] = planned(seen(old), wanted(old, max_age=180 * 86400))
    assert isinstance(notice, Notice)
    assert (notice.expected, notice.found) == ("at most 180 days", "200 days")
    assert planned(seen(old), wanted(old, max_age=200 * 86400)) == []
    assert steps(planned(seen(old), wanted(max_age=86400))) == ["Create db_password_v2"]


def test_a_line_end_that_became_part_of_a_secret_is_told() -> None:
    assert planned(seen(V1), wanted(V1)) == []
    [notice] = planned(seen(V1), wanted(V1, line_end=True))
    assert isinstance(notice, Notice)
    assert notice.what == "line end of secret db_password"
    assert 'newline = "strip"' in notice.remedy


def test_versions_that_nobody_declares_are_told_with_who_uses_them() -> None:
    there = seen(V1, V2, user("web", V2), user("db", stranger("api_key")))
    [notice] = planned(there)
    assert isinstance(notice, Notice)
    assert notice.reason == "is not declared any more, and is used by web"
    [notice] = planned(seen(V1, V2))
    assert isinstance(notice, Notice)
    assert "`docker secret rm db_password_v2 db_password_v1`" in notice.remedy
    assert planned(seen(stranger("api_key"))) == []
    zoo, bar = version(1, Key("secret", "zoo")), version(1, Key("secret", "bar"))
    found = planned(seen(zoo, version(1, SITE), V1, bar), wanted(version(1, SITE), SITE))
    assert [one.what for one in found] == ["secret bar", "secret db_password", "secret zoo"]


def test_a_step_is_never_told_twice_under_one_name() -> None:
    old = replace(V1, created=NOW - 400 * DAY)
    there = seen(
        old,
        V2,
        V3,
        stranger("db_password_v9"),
        stranger("db_password"),
        user("web", V3, stranger("db_password")),
        user("job", V2, mode="global-job"),
    )
    found = planned(there, wanted(V3, max_age=1), wanted(key=SITE))
    names = [one.what for one in found]
    assert len(names) == len(set(names))
    assert len(names) >= 5


def test_what_reports_show_of_each() -> None:
    there = seen(V1, V2, user("web", V2), user("api", V1), user("db", stranger("x")))
    assert measures([DB, SITE], there, NOW) == [
        {
            "kind": "config",
            "name": "site",
            "version": 0,
            "versions": 0,
            "users": 0,
            "age_days": None,
        },
        {
            "kind": "secret",
            "name": "db_password",
            "version": 2,
            "versions": 2,
            "users": 2,
            "age_days": 10.0,
        },
    ]


@pytest.mark.parametrize(("days", "told"), [(1.256, 1.26), (1000, 1000.0), (-3, 0.0)])
def test_an_age_is_told_in_days(days: float, told: float) -> None:
    [one] = measures([DB], seen(replace(V1, created=NOW - days * DAY)), NOW)
    assert one["age_days"] == told


@pytest.mark.parametrize("kind", [Change, Finding])
def test_no_step_is_carried_out_by_its_words(kind: type[Finding]) -> None:
    for step in (Create, MakeCurrent, Withdraw, Await, Flip, Remove):
        assert issubclass(step, kind)


# What a run that was interrupted has left
# ----------------------------------------


def test_old_tasks_are_awaited_by_the_next_run_unless_it_awaits_their_service_anyway() -> None:
    """Who has stopped a run while it waited for them would take the old value away too early."""

    def old(service: User) -> Task:
        template = spec(service.name, V2)["TaskTemplate"]
        return Task("t", service.id, 1, "n", "shutdown", "running", "", "", None, 1, template)

    web, late, busy = user("web", V3), user("late", V2), user("busy", V3, before=[V2])
    busy = replace(busy, update="updating")
    there = seen(V2, V3, web, late, busy)
    ending = [old(one) for one in (web, late, busy)]
    assert steps(planned(there, wanted(V3), ending=ending)) == [
        "Await busy",
        "Flip late",
        "AwaitOldTasks web",
    ]
    assert steps(planned(seen(V2, V3, web), wanted(V3), ending=ending)) == ["AwaitOldTasks web"]
    told_long_ago = [replace(one, updated=NOW - 60) for one in ending]
    [told] = planned(seen(V2, V3, web), wanted(V3), ending=told_long_ago)
    assert isinstance(told, Notice)
    assert "1 old task of web: was told to stop, and has not been seen to stop" in told.sentence()
    [away] = planned(seen(V2, V3, web), wanted(V3), ending=ending, down={"n"})
    assert isinstance(away, Remark)
