"""What a check concludes from pyinfra's plan and from what the operations told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.drift.report import (
    Difference,
    Host,
    HostReport,
    Report,
    as_json,
    report,
)
from pyinfra_swarm.drift.run import Operation, Run
from pyinfra_swarm.run.exit_code import COULD_NOT_TELL, DRIFT, IN_SYNC
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.drift.drift_examples import (
    AT,
    HOSTS,
    OPERATIONS,
    all_looked,
    failed,
    found,
    host_in,
    looked,
    measure,
    reported,
    run_of,
)

SCHEMA = json.loads((ROOT / "docs/drift.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.validators.validator_for(SCHEMA)(SCHEMA)


def states(run: Run) -> dict[str, str]:
    return {host.name: host.state for host in reported(run).hosts}


def test_hosts_at_which_everything_was_looked_and_nothing_found_are_in_sync() -> None:
    report = reported(run_of(all_looked()))
    assert {host.state for host in report.hosts} == {"in sync"}
    assert report.exit_code == IN_SYNC
    assert host_in(report, "rk1").parts == ("ssh", "docker", "swarm")


def test_a_change_is_drift_with_its_reason_and_the_deploy_that_mends_it() -> None:
    record = found("rk2", "ssh", "sshd PasswordAuthentication", expected="no", found="yes")
    report = reported(run_of([*all_looked(), record], {"SSH": ("rk2",)}))
    [difference] = report.differences
    assert difference.identity == ("rk2", "ssh", "sshd PasswordAuthentication")
    assert difference.mended_by == "deploys/ssh.py"
    assert (difference.found, difference.expected) == ("yes", "no")
    assert host_in(report, "rk2").state == "drifted"
    assert host_in(report, "rk1").state == "in sync"
    assert report.exit_code == DRIFT


def test_a_notice_is_drift_that_no_deploy_mends() -> None:
    record = found("rk2", "swarm", "availability", "notice", remedy="docker node update …")
    report = reported(run_of([*all_looked(), record]))
    [difference] = report.differences
    assert difference.mended_by == ""
    assert difference.remedy == "docker node update …"
    assert report.exit_code == DRIFT


def test_what_is_only_worth_knowing_is_no_drift() -> None:
    record = found("rk2", "preflight", "Docker Engine", "remark")
    report = reported(run_of([*all_looked(), record]))
    assert report.differences == ()
    assert report.exit_code == IN_SYNC


def test_a_part_without_a_deploy_of_its_own_is_mended_by_the_one_that_was_checked() -> None:
    record = found("rk2", "volumes", "the backup")
    [difference] = reported(run_of([*all_looked(), record])).differences
    assert difference.mended_by == "deploys/site.py"


def test_a_refused_host_has_drifted_and_says_that_the_rest_was_not_looked_at() -> None:
    records = [
        *looked("rk1"),
        *looked("rk3"),
        *looked("rk2", "SSH"),
        found("rk2", "ssh", "kernel module esp4", "refusal"),
        failed("rk2", "kernel module esp4: blocked"),
    ]
    host = host_in(reported(run_of(records, status=1)), "rk2")
    assert host.state == "drifted"
    assert host.unknown == "it was refused, so the rest was not checked"
    assert host.parts == ("ssh",)


def unlooked(host: str, part: str, what: str, reason: str) -> dict[str, str]:
    return {"host": host, "part": part, "kind": "not looked", "what": what, "reason": reason}


def test_a_refused_host_of_which_all_else_was_looked_at_hides_nothing() -> None:
    records = [
        *all_looked(),
        found("rk2", "ssh", "sshd AllowUsers", "refusal"),
        found("rk2", "docker", "daemon.json"),
        failed("rk2", "sshd AllowUsers: it keeps debian out"),
    ]
    report = reported(run_of(records, status=1))
    host = host_in(report, "rk2")
    assert (host.state, host.unknown) == ("drifted", "")
    assert [one.part for one in host.differences] == ["ssh", "docker"]
    assert host.refused
    assert report.exit_code == DRIFT


def test_what_rests_on_a_refused_part_is_named_as_not_looked_at() -> None:
    records = [
        *looked("rk1"),
        *looked("rk3"),
        *looked("rk2", "SSH", "Docker", "Docker daemon"),
        found("rk2", "docker", "Docker", "refusal"),
        unlooked("rk2", "swarm", "Swarm", "it rests on docker, which was refused or is unknown"),
        failed("rk2", "Docker: no"),
    ]
    host = host_in(reported(run_of(records, status=1)), "rk2")
    assert host.unknown == (
        "not checked: Swarm (it rests on docker, which was refused or is unknown)"
    )
    assert "swarm" not in host.parts
    assert "docker" in host.parts


def test_parts_that_could_not_be_judged_are_named_each_with_its_reason() -> None:
    records = [
        *looked("rk1"),
        *looked("rk2"),
        *looked("rk3", "Docker", "Docker daemon"),
        unlooked("rk3", "ssh", "SSH", "rk3 did not answer ssh.facts.Effective: a pipe"),
        unlooked("rk3", "swarm", "Swarm", "boom"),
        failed("rk3", "rk3 did not answer ssh.facts.Effective: a pipe"),
    ]
    report = reported(run_of(records, status=1))
    assert host_in(report, "rk3").unknown == (
        "not checked: SSH (rk3 did not answer ssh.facts.Effective: a pipe); "
        "not checked: Swarm (boom)"
    )
    assert report.exit_code == COULD_NOT_TELL


def test_a_silent_host_is_unknown_with_what_pyinfra_said() -> None:
    records = [*looked("rk1"), *looked("rk2"), failed("rk3", "Could not connect (timed out)")]
    report = reported(run_of(records, status=1))
    assert host_in(report, "rk3").state == "unknown"
    assert host_in(report, "rk3").unknown == "Could not connect (timed out)"
    assert report.exit_code == COULD_NOT_TELL


def test_a_host_of_which_nothing_was_heard_is_unknown_even_if_pyinfra_is_content() -> None:
    report = reported(run_of([*looked("rk1"), *looked("rk2")]))
    assert host_in(report, "rk3").unknown == "it reported nothing"
    assert report.exit_code == COULD_NOT_TELL


def test_a_host_that_one_operation_has_not_looked_at_is_unknown() -> None:
    records = [*looked("rk1"), *looked("rk2"), *looked("rk3", "SSH", "Docker", "Swarm")]
    host = host_in(reported(run_of(records)), "rk3")
    assert host.unknown == "not checked: Docker daemon"
    assert host.parts == ("ssh", "swarm")


def test_drift_is_certain_whatever_else_could_not_be_told() -> None:
    records = [*looked("rk1"), *looked("rk2"), found("rk1", "ssh", "sshd"), failed("rk3", "no")]
    assert reported(run_of(records, status=1)).exit_code == DRIFT


def test_what_pyinfra_would_change_without_a_reason_is_drift_all_the_same() -> None:
    report = reported(run_of(all_looked(), {"Docker": ("rk3",)}))
    [difference] = report.differences
    assert difference.identity == ("rk3", "docker", "Docker")
    assert "no reason was given" in difference.reason
    assert difference.mended_by == "deploys/docker.py"
    assert report.exit_code == DRIFT


def test_a_reason_for_one_part_does_not_explain_a_change_of_another() -> None:
    records = [*all_looked(), found("rk3", "ssh", "sshd")]
    report = reported(run_of(records, {"SSH": ("rk3",), "Docker": ("rk3",)}))
    assert [one.identity for one in report.differences] == [
        ("rk3", "ssh", "sshd"),
        ("rk3", "docker", "Docker"),
    ]


def test_a_change_that_two_parts_have_found_is_told_once_and_explains_both() -> None:
    records = [{**record, "changes": record["part"] == "docker"} for record in all_looked()]
    records.append(found("rk3", "ssh", "sshd"))
    report = reported(run_of(records, {"SSH": ("rk3",), "Docker": ("rk3",)}))
    assert [one.identity for one in report.differences] == [("rk3", "ssh", "sshd")]


def test_a_run_in_progress_is_reported_and_not_measured() -> None:
    busy = {
        "kind": "busy",
        "host": "rk1",
        "part": "lock",
        "what": "cluster lock",
        "reason": "held by ada from desk since 06:00",
    }
    records = [*all_looked(), found("rk2", "ssh", "sshd"), busy, measure("managers", {})]
    report = reported(run_of(records))
    assert report.busy == "held by ada from desk since 06:00"
    assert report.exit_code == COULD_NOT_TELL
    assert report.hosts == ()
    assert report.measures == {}


def test_a_run_that_was_too_slow_says_nothing_is_in_sync() -> None:
    report = reported(run_of(all_looked(), status=None, operations=None), timeout=30.0)
    assert report.problem == "the check was ended: it had not finished after 30 seconds"
    assert {host.state for host in report.hosts} == {"unknown"}
    assert report.exit_code == COULD_NOT_TELL


def test_a_run_that_said_nothing_gives_pyinfras_last_words() -> None:
    log = "--> Loading config...\n--> Loading inventory...\n--> No deploy file: x.py\n"
    report = reported(Run(1, None, (), log))
    assert report.problem == "No deploy file: x.py"
    assert report.exit_code == COULD_NOT_TELL


def test_a_deploy_without_operations_has_looked_at_nothing() -> None:
    assert reported(Run(0, (), ())).exit_code == COULD_NOT_TELL


def test_a_host_that_was_not_expected_is_reported_too() -> None:
    records = [*all_looked(), *looked("rk9"), found("rk9", "ssh", "sshd")]
    assert host_in(reported(run_of(records)), "rk9").state == "drifted"


def test_measures_are_kept_apart_by_host() -> None:
    records = [
        *all_looked(),
        measure("managers", {"margin": 1}),
        measure("certificate expires", 1.5, host="rk2"),
    ]
    report = reported(run_of(records))
    assert report.measures == {"managers": {"margin": 1}}
    assert host_in(report, "rk2").measures == {"certificate expires": 1.5}
    assert host_in(report, "rk1").measures == {}


# Whatever happens
# ----------------

names = st.sampled_from([host.name for host in HOSTS])
operations = st.sampled_from(list(OPERATIONS))
parts = st.sampled_from(sorted(set(OPERATIONS.values())))
whats = st.sampled_from(["sshd", "the swarm", "label zone"])
kinds = st.sampled_from(["change", "notice", "refusal"])
records = st.lists(
    st.one_of(
        st.builds(lambda host, name: looked(host, name)[0], names, operations),
        st.builds(found, names, parts, whats, kinds),
        st.builds(failed, names, st.sampled_from(["no answer", ""])),
        st.builds(measure, st.sampled_from(["managers"]), st.integers(), host=names),
    ),
    max_size=30,
)
plans = st.one_of(
    st.none(),
    st.dictionaries(operations, st.lists(names, max_size=3, unique=True).map(tuple)).map(
        lambda changing: tuple(Operation(name, changing.get(name, ())) for name in OPERATIONS)
    ),
)
runs = st.builds(
    Run, st.sampled_from([0, 1, None]), plans, records.map(tuple), st.just("--> it broke")
)


@given(runs)
def test_nothing_is_in_sync_without_proof(run: Run) -> None:
    report = reported(run)
    told = {(r["host"], r["what"]) for r in run.records if r["kind"] == "looked"}
    different = {r["host"] for r in run.records if r["kind"] in ("change", "notice", "refusal")}
    different |= {host for one in run.operations or () for host in one.hosts}
    for host in report.hosts:
        if host.state == "in sync":
            assert run.operations
            assert all((host.name, one.name) in told for one in run.operations)
            assert host.name not in different
    assert {host.name for host in report.hosts} == {host.name for host in HOSTS}


@given(runs)
def test_the_exit_code_is_what_the_hosts_say(run: Run) -> None:
    report = reported(run)
    states = {host.state for host in report.hosts}
    assert (report.exit_code == IN_SYNC) == (states == {"in sync"} and not report.problem)
    assert (report.exit_code == DRIFT) == ("drifted" in states and not report.problem)


@given(runs)
def test_every_report_is_as_its_schema_says(run: Run) -> None:
    data: Any = json.loads(json.dumps(as_json(reported(run))))
    VALIDATOR.validate(data)


def test_the_schema_refuses_what_no_report_is() -> None:
    VALIDATOR.check_schema(SCHEMA)
    data = as_json(reported(run_of(all_looked())))
    for wrong in ({"exit_code": 3}, {"version": 2}, {"at": "yesterday"}, {"colour": "red"}):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate({**data, **wrong})


# At the limits
# -------------


def busy_for(seconds: Any, *, since: bool = True) -> Report:
    record = {"kind": "busy", "host": "rk1", "what": "cluster lock", "seconds": seconds}
    report = reported(run_of([record]))
    return report if since else replace(report, busy_since="")


@pytest.mark.parametrize(
    ("seconds", "since"),
    [
        (60, "2026-11-24T06:11:30Z"),
        (1, "2026-11-24T06:12:29Z"),
        (0, "2026-11-24T06:12:30Z"),
        (-60, "2026-11-24T06:12:30Z"),
        ("long", "2026-11-24T06:12:30Z"),
        (None, "2026-11-24T06:12:30Z"),
        (1e9, "2026-11-24T06:12:30Z"),
        (float("nan"), "2026-11-24T06:12:30Z"),
        (999_999_999.0, "1995-03-18T04:25:51Z"),
    ],
)
def test_since_when_a_run_is_in_progress_is_what_can_be_true(seconds: Any, since: str) -> None:
    report = busy_for(seconds)
    assert (report.busy, report.busy_since) == ("by somebody", since)
    assert report.exit_code == COULD_NOT_TELL


def test_a_run_is_stuck_after_two_hours_and_only_where_it_is_known_since_when() -> None:
    assert busy_for(7200).stuck
    assert not busy_for(7199).stuck
    assert not busy_for(7200, since=False).stuck
    assert not replace(busy_for(7200), busy="").stuck


def test_what_is_said_of_a_run_is_in_its_report() -> None:
    report = reported(
        run_of(all_looked(), seconds=1.234), source="cluster.toml", limit=("rk1", "rk2")
    )
    assert (report.cluster, report.at, report.source) == ("home", AT, "cluster.toml")
    assert (report.deploy, report.limit, report.seconds) == (
        *("deploys/site.py", ("rk1", "rk2"), 1.23),
    )
    rk1 = host_in(report, "rk1")
    assert (rk1.role, rk1.address) == ("manager", "192.168.1.11")
    assert report.problem == ""
    assert report.incomplete == ()


def test_hosts_that_were_not_expected_come_last_in_one_order() -> None:
    records = [*looked("rk9"), *looked("rk8"), *all_looked()]
    report = reported(run_of(records, {"SSH": ("rk7",)}))
    assert [host.name for host in report.hosts] == ["rk1", "rk2", "rk3", "rk7", "rk8", "rk9"]


def test_nobody_looked_at_is_no_host_in_sync() -> None:
    assert reported(run_of([]), hosts=()).exit_code == COULD_NOT_TELL
    assert replace(reported(run_of(all_looked())), hosts=()).exit_code == COULD_NOT_TELL


def test_records_that_cannot_be_read_make_everybody_unknown() -> None:
    run = run_of(all_looked(), unreadable="record 3 cannot be read")
    report = reported(run)
    assert report.problem == "record 3 cannot be read"
    assert {(host.unknown, host.parts) for host in report.hosts} == {
        ("record 3 cannot be read", ())
    }


def last_words(log: str, status: int = 1) -> str:
    return reported(Run(status, None, (), log)).problem


def test_the_last_words_are_those_from_the_last_error() -> None:
    assert last_words("") == "pyinfra ended with status 1 and printed nothing"
    assert last_words(" \n\n", 3) == "pyinfra ended with status 3 and printed nothing"
    assert last_words("--> One\n    a\n--> Two\n    b  \n") == "Two\n    b"
    assert last_words("--> One\n--> Loading...\n    c") == "One\n--> Loading...\n    c"
    lines = [f"line {number}" for number in range(12)]
    assert last_words("\n".join(lines)) == "\n".join(lines[2:])
    assert last_words("\n".join(lines[:3])) == "\n".join(lines[:3])
    long = ["--> Error", *(f"line {number}" for number in range(60))]
    assert last_words("\n".join(long)).split("\n") == ["Error", *long[1:40]]


def test_where_something_was_told_pyinfras_log_is_no_problem_of_all() -> None:
    report = reported(Run(1, None, tuple(looked("rk1")), "--> Stopped"))
    assert report.problem == ""
    assert host_in(report, "rk1").unknown == "pyinfra did not finish its plan"
    assert host_in(report, "rk2").unknown == "it reported nothing"


def unknown(*records: dict[str, Any], **more: Any) -> str:
    return host_in(reported(run_of([*records], **more)), "rk2").unknown


def test_why_a_host_is_not_known_is_what_is_known_of_it() -> None:
    some = looked("rk2", "SSH", "Swarm")
    assert unknown(*looked("rk2")) == ""
    assert unknown(*some) == "not checked: Docker, Docker daemon"
    assert unknown(*some, failed("rk2", "")) == "it failed, and did not say why"
    assert unknown(*some, failed("rk1", "no answer")) == "not checked: Docker, Docker daemon"
    assert unknown(*looked("rk2"), failed("rk2", "late")) == ""
    refusal = found("rk2", "ssh", "x", "refusal")
    assert unknown(*some, failed("rk2", "no answer"), refusal).startswith("it was refused")
    assert unknown(*some, found("rk2", "ssh", "x", "notice")).startswith("not checked")
    assert unknown(*some, status=None) == "the check was ended after 300 seconds"
    strange = unknown(failed("rk2", "No host key for 192.168.1.12 found in known_hosts"))
    assert strange.startswith("No host key for 192.168.1.12")
    assert "log in once by hand" in strange
    assert "log in once" not in unknown(failed("rk2", "no answer"))


def test_a_part_is_looked_at_where_each_of_its_operations_was() -> None:
    report = reported(run_of([*looked("rk1", "SSH", "Docker"), *looked("rk2"), *looked("rk3")]))
    assert host_in(report, "rk1").parts == ("ssh",)
    assert host_in(report, "rk2").parts == ("ssh", "docker", "swarm")
    assert host_in(reported(Run(0, None, tuple(all_looked()))), "rk2").parts == ()


def test_a_change_that_was_found_before_explains_what_pyinfra_would_do() -> None:
    """Operations that look once say later how many changes there were."""
    explained = {**looked("rk2", "Docker daemon")[0], "kind": "told", "changes": 2}
    assert reported(run_of([*all_looked(), explained], {"Docker": ("rk2",)})).differences == ()
    none = {**explained, "changes": 0}
    [difference] = reported(run_of([*all_looked(), none], {"Docker": ("rk2",)})).differences
    assert (difference.host, difference.part, difference.kind) == ("rk2", "docker", "change")
    assert (difference.what, difference.mended_by) == ("Docker", "deploys/docker.py")
    notice = found("rk2", "docker", "x", "notice")
    told = reported(run_of([*all_looked(), notice], {"Docker": ("rk2",)})).differences
    assert [difference.kind for difference in told] == ["notice", "change"]


def test_an_operation_that_nobody_has_looked_at_is_told_without_a_part() -> None:
    records = [record for record in all_looked() if record["what"] != "Docker"]
    [difference] = reported(run_of(records, {"Docker": ("rk2",)})).differences
    assert (difference.part, difference.mended_by) == ("", "deploys/site.py")


def test_a_record_without_texts_is_a_difference_without_them() -> None:
    bare = {"host": "rk2", "kind": "notice"}
    [difference] = reported(run_of([*all_looked(), bare])).differences
    assert (difference.part, difference.what, difference.reason) == ("", "", "")
    assert (difference.expected, difference.found, difference.remedy) == ("", "", "")
    assert difference.since == ""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"found": "3 days"}, {"found": "12 days"}, True),
        ({"found": "3 days"}, {"found": "3 nodes"}, False),
        ({"found": "7"}, {"found": "8"}, True),
        ({"found": "7 x"}, {"found": "8 x"}, False),
        ({"reason": "is late (2 hours)"}, {"reason": "is late (rk1)"}, True),
        ({"reason": "waits: rk1"}, {"reason": "waits: rk2"}, True),
        ({"reason": "waits"}, {"reason": "is late"}, False),
        ({"expected": "1.5 GiB"}, {"expected": "2 GiB"}, True),
        ({"expected": "a"}, {"expected": "b"}, False),
        ({"kind": "notice"}, {"kind": "change"}, False),
    ],
)
def test_another_amount_is_no_other_fault(
    one: dict[str, str], other: dict[str, str], same: bool
) -> None:
    faults = [
        Difference(**{"host": "a", "part": "b", "kind": "notice", "what": "c", "reason": "d", **x})
        for x in (one, other)
    ]
    assert (faults[0].fault == faults[1].fault) is same


def test_a_host_is_refused_by_a_refusal_alone() -> None:
    for kind, refused in (("refusal", True), ("change", False), ("notice", False)):
        records = [*all_looked(), found("rk2", "ssh", "x"), found("rk2", "ssh", "y", kind)]
        assert host_in(reported(run_of(records)), "rk2").refused is refused


def test_texts_of_hosts_are_plain_wherever_they_stand_in_a_report() -> None:
    escape = "\x1b[2J"
    one = Difference("a", "b", "notice", "c", escape, found=escape)
    assert "\x1b" not in one.reason + one.found
    host = HostReport("a", unknown=escape, measures={"x": escape})
    assert "\x1b" not in host.unknown + str(host.measures["x"])
    whole = Report("home", AT, (), busy=escape, problem=f"one{escape}\ntwo", measures={"x": escape})
    assert "\x1b" not in whole.busy + whole.problem + str(whole.measures["x"])
    assert whole.problem.endswith("\ntwo")


def test_what_is_not_said_in_a_report_is_nothing() -> None:
    one, host = Difference("a", "b", "notice", "c", "d"), HostReport("a")
    assert (one.expected, one.found, one.remedy, one.mended_by, one.since) == ("",) * 5
    assert (host.role, host.address, host.unknown, host.since) == ("",) * 4
    assert (Host("a").role, Host("a").address) == ("", "")
    bare = report(run_of(all_looked()), HOSTS, at=AT)
    assert (bare.cluster, bare.source, bare.deploy, bare.problem, bare.busy) == ("",) * 5
    empty = Report("home", AT, ())
    assert (empty.source, empty.deploy, empty.busy, empty.busy_since) == ("",) * 4
    assert empty.seconds == 0.0
    late = report(run_of([], status=None, operations=None), HOSTS, at=AT)
    assert late.problem.endswith("after 0 seconds")


def test_a_record_of_no_host_makes_no_host() -> None:
    made = reported(run_of([*all_looked(), measure("managers", 1), {"kind": "told"}]))
    assert [host.name for host in made.hosts] == ["rk1", "rk2", "rk3"]


def test_the_last_error_is_found_in_a_long_log_and_told_without_blanks() -> None:
    log = "\n".join([*("line",) * 50, "--> Error  ", "   why", "", " "])
    assert last_words(log) == "Error\n   why"
    assert last_words("\n\nalone\n") == "alone"


def test_an_operation_without_a_part_makes_no_part() -> None:
    records = [record for record in all_looked() if record["what"] != "Swarm"]
    assert host_in(reported(run_of(records)), "rk1").parts == ("ssh", "docker")
    nameless = {"host": "rk1", "kind": "looked", "what": "Swarm"}
    assert host_in(reported(run_of([*records, nameless])), "rk1").parts == ("ssh", "docker")


def test_a_busy_report_with_hosts_is_no_drift() -> None:
    drifted = reported(run_of([*all_looked(), found("rk1", "ssh", "x")]))
    assert drifted.exit_code == DRIFT
    assert replace(drifted, busy="by ada").exit_code == COULD_NOT_TELL
    assert replace(drifted, problem="it ended").exit_code == COULD_NOT_TELL
