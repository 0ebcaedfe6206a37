"""The report on a terminal."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from pyinfra_swarm.drift.history import History, learn
from pyinfra_swarm.drift.terminal import ago, render
from tests.unit.drift.drift_examples import (
    AT,
    all_looked,
    busy,
    failed,
    found,
    looked,
    reported,
    run_of,
)

DRIFTED = reported(
    run_of(
        [
            *looked("rk1"),
            *looked("rk2"),
            failed("rk3", "Could not connect (timed out)"),
            found("rk1", "ssh", "sshd PasswordAuthentication", found="yes", expected="no"),
            found("rk2", "swarm", "availability", "notice", remedy="docker node update …"),
        ],
        status=1,
    )
)


def test_it_reads_from_the_verdict_over_the_hosts_to_what_to_type() -> None:
    assert render(DRIFTED).splitlines() == [
        'Cluster "home": 1 to change, 1 for you, on 2 of 3 hosts; could not check rk3',
        "",
        "  rk1, rk2  manager  drifted",
        "  rk3       worker   unknown",
        "    Could not connect (timed out)",
        "",
        "  ~ ssh       rk1: sshd PasswordAuthentication: is not as declared (yes → no)",
        "              fixed by deploys/ssh.py",
        "  ! swarm     rk2: availability: is not as declared",
        "              docker node update …",
        "",
        "To fix what is marked ~:",
        "  pyinfra --limit rk1 inventory.py deploys/ssh.py",
    ]


def test_who_has_typed_pyinfra_swarm_is_told_its_commands() -> None:
    remedy = "Remove it: `pyinfra inventory.py deploys/stacks.py --data remove=shop`"
    drifted = [found("rk1", "ssh", "sshd"), found("rk2", "stacks", "s", "notice", remedy=remedy)]
    shown = reported(run_of([*all_looked(), *drifted]))
    assert render(shown).splitlines()[-1] == "  pyinfra --limit rk1 inventory.py deploys/ssh.py"
    own = render(shown, own=True)
    assert own.splitlines()[-1] == "  pyinfra-swarm apply ssh --limit rk1"
    assert "`pyinfra-swarm apply stacks --data remove=shop`" in own
    drifted += [
        found(name, part, "x") for part in ("ssh", "docker") for name in ("rk1", "rk2", "rk3")
    ]
    everywhere = render(reported(run_of([*all_looked(), *drifted])), own=True)
    assert everywhere.splitlines()[-1] == "  pyinfra-swarm apply"


@pytest.mark.parametrize(("host", "is_first"), [("rk1", True), ("rk2", False)])
def test_a_refusal_that_holds_up_what_a_deploy_fixes_comes_first(host: str, is_first: bool) -> None:
    refused = [found("rk1", "ssh", "sshd"), found(host, "docker", "kernel", "refusal")]
    shown = render(reported(run_of([*all_looked(), *refused])))
    assert ("First what is marked ✗" in shown) is is_first
    assert ("1 to change, 1 refused (1 held up), on 1 of 3 hosts" in shown) is is_first
    assert "o fix what is marked ~:\n  pyinfra --limit rk1" in shown


def test_a_stack_that_is_refused_holds_up_nothing_else() -> None:
    refused = [found("rk1", "ssh", "sshd"), found("rk1", "stacks", "stack shop", "refusal")]
    shown = render(reported(run_of([*all_looked(), *refused])))
    assert "First what is marked ✗" not in shown
    assert "held up" not in shown


def test_a_cluster_in_sync_is_one_line_and_its_hosts() -> None:
    assert (
        render(reported(run_of(all_looked()))).splitlines()[0] == 'Cluster "home": 3 hosts in sync'
    )


def test_the_same_on_several_hosts_is_told_once() -> None:
    records = [*all_looked(), *(found(host, "ssh", "sshd") for host in ("rk1", "rk2", "rk3"))]
    text = render(reported(run_of(records)))
    assert text.startswith('Cluster "home": 1 to change, on 3 of 3 hosts\n')
    assert text.count("sshd") == 1
    assert "  ~ ssh       rk1–rk3: sshd: is not as declared\n" in text


def test_pieces_of_one_declared_thing_are_told_once_unless_all_are_asked_for() -> None:
    pieces = [
        found("rk1", "ssh", what) | {"within": "8080/tcp from anywhere: is to be opened"}
        for what in ("a rule", "a file")
    ]
    report = reported(run_of([*all_looked(), *pieces]))
    text = render(report)
    assert "  ~ ssh       rk1: 8080/tcp from anywhere: is to be opened\n" in text
    assert "a rule" not in text
    every = render(report, pieces=True)
    assert "a rule: is not as declared" in every
    assert "a file: is not as declared" in every


def test_several_parts_are_mended_by_the_whole_job() -> None:
    records = [*all_looked(), found("rk1", "ssh", "sshd"), found("rk1", "docker", "daemon.json")]
    assert render(reported(run_of(records))).endswith(
        "  pyinfra --limit rk1 inventory.py deploys/site.py\n"
    )


def test_what_was_there_before_says_since_when() -> None:
    history, _, _ = learn(History(), DRIFTED)
    _, report, _ = learn(history, replace(DRIFTED, at=AT + timedelta(hours=5)))
    text = render(report)
    assert "(yes → no), since 5 h" in text
    assert "drifted, since 5 h" in text


@pytest.mark.parametrize("width", [40, 60, 100])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = found("rk1", "ssh", "sshd", reason="word " * 60, remedy="more words " * 20)
    text = render(reported(run_of([*all_looked(), long])), width=width)
    assert all(len(line) <= width for line in text.splitlines() if "pyinfra" not in line)
    assert text.count("word ") + text.count("word\n") >= 55


def test_colours_add_nothing_but_colour() -> None:
    painted = render(DRIFTED, colour=True)
    assert "\x1b[33mdrifted\x1b[0m" in painted
    assert re.sub(r"\x1b\[\d+m", "", painted) == render(DRIFTED)


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=20), "0 min"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=47), "47 h"),
        (timedelta(days=2), "2 d"),
    ],
)
def test_ages_are_said_in_a_unit_that_fits(passed: timedelta, said: str) -> None:
    assert ago(AT + passed, AT.strftime("%Y-%m-%dT%H:%M:%SZ")) == said


def test_a_run_that_goes_on_for_too_long_is_said_with_what_to_do() -> None:
    text = render(busy(seconds=2 * 3600))
    assert "not checked for 2 h: every check has met a run in progress: held by ada" in text
    assert "where it was started" in text
    assert "end it where" not in render(busy(seconds=2 * 3600 - 1))
    assert "sync" not in text


def test_what_to_type_is_quoted_for_a_shell() -> None:
    run = run_of([*all_looked(), found("rk1", "mine", "x")])
    text = render(reported(run, deploy="my deploys/of $HOME.py"))
    assert "pyinfra --limit rk1 inventory.py 'my deploys/of $HOME.py'\n" in text
