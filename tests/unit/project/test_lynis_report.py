"""What Lynis' report says, as the lab's tests read it, and what they hold it to."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.tools import lynis

REPORT = """\
# Lynis Report
lynis_version=3.1.4
hostname=node1
suggestion[]=LYNIS|This release is more than 4 months old. Check the website or GitHub to see if \
there is an update available.|-|-|
warning[]=NETW-3015|Found promiscuous interface|eth0|text:Determine if this mode is required|
suggestion[]=DEB-0880|Install fail2ban to automatically ban hosts that commit multiple \
authentication errors.|-|-|
suggestion[]=SSH-7408|Consider hardening SSH configuration|MaxSessions (set 10 to 2)|-|
suggestion[]=SSH-7408|Consider hardening SSH configuration|PermitRootLogin (set YES to \
(FORCED-COMMANDS-ONLY|NO|PROHIBIT-PASSWORD|WITHOUT-PASSWORD))|-|
details[]=SSH-7408|sshd|desc:sshd option MaxSessions;field:MaxSessions;prefval:2;value:10;|
details[]=KRNL-6000|sysctl|desc:Restrict core dumps;field:fs.suid_dumpable;prefval:0;value:2;|
details[]=KRNL-6000|sysctl|desc:Disable magic SysRQ;field:kernel.sysrq;prefval:0;value:438;|
suggestion[]=KRNL-6000|One or more sysctl values differ from the scan profile and could be \
tweaked||Change sysctl value or disable test (skip-test=KRNL-6000:<sysctl-key>)|
hardening_index=61
tests_executed=KRNL-6000|SSH-7408|
finish=true
"""
"""Lines of one that version 3.1.4 has written."""


def test_a_report_is_its_version_its_index_and_what_it_says_of_each_thing() -> None:
    tweaked = "suggestion KRNL-6000: One or more sysctl values differ from the scan profile and "
    hardening = "suggestion SSH-7408: Consider hardening SSH configuration: "
    assert lynis.parse(REPORT) == lynis.Report(
        "3.1.4",
        61,
        frozenset(
            {
                "warning NETW-3015: Found promiscuous interface: eth0",
                "suggestion DEB-0880: Install fail2ban to automatically ban hosts that commit "
                "multiple authentication errors.",
                f"{hardening}MaxSessions (set 10 to 2)",
                f"{hardening}PermitRootLogin (set YES to "
                "(FORCED-COMMANDS-ONLY|NO|PROHIBIT-PASSWORD|WITHOUT-PASSWORD))",
                f"{tweaked}could be tweaked: fs.suid_dumpable",
                f"{tweaked}could be tweaked: kernel.sysrq",
            }
        ),
    )


@pytest.mark.parametrize("lines", [0, 3, len(REPORT.splitlines()) - 1])
def test_a_report_that_ends_too_early_is_none(lines: int) -> None:
    with pytest.raises(ValueError, match="did not get to its end"):
        lynis.parse("\n".join(REPORT.splitlines()[:lines]))


def test_a_finding_is_one_of_before_or_of_now_and_stands_there_once() -> None:
    assert lynis.FINDINGS
    assert [one.number for one in lynis.FINDINGS if not (one.before or one.now)] == []
    said = [line for one in lynis.FINDINGS for line in one.lines]
    assert [line for line, times in Counter(said).items() if times > 1] == []


def test_what_the_site_has_go_is_not_expected_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = lynis.Finding("A-1", "gone")
    stays = lynis.Finding("B-1", "stays", ("one", "two"), "Since.", kind="warning")
    comes = lynis.Finding("C-1", "comes", reason="Since.", before=False)
    monkeypatch.setattr(lynis, "FINDINGS", (gone, stays, comes))
    both = {"warning B-1: stays: one", "warning B-1: stays: two"}
    assert lynis.expected(before=True) == {"suggestion A-1: gone", *both}
    assert lynis.expected(before=False) == {*both, "suggestion C-1: comes"}


def test_the_index_that_is_recorded_is_better_than_before() -> None:
    assert 0 < lynis.INDEX_BEFORE < lynis.INDEX_NOW <= 100
