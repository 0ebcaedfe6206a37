"""What is wrong with an sshd, and what is done about it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster.findings import Change, Notice, Refusal, changes, refusals
from cluster.sshd import CONFIG, DROP_IN, DROP_INS, Line, Sshd, Wanted, matches, plan

CLOUD = f"{DROP_INS}/50-cloud-init.conf"
INCLUDE = Line(CONFIG, 12, f"Include {DROP_INS}/*.conf")
FRESH_VALUES = {
    "pubkeyauthentication": "yes",
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "no",
    "permitrootlogin": "without-password",
    "usepam": "yes",
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
}
FRESH = Sshd(
    installed=True,
    login_user="ubuntu",
    effective={"root": FRESH_VALUES, "ubuntu": FRESH_VALUES},
    lines=(INCLUDE, Line(CONFIG, 87, "UsePAM yes"), Line(CLOUD, 1, "PasswordAuthentication yes")),
    service="active",
    socket="active",
    files_changed=10.0,
    files_read=20.0,
)
WANTED = Wanted(users=("ubuntu",))


def hardened(wanted: Wanted = WANTED, seen: Sshd = FRESH) -> Sshd:
    """The host once our drop-in has been written and read."""
    values = {user: {**FRESH_VALUES, **wanted.values()} for user in ("root", seen.login_user)}
    return replace(seen, effective=values, drop_in=wanted.drop_in())


def words(findings: list[object]) -> str:
    return "\n".join(finding.sentence() for finding in findings)  # type: ignore[attr-defined]


def test_a_fresh_board_is_hardened_each_difference_with_its_reason() -> None:
    found = plan(WANTED, FRESH)
    assert {finding.what for finding in found} == {
        "sshd PasswordAuthentication",
        "sshd PermitRootLogin",
        "sshd UsePAM",
    }
    assert all(isinstance(finding, Change) for finding in found)


def test_a_hardened_host_is_left_alone() -> None:
    assert plan(WANTED, hardened()) == []


@given(
    use_pam=st.booleans(),
    only=st.booleans(),
    values=st.fixed_dictionaries(
        {keyword: st.sampled_from(["yes", "no", ""]) for keyword in FRESH_VALUES}
    ),
)
def test_whatever_was_found_the_drop_in_settles_it(
    use_pam: bool, only: bool, values: dict[str, str]
) -> None:
    wanted = Wanted(users=("ubuntu",), use_pam=use_pam, only=only)
    seen = replace(FRESH, effective={"root": values, "ubuntu": values}, lines=(INCLUDE,))
    assert changes(plan(wanted, seen))
    assert not changes(plan(wanted, hardened(wanted, seen)))


def test_a_server_that_has_not_read_its_files_is_reloaded() -> None:
    (finding,) = plan(WANTED, replace(hardened(), files_changed=30.0))
    assert isinstance(finding, Change)
    assert "has not read its files" in finding.reason


def test_a_change_that_was_never_confirmed_is_made_again() -> None:
    found = plan(WANTED, replace(hardened(), unconfirmed=True))
    assert "never confirmed" in words([*found])
    assert changes(found)
    assert not refusals(found)


def test_a_missing_include_is_mended() -> None:
    found = plan(WANTED, replace(FRESH, lines=()))
    assert "does not read them" in words([*found])
    assert not refusals(found)


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


def test_what_sshd_says_counts_even_where_the_culprit_is_not_found() -> None:
    seen = hardened()
    bad = {**seen.effective["ubuntu"], "passwordauthentication": "yes"}
    (refusal,) = refusals(plan(WANTED, replace(seen, effective={**seen.effective, "ubuntu": bad})))
    assert "(for ubuntu)" in refusal.reason


def test_a_run_as_root_is_refused_with_the_way_out() -> None:
    (refusal,) = plan(WANTED, replace(FRESH, login_user="root"))
    assert isinstance(refusal, Refusal)
    assert "this run is logged in as root" in refusal.reason
    assert "another user" in refusal.remedy


def test_a_host_without_sshd_is_refused() -> None:
    (refusal,) = plan(WANTED, Sshd(installed=False))
    assert isinstance(refusal, Refusal)
    assert "OpenSSH's server is not installed" in refusal.reason
    assert refusal.remedy == "apt install openssh-server"


def test_files_that_sshd_does_not_accept_are_mended_by_their_owner_first() -> None:
    problem = f"{CLOUD} line 3: Bad configuration option: PaswordAuthentication"
    (refusal,) = plan(WANTED, replace(FRESH, problem=problem))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == f"sshd does not accept its own files: {problem}"
    assert "Mend the file it names" in refusal.remedy


def test_others_are_denied_only_if_the_run_itself_is_not() -> None:
    (refusal,) = plan(Wanted(users=("ann",), only=True), FRESH)
    assert isinstance(refusal, Refusal)
    assert "would shut out the user of this run" in refusal.reason
    assert refusal.remedy.startswith("Declare ubuntu in access.admins")


def test_rules_of_others_that_would_shut_the_run_out_are_refused() -> None:
    for rule, value, groups in (
        ("AllowUsers", "nobody", ()),
        ("DenyUsers", "u*", ()),
        ("AllowGroups", "wheel", ("ubuntu", "sudo")),
        ("DenyGroups", "sudo", ("ubuntu", "sudo")),
    ):
        values = {**FRESH_VALUES, rule.lower(): value}
        line = Line(CLOUD, 7, f"{rule} {value}")
        seen = replace(FRESH, effective={"ubuntu": values}, login_groups=groups)
        (refusal,) = refusals(plan(WANTED, replace(seen, lines=(*FRESH.lines, line))))
        assert refusal.what == f"sshd {rule}"
        assert "it keeps ubuntu out, the user of this run" in refusal.reason
        assert refusal.found == value
        assert refusal.remedy == f"Remove it, or add ubuntu: it is set in {CLOUD} line 7"


def test_rules_of_others_that_shut_another_admin_out_are_told() -> None:
    values = {**hardened().effective["ubuntu"], "allowusers": "ubuntu"}
    seen = replace(hardened(), effective={"ubuntu": values, "ann": values})
    (notice,) = plan(Wanted(users=("ann", "ubuntu")), seen)
    assert isinstance(notice, Notice)
    assert "keeps ann out" in notice.reason


def test_our_drop_in_belongs_there_even_if_others_say_the_same() -> None:
    (change,) = plan(WANTED, replace(hardened(), drop_in=None))
    assert change.what == f"sshd {DROP_IN}"


def test_the_drop_in_sorts_before_any_usual_one() -> None:
    assert DROP_IN < CLOUD
    assert f"{DROP_INS}/01-anything.conf" > DROP_IN


def test_patterns_are_those_of_sshd() -> None:
    assert matches("ann", ["a*"])
    assert not matches("ann", ["a*", "!ann"])
    assert matches("ann", ["ann@192.0.2.1"])
    assert not matches("ann", [])
