"""Which line of sshd's files wins over the managed drop-in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.run.findings import Notice, refusals
from pyinfra_swarm.ssh.overriding_lines import matches, matches_login
from pyinfra_swarm.ssh.plan import plan
from pyinfra_swarm.ssh.sshd import CONFIG, DROP_IN, DROP_INS, Line, Wanted
from tests.unit.ssh.servers import FRESH, INCLUDE, WANTED, hardened, told


def test_a_file_that_sorts_before_ours_is_named_before_anything_is_changed() -> None:
    early = Line(f"{DROP_INS}/00-mine.conf", 3, "PasswordAuthentication=yes")
    (refusal,) = refusals(plan(WANTED, replace(FRESH, lines=(*FRESH.lines, early))))
    assert "00-mine.conf line 3" in refusal.reason


def test_a_line_above_the_include_is_named() -> None:
    early = Line(CONFIG, 3, "UsePAM yes")
    (refusal,) = refusals(plan(WANTED, replace(FRESH, lines=(early, *FRESH.lines))))
    assert "sshd_config line 3" in refusal.reason


def test_a_match_block_for_an_admin_is_named() -> None:
    block = (
        Line(CONFIG, 120, "Match User ubuntu"),
        Line(CONFIG, 121, "PasswordAuthentication yes"),
    )
    (refusal,) = refusals(plan(WANTED, replace(FRESH, lines=(*FRESH.lines, *block))))
    assert "sshd_config line 121" in refusal.reason


def test_a_match_block_for_somebody_else_is_told_and_stops_nothing() -> None:
    block = (
        Line(CONFIG, 120, "Match User backup"),
        Line(CONFIG, 121, "PasswordAuthentication yes"),
    )
    seen = hardened()
    (notice,) = plan(WANTED, replace(seen, lines=(*seen.lines, *block)))
    assert isinstance(notice, Notice)
    assert "sshd_config line 121" in notice.reason


def test_patterns_are_those_of_sshd() -> None:
    assert matches("ann", ["a*"])
    assert matches("ann", ["a*", "!eve"])
    assert not matches("ann", ["!eve"])
    assert not matches("ann", ["a*", "!ann"])
    assert not matches("ann", ["ann@192.0.2.1"]), "Match User and groups know no host"
    assert not matches("ann", [])


@pytest.mark.parametrize(
    ("patterns", "known", "unknown"),
    [
        ("ann", True, True),
        ("eve ann@*", True, True),
        ("a*@*", True, True),
        ("eve@10.0.0.5", False, False),
        ("ann@10.0.0.5", True, None),
        ("ann@10.0.0.*", True, None),
        ("ann@10.0.0.0/24", True, None),
        ("ann@203.0.113.0/24", False, None),
        ("ann@2001:DB8::*", False, None),
        ("ann@2001:db8::/32", False, None),
        ("ann@10.0.0.*,!10.0.0.5", False, None),
        ("ann@*,!10.0.0.9", True, None),
        ("ann@203.0.113.* ann@10.0.0.?", True, None),
        ("ann@desk.example.com", None, None),
        ("ann@bad.cafe", None, None),
        ("ann@10.0.0.5/99", None, None),
        ("a* !ann", True, True),
        ("a* !ann@10.0.0.*", True, True),
        ("!ann", False, False),
        ("!eve", False, False),
        ("!eve@10.0.0.5", False, False),
        ("[a]nn", False, False),
        ("", False, False),
    ],
)
def test_who_may_come_from_where_is_decided_only_where_that_is_known(
    patterns: str, known: bool | None, unknown: bool | None
) -> None:
    assert matches_login("ann", "10.0.0.5", patterns.split()) is known
    assert matches_login("ann", "", patterns.split()) is unknown


# Who wins over our drop-in
# -------------------------

PASSWORDS = "PasswordAuthentication yes"


def winners(*lines: Line, wanted: Wanted = WANTED, user: str = "ubuntu") -> list[str]:
    """The places of the lines that are refused on a fresh board."""
    found = refusals(plan(wanted, replace(FRESH, lines=lines, login_user=user)))
    return [word for refusal in found for word in refusal.reason.split(": ", 1)[1].split("; ")]


def test_lines_after_ours_lose() -> None:
    assert winners(INCLUDE, Line(CONFIG, 13, PASSWORDS)) == []
    assert winners(INCLUDE, Line(f"{DROP_INS}/00-pyinfra-swarm.conf2", 1, PASSWORDS)) == []


def test_our_own_lines_are_not_held_against_us() -> None:
    assert winners(INCLUDE, Line(DROP_IN, 3, PASSWORDS)) == []
    early = Line(f"{DROP_INS}/00-a.conf", 1, PASSWORDS)
    later = Line(CONFIG, 13, "Match all"), Line(CONFIG, 14, PASSWORDS)
    assert winners(early, INCLUDE, Line(DROP_IN, 3, "UsePAM yes"), *later) == [
        f"{DROP_INS}/00-a.conf line 1",
        f"{CONFIG} line 14",
    ]


def test_lines_that_say_the_same_as_ours_are_no_matter_however_they_are_written() -> None:
    assert winners(Line(CONFIG, 1, "PASSWORDAUTHENTICATION No"), INCLUDE) == []
    assert winners(Line(CONFIG, 1, "ChallengeResponse yes"), INCLUDE) == []


def test_only_the_include_of_the_drop_ins_decides_what_comes_before_them() -> None:
    other = Line(CONFIG, 1, "Include /etc/ssh/other/*.conf")
    assert winners(other, Line(CONFIG, 2, PASSWORDS), INCLUDE) == [f"{CONFIG} line 2"]
    odd = Line(CONFIG, 1, f"AuthorizedKeysFile {DROP_INS}/keys")
    assert winners(odd, Line(CONFIG, 2, PASSWORDS), INCLUDE) == [f"{CONFIG} line 2"]


def test_drop_ins_are_read_by_name_and_line_where_they_are_included() -> None:
    a, b = f"{DROP_INS}/00-a.conf", f"{DROP_INS}/00-b.conf"
    lines = (
        Line(CONFIG, 1, PASSWORDS),
        INCLUDE,
        Line(b, 1, PASSWORDS),
        Line(a, 20, PASSWORDS),
        Line(a, 3, PASSWORDS),
    )
    assert winners(*lines) == [
        f"{CONFIG} line 1",
        f"{a} line 3",
        f"{a} line 20",
        f"{b} line 1",
    ]


@pytest.mark.parametrize(
    ("match", "sure"),
    [
        ("Match all", True),
        ("Match All", True),
        ("Match User ubuntu", True),
        ("match user UBUNTU,u*", True),
        ("Match User root", True),
        ("Match User eve,ann", True),
        ("Match User eve", False),
        ("Match User u*,!ubuntu", False),
        ("Match Group ubuntu", False),
        ("Match User ubuntu Address 10.0.0.0/8", False),
        ("Match Address all", False),
    ],
)
def test_a_match_block_wins_where_it_is_sure_to_be_about_one_of_us(match: str, sure: bool) -> None:
    block = Line(CONFIG, 20, match), Line(CONFIG, 21, PASSWORDS)
    wanted = Wanted(users=("ubuntu", "ann"))
    assert winners(INCLUDE, *block, wanted=wanted) == [f"{CONFIG} line 21"] * sure
    seen = hardened(wanted)
    notices = plan(wanted, replace(seen, lines=(INCLUDE, *block)))
    assert told(notices) == [(Notice, "sshd PasswordAuthentication", "no", "yes")]


def test_a_match_block_ends_with_its_file() -> None:
    early = f"{DROP_INS}/00-a.conf", f"{DROP_INS}/00-b.conf"
    lines = Line(early[0], 1, "Match User eve"), Line(early[1], 1, PASSWORDS)
    assert winners(INCLUDE, *lines) == [f"{early[1]} line 1"]


def test_a_match_block_for_others_above_the_include_wins_over_nothing_of_ours() -> None:
    block = Line(CONFIG, 1, "Match User eve"), Line(CONFIG, 2, PASSWORDS)
    assert winners(*block, INCLUDE) == []


def test_a_line_outside_of_match_blocks_is_no_exception_for_some() -> None:
    """What sshd says for all is asked of it; where that is right, the line has lost."""
    seen = hardened()
    assert plan(WANTED, replace(seen, lines=(Line(CONFIG, 1, PASSWORDS), INCLUDE))) == []


def test_another_include_or_a_line_that_names_the_folder_does_not_bring_the_drop_ins() -> None:
    early = f"{DROP_INS}/00-a.conf"
    others = Line(CONFIG, 1, "Include /etc/ssh/x/*.conf"), Line(CONFIG, 2, f"DenyUsers {DROP_INS}")
    lines = (*others, Line(CONFIG, 3, PASSWORDS), INCLUDE, Line(early, 1, PASSWORDS))
    assert winners(*lines) == [f"{CONFIG} line 3", f"{early} line 1"]
