"""What a person reads at the end of a run, and what a program reads of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.api.host import Host
from pyinfra.context import ctx_state

from pyinfra_swarm.run import ending, reporting
from pyinfra_swarm.run.context import begin_another_run, this_run
from pyinfra_swarm.run.findings import Change, Notice, Refusal, Remark, Whole
from pyinfra_swarm.run.reported import Reported
from pyinfra_swarm.run.telling import Told

HOSTS = ["rk1", "rk2", "rk3"]
COMMAND = "pyinfra inventory.py deploys/site.py"
TO_GO_ON = [
    "A run can be repeated at any time; it leaves what is done as it is. To go on, type:",
    f"  {COMMAND}",
]


def changes(*places: tuple[str, str]) -> list[Told]:
    """A change for each host and thing."""
    return [Told(host, "docker", Change(what, "differs")) for host, what in places]


def notice(*hosts: str) -> list[Told]:
    return [Told(host, "swarm", Notice("node rk9", "is not declared")) for host in hosts]


def closing(told: Sequence[Told] = (), **fields: Any) -> list[str]:
    """The last lines; what was found is also what was carried out, unless it is said otherwise."""
    done = [one for one in told if one.finding.kind == "change"]
    made = {"carried_out": done, "seconds": 72, **fields}
    if not made.get("applied", True):
        made["carried_out"] = []
    blank, *lines = ending.closing_lines(ending.End(HOSTS, COMMAND, told, **made))
    assert blank == ""
    return lines


EVERYWHERE = [(host, "daemon.json") for host in HOSTS]


def test_a_converged_cluster_is_said_to_be_as_declared() -> None:
    for applied in (True, False):
        assert closing(applied=applied) == ["All 3 hosts are as declared. Nothing was changed."]


def test_what_was_done_is_told_by_host_and_counted_once_for_all() -> None:
    told = [*changes(*EVERYWHERE, ("rk2", "docker.service")), *notice("rk1")]
    assert closing(told) == [
        "All 3 hosts are done after 1:12: 2 changed, 1 for you.",
        "  rk1, rk3: docker (daemon.json)",
        "  rk2: docker (daemon.json, docker.service)",
    ]


def test_many_things_on_a_host_are_not_all_listed() -> None:
    told = changes(*(("rk1", f"thing {number}") for number in range(9)))
    assert closing(told)[1] == "  rk1: docker (thing 0, thing 1, thing 2 and 6 more)"


def test_the_pieces_of_one_declared_thing_are_one_thing_that_was_done() -> None:
    port = Whole("8080/tcp from anywhere", "is to be opened")
    told = [
        Told(host, "firewall", Change(what, "lacks a rule", within=port))
        for host in HOSTS
        for what in ("SWARM-INPUT (IPv4)", "SWARM-INPUT (IPv6)", "firewall.ipv4")
    ]
    assert closing(told) == [
        "All 3 hosts are done after 1:12: 1 changed.",
        "  rk1–rk3: firewall (8080/tcp from anywhere)",
    ]


def test_what_others_operations_did_is_told_and_counted_as_well() -> None:
    assert closing(other=[("Install vim", ["rk1", "rk2", "rk3"])]) == [
        "All 3 hosts are done after 1:12: 1 changed.",
        "  rk1–rk3: Install vim",
    ]


def test_hosts_that_could_not_be_checked_are_not_said_to_have_no_differences() -> None:
    lines = closing(unfinished=dict.fromkeys(HOSTS, "Could not connect"), applied=False)
    assert lines[:2] == [
        "0 of 3 hosts could be looked at.",
        "  not done: rk1–rk3: Could not connect",
    ]


def test_a_dry_run_says_that_nothing_was_changed_yet() -> None:
    lines = closing(changes(*EVERYWHERE), applied=False)
    assert lines == ["1 to change, on 3 of 3 hosts; nothing was changed yet."]


def test_hosts_of_which_something_is_told_are_counted_as_a_check_counts_them() -> None:
    told = [*changes(("rk1", "firewall")), *notice("rk2")]
    assert closing(told, applied=False) == [
        "1 to change, 1 for you, on 2 of 3 hosts; nothing was changed yet."
    ]


def test_what_is_only_reported_is_not_called_as_declared() -> None:
    told = [*notice("rk1", "rk2"), Told("rk1", "ssh", Notice("sshd", "is odd"))]
    assert closing(told) == [
        "All 3 hosts are as declared, except for the 2 items marked ! above. Nothing was changed."
    ]


def test_what_is_only_worth_knowing_is_no_difference() -> None:
    told = [Told(host, "preflight", Remark("Docker Engine", "has a bug")) for host in HOSTS]
    for applied in (True, False):
        assert closing(told, applied=applied) == [
            "All 3 hosts are as declared. Nothing was changed."
        ]
    told += changes(("rk1", "firewall"))
    assert closing(told, applied=False) == [
        "1 to change, on 1 of 3 hosts; nothing was changed yet."
    ]


def test_a_host_that_is_not_done_is_named_with_the_reason_and_the_way_on() -> None:
    assert closing(changes(("rk1", "daemon.json")), unfinished={"rk2": "no answer"}) == [
        "2 of 3 hosts are done: rk1, rk3. 1 changed.",
        "  rk1: docker (daemon.json)",
        "  not done: rk2: no answer",
        *TO_GO_ON,
    ]


def test_hosts_that_are_not_done_for_the_same_reason_are_told_once() -> None:
    refused = Refusal("backup", "no key is declared")
    told = [Told(host, "backup", refused) for host in HOSTS]
    lines = closing(told, unfinished=dict.fromkeys(HOSTS, refused.sentence()))
    assert lines == [
        "0 of 3 hosts are done. 1 refused.",
        "  not done: rk1–rk3: backup: no key is declared",
        *TO_GO_ON,
    ]


def test_a_dry_run_that_could_not_look_everywhere_claims_no_change() -> None:
    lines = closing(changes(("rk1", "x")), unfinished={"rk2": "no answer"}, applied=False)
    assert lines[:2] == [
        "2 of 3 hosts could be looked at: rk1, rk3. 1 to change; nothing was changed.",
        "  not done: rk2: no answer",
    ]


def test_a_refused_host_could_be_looked_at_and_what_it_holds_up_is_counted() -> None:
    told = [
        Told("rk1", "host", Refusal("rk1", "has the hostname of rk2")),
        *changes(("rk1", "x"), ("rk1", "y"), ("rk2", "y")),
    ]
    refused = {"rk1": "refused, as is marked ✗ above"}
    held = {"looked_at": ["rk1"], "held_up": ["rk1"], "missing": {"rk1": ["Docker"]}}
    assert closing(told, unfinished=refused, applied=False, **held) == [
        "3 of 3 hosts could be looked at: rk1, rk2, rk3. Only in part: rk1. "
        "2 to change, 1 refused (1 held up); nothing was changed.",
        "  not done: rk1: refused, as is marked ✗ above",
        "    not looked at: Docker",
        "When that is fixed, type:",
        f"  {COMMAND}",
    ]


def test_an_interrupted_run_claims_nothing_about_its_hosts() -> None:
    for unfinished in ({}, {"rk2": "no answer"}):
        told = changes(("rk1", "daemon.json"))
        lines = closing(told, unfinished=unfinished, touched=["rk1"], interrupted=True)
        assert lines[0] == "The run was interrupted; rk1 may be only partly changed."
        assert lines[1] == "  rk1: docker (daemon.json)"  # that much was carried out
        assert lines[-2:] == TO_GO_ON
        assert not any("done:" in line or "are done" in line for line in lines[:2])


def test_what_was_made_and_is_only_awaited_is_named_where_the_run_is_interrupted() -> None:
    [done] = changes(("rk1", "daemon.json"))
    hello = Told("rk1", "stacks", Change("stack hello", "is declared, and not deployed"))
    reported = Reported(carried_out=[done], made=[hello, done])
    assert ending._carried_out(reported, broken_off=True) == [done, hello]
    assert ending._carried_out(reported, broken_off=False) == [done]


def test_a_run_that_had_begun_no_change_when_it_was_interrupted_has_changed_nothing() -> None:
    for applied in (True, False):
        [first, *_] = closing(applied=applied, interrupted=True)
        assert first == "The run was interrupted; nothing was changed."


def test_a_host_that_was_left_guarded_is_told_to_undo_its_change() -> None:
    lines = closing(touched=["rk2"], guarded={"rk2": "firewall"}, interrupted=True)
    assert "  rk2 undoes its change of firewall by itself, as nobody has confirmed it" in lines


def test_a_confirmation_that_was_on_its_way_may_have_arrived() -> None:
    lines = closing(
        touched=["rk1", "rk2"],
        guarded={"rk1": "firewall", "rk2": "firewall"},
        confirming={"rk1"},
        interrupted=True,
    )
    [first] = [line for line in lines if line.startswith("  rk1 undoes")]
    assert first.endswith("unless the confirmation, which was on its way, has reached it")
    [second] = [line for line in lines if line.startswith("  rk2 undoes")]
    assert second.endswith("as nobody has confirmed it")


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
    assert [one.finding for one in this_run(Reported).told] == findings


def test_a_disk_that_fills_up_is_said_once_and_ends_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SWARM_REASONS", "/dev/full")
    reporting.report(host, "swarm", [Change("ingress", "is not encrypted")])
    reporting.report(host, "swarm", [Change("ingress", "is gone")])
    assert len(this_run(Reported).told) == 2
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
