"""What a person reads at the end of a run, and what a program reads of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.host import Host
from pyinfra.context import ctx_state

from pyinfra_swarm.run import ending, reporting
from pyinfra_swarm.run.context import begin_another_run, this_run
from pyinfra_swarm.run.findings import Change, Notice, Refusal

HOSTS = ["rk1", "rk2", "rk3"]
COMMAND = "pyinfra inventory.py deploys/site.py"
TO_GO_ON = [
    "A run can be repeated at any time; it leaves what is done as it is. To go on, type:",
    f"  {COMMAND}",
]


def closing(
    unfinished: dict[str, str] | None = None,
    changed: dict[str, int] | None = None,
    *,
    applied: bool = True,
    interrupted: bool = False,
    notices: int = 0,
) -> list[str]:
    blank, *lines = ending.closing_lines(
        hosts=HOSTS,
        unfinished=unfinished or {},
        changed=changed or {},
        notices=notices,
        applied=applied,
        interrupted=interrupted,
        command=COMMAND,
    )
    assert blank == ""
    return lines


def test_a_converged_cluster_is_said_to_be_as_declared() -> None:
    for applied in (True, False):
        assert closing(applied=applied) == ["All 3 hosts are as declared. Nothing was changed."]


def test_what_is_only_reported_is_not_counted_as_mended() -> None:
    assert closing(changed={"rk1": 2}, notices=1) == [
        "All 3 hosts are done: 2 differences fixed. 1 item marked ! above is left to you."
    ]


def test_what_was_mended_is_counted() -> None:
    assert closing(changed={"rk1": 2, "rk3": 1}) == ["All 3 hosts are done: 3 differences fixed."]


def test_hosts_that_could_not_be_looked_at_are_not_said_to_have_no_differences() -> None:
    lines = closing(dict.fromkeys(HOSTS, "Could not connect"), applied=False)
    assert lines[0] == "0 of 3 hosts could be looked at."
    assert not any("difference" in line for line in lines)


def test_a_dry_run_says_that_nothing_was_changed_yet() -> None:
    lines = closing(changed={"rk1": 2}, applied=False)
    assert lines == ["2 differences, on 1 of 3 hosts; nothing was changed yet."]
    lines = closing(changed={"rk1": 1}, applied=False)
    assert lines == ["1 difference, on 1 of 3 hosts; nothing was changed yet."]


def test_what_is_only_reported_is_not_called_as_declared() -> None:
    assert closing(notices=2) == [
        "All 3 hosts are as declared, except for the 2 items marked ! above. Nothing was changed."
    ]


def test_a_host_that_is_not_done_is_named_with_the_reason_and_the_way_on() -> None:
    assert closing({"rk2": "no answer"}, {"rk1": 1}) == [
        "2 of 3 hosts are done: rk1, rk3.",
        "  not done: rk2: no answer",
        *TO_GO_ON,
    ]


def test_a_dry_run_that_could_not_look_everywhere_claims_no_change() -> None:
    assert closing({"rk2": "no answer"}, {"rk1": 1}, applied=False)[:2] == [
        "2 of 3 hosts could be looked at: rk1, rk3.",
        "  1 difference found on them; nothing was changed.",
    ]


def test_when_nothing_worked_nobody_is_said_to_be_done() -> None:
    lines = closing(dict.fromkeys(HOSTS, "refused"))
    assert lines[0] == "0 of 3 hosts are done."
    assert len(lines) == 1 + 3 + 2


def test_an_interrupted_run_claims_nothing_about_its_hosts() -> None:
    for unfinished in ({}, {"rk2": "no answer"}):
        lines = closing(unfinished, {"rk1": 1}, interrupted=True)
        assert lines[0] == "The run was interrupted; some hosts may be only partly changed."
        assert lines[-2:] == TO_GO_ON
        assert not any("done:" in line or "are done" in line for line in lines)


# The reasons as JSON lines
# -------------------------


@pytest.fixture
def host() -> Iterator[Host]:
    begin_another_run()
    state = State(Inventory((["@fake/rk1"], {})), Config())
    found: Host = state.inventory.get_host("@fake/rk1")
    with ctx_state.use(state):
        yield found


def test_findings_are_written_as_json_lines_each_once_a_run(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reasons = tmp_path / "reasons.jsonl"
    monkeypatch.setenv("SWARM_REASONS", str(reasons))
    findings = [
        Change("ingress", "is not encrypted", expected="encrypted", found="clear text"),
        Notice("node rk9", "is in the swarm, but not declared", remedy="Declare it"),
        Refusal("the swarm", "was not initialised: “rk2” is silent"),
    ]
    reporting.report(host, "swarm", findings)
    reporting.report(host, "swarm", findings)  # as the operation's body does when it is carried out
    records = [json.loads(line) for line in reasons.read_text().splitlines()]
    assert records == [
        {
            "host": "@fake/rk1",
            "part": "swarm",
            "phase": "plan",
            "kind": "change",
            "what": "ingress",
            "reason": "is not encrypted",
            "expected": "encrypted",
            "found": "clear text",
            "remedy": "",
        },
        {
            "host": "@fake/rk1",
            "part": "swarm",
            "phase": "plan",
            "kind": "notice",
            "what": "node rk9",
            "reason": "is in the swarm, but not declared",
            "expected": "",
            "found": "",
            "remedy": "Declare it",
        },
        {
            "host": "@fake/rk1",
            "part": "swarm",
            "phase": "plan",
            "kind": "refusal",
            "what": "the swarm",
            "reason": "was not initialised: “rk2” is silent",
            "expected": "",
            "found": "",
            "remedy": "",
        },
    ]
    assert this_run(reporting.Reported).changes == {"@fake/rk1": 1}


def test_a_disk_that_fills_up_is_said_once_and_ends_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SWARM_REASONS", "/dev/full")
    reporting.report(host, "swarm", [Change("ingress", "is not encrypted")])
    reporting.report(host, "swarm", [Change("ingress", "is gone")])
    assert this_run(reporting.Reported).changes == {"@fake/rk1": 2}
    said = [line.getMessage() for line in caplog.records if "SWARM_REASONS" in line.getMessage()]
    assert said == [
        "SWARM_REASONS = /dev/full: the findings cannot be written there: No space left on device; "
        "the run goes on without"
    ]


def test_without_a_path_nothing_is_written(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWARM_REASONS", raising=False)
    monkeypatch.chdir(tmp_path)
    reporting.report(host, "swarm", [Change("ingress", "is not encrypted")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("finding", "sentence"),
    [
        (Change("a", "is off"), "a: is off"),
        (Change("a", "is off", expected="on"), "a: is off (→ on)"),
        (Change("a", "is off", found="off"), "a: is off (found off)"),
        (Change("a", "is off", "on", "off", "Do it"), "a: is off (off → on). Do it"),
    ],
)
def test_a_finding_is_one_sentence(finding: Change, sentence: str) -> None:
    assert finding.sentence() == sentence
