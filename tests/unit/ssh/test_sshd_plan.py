"""What is wrong with an sshd, and what is done about it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.rollback.plan import RollBackFirst
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal, changes, refusals
from pyinfra_swarm.ssh.plan import plan
from pyinfra_swarm.ssh.sshd import ACCESS_RULES, CONFIG, DROP_IN, DROP_INS, Line, Sshd, Wanted
from tests.unit.ssh.servers import (
    CLOUD,
    FRESH,
    FRESH_VALUES,
    INCLUDE,
    WANTED,
    hardened,
    told,
    words,
)


def test_a_fresh_board_is_hardened_each_difference_with_its_reason() -> None:
    found = plan(WANTED, FRESH)
    assert {finding.what for finding in found} == {
        "sshd PasswordAuthentication",
        "sshd PermitRootLogin",
        "sshd UsePAM",
        "sshd MaxAuthTries",
        "sshd LoginGraceTime",
        "sshd AllowTcpForwarding",
        "sshd AllowStreamLocalForwarding",
        "sshd AllowAgentForwarding",
        "sshd X11Forwarding",
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


def test_what_sshd_says_counts_even_where_the_culprit_is_not_found() -> None:
    seen = hardened()
    bad = {**seen.effective["ubuntu"], "passwordauthentication": "yes"}
    (refusal,) = refusals(plan(WANTED, replace(seen, effective={**seen.effective, "ubuntu": bad})))
    assert "(for ubuntu)" in refusal.reason


def test_a_run_as_root_is_refused_with_the_way_out() -> None:
    found = plan(WANTED, replace(FRESH, login_user="root"))
    (refusal,) = refusals(found)
    assert {one.what for one in found} > {refusal.what}, "what else differs is told beside it"
    assert [one.what for one in found].count("sshd PermitRootLogin") == 1
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
    assert "Correct the file it names" in refusal.remedy


def test_others_are_denied_only_if_the_run_itself_is_not() -> None:
    found = plan(Wanted(users=("ann",), only=True), FRESH)
    (refusal,) = refusals(found)
    assert [one.what for one in found].count("sshd AllowUsers") == 1
    assert "would lock out the user of this run" in refusal.reason
    assert refusal.remedy.startswith('Declare "ubuntu" in access.admins')


def test_rules_of_others_that_would_shut_the_run_out_are_refused() -> None:
    but = "(a `!` before a name excepts nobody here)"
    for rule, value, groups, remedy in (
        ("AllowUsers", "nobody", (), 'Add "ubuntu" to it, or remove it'),
        ("DenyUsers", "u*", (), f"Remove what matches ubuntu {but}"),
        (
            *("AllowGroups", "wheel", ("ubuntu", "sudo")),
            "Add one of ubuntu's groups to it, or remove it",
        ),
        ("DenyGroups", "sudo", ("ubuntu", "sudo"), f"Remove what matches ubuntu's groups {but}"),
    ):
        values = {**FRESH_VALUES, rule.lower(): value}
        line = Line(CLOUD, 7, f"{rule} {value}")
        seen = replace(FRESH, effective={"ubuntu": values}, login_groups=groups)
        (refusal,) = refusals(plan(WANTED, replace(seen, lines=(*FRESH.lines, line))))
        assert refusal.what == f"sshd {rule}"
        assert "it keeps ubuntu out, the user of this run" in refusal.reason
        assert refusal.found == value
        assert refusal.remedy == f"{remedy}: it is set in {CLOUD} line 7"


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


# In sshd's own words
# -------------------


def test_the_drop_in_says_it_in_the_words_of_sshd() -> None:
    assert DROP_IN == "/etc/ssh/sshd_config.d/00-pyinfra-swarm.conf"
    first, second, *lines = Wanted(users=("zoe", "ann"), only=True).drop_in().split("\n")
    assert first.startswith("# Written by pyinfra-swarm")
    assert second.startswith("# ")
    assert lines == [
        "PubkeyAuthentication yes",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin no",
        "UsePAM no",
        "MaxAuthTries 4",
        "LoginGraceTime 30",
        "AllowTcpForwarding local",
        "AllowStreamLocalForwarding local",
        "AllowAgentForwarding no",
        "X11Forwarding no",
        "PermitTunnel no",
        "AllowUsers ann zoe",
        "",
    ]
    assert "UsePAM yes\n" in Wanted(users=(), use_pam=True).drop_in()
    assert "AllowUsers" not in Wanted(users=("ann",)).drop_in()


def test_what_is_not_known_of_an_sshd_is_nothing() -> None:
    nothing = Sshd(installed=True)
    assert not nothing.running
    assert not nothing.stale
    assert not nothing.includes_drop_ins
    assert (nothing.login_user, nothing.problem, nothing.service, nothing.socket) == ("",) * 4
    assert (nothing.files_changed, nothing.files_read) == (0.0, 0.0)


def test_only_a_running_server_can_have_missed_a_change() -> None:
    seen = replace(FRESH, files_changed=30.0)
    assert seen.stale
    assert not replace(seen, service="inactive").stale
    assert not replace(seen, files_read=30.0).stale


@pytest.mark.parametrize(
    ("line", "reads"),
    [
        (INCLUDE, True),
        (Line(CONFIG, 1, 'include="/etc/ssh/sshd_config.d/*.conf" # ours'), True),
        (Line(CLOUD, 1, f"Include {DROP_INS}/*.conf"), False),
        (Line(CONFIG, 1, f"AllowUsers {DROP_INS}"), False),
        (Line(CONFIG, 1, "Include /etc/ssh/other/*.conf"), False),
        (Line(CONFIG, 1, ""), False),
        (Line(CONFIG, 1, f"# Include {DROP_INS}/*.conf"), False),
    ],
)
def test_drop_ins_are_read_where_the_main_file_includes_their_folder(
    line: Line, reads: bool
) -> None:
    assert replace(FRESH, lines=(line,)).includes_drop_ins is reads


def test_a_value_is_what_follows_the_keyword() -> None:
    line = Line(CLOUD, 1, 'PasswordAuthentication = "yes"  # for the installer')
    assert (line.keyword, line.value) == ("passwordauthentication", "yes")
    assert Line(CLOUD, 1, "AllowUsers ann  bob=c").value == "ann bob c"


def test_a_fresh_board_is_told_what_it_has_and_what_it_gets() -> None:
    assert told(plan(WANTED, FRESH)) == [
        (Change, "sshd PasswordAuthentication", "no", "yes"),
        (Change, "sshd PermitRootLogin", "no", "without-password"),
        (Change, "sshd UsePAM", "no", "yes"),
        (Change, "sshd MaxAuthTries", "4", "6"),
        (Change, "sshd LoginGraceTime", "30", "120"),
        (Change, "sshd AllowTcpForwarding", "local", "yes"),
        (Change, "sshd AllowStreamLocalForwarding", "local", "yes"),
        (Change, "sshd AllowAgentForwarding", "no", "yes"),
        (Change, "sshd X11Forwarding", "no", "yes"),
    ]
    assert [finding.reason for finding in plan(WANTED, FRESH)][:3] == [
        "passwords can be guessed",
        "every attacker knows the name root",
        "PAM can let people in whom the settings above keep out",
    ]


def test_a_keyword_that_sshd_does_not_print_is_not_set() -> None:
    values = {key: value for key, value in FRESH_VALUES.items() if key != "usepam"}
    found = plan(WANTED, replace(FRESH, effective={"ubuntu": values}))
    assert (Change, "sshd UsePAM", "no", "not set") in told(found)


def test_whom_a_setting_is_wrong_for_is_named_where_it_is_not_wrong_for_all() -> None:
    right = {**FRESH_VALUES, **WANTED.values()}
    wrong = {**right, "usepam": "yes"}
    seen = replace(FRESH, effective={"zoe": wrong, "ann": wrong, "root": right})
    (finding,) = plan(WANTED, seen)
    assert finding.reason.endswith(" (for ann, zoe)")


def test_the_declared_admins_are_a_set() -> None:
    wanted = Wanted(users=("ubuntu", "ann"), only=True)
    seen = hardened(wanted)
    for said in ("ubuntu ann", "ann ubuntu", "ann ubuntu ann"):
        values = {**FRESH_VALUES, **wanted.values(), "allowusers": said}
        assert plan(wanted, replace(seen, effective={"ubuntu": values, "ann": values})) == []
    values = {**values, "allowusers": "ann ubuntu eve"}
    assert (
        told(plan(wanted, replace(seen, effective={"ubuntu": values})))[0][1] == "sshd AllowUsers"
    )


def test_ours_is_ours_only_where_it_is_read_and_confirmed() -> None:
    """Where it is not, a difference is mended first, and nobody is blamed for it."""
    seen = replace(hardened(), effective=FRESH.effective)
    for otherwise in (
        replace(seen, unconfirmed=True, lines=(INCLUDE,)),
        replace(seen, drop_in="# older", lines=(INCLUDE,)),
        replace(seen, lines=()),
    ):
        assert not refusals(plan(WANTED, otherwise))
    (first, *_) = refusals(plan(WANTED, replace(seen, lines=(INCLUDE,))))
    assert first.reason == "another setting overrides the managed one: one that could not be found"


def test_a_change_that_waits_for_its_confirmation_is_told_once() -> None:
    assert told(plan(WANTED, replace(hardened(), unconfirmed=True))) == [
        (RollBackFirst, "the host", "", "")
    ]


@pytest.mark.parametrize(("drop_in", "state"), [(None, "missing"), ("# older", "another version")])
def test_a_drop_in_that_is_not_as_declared_is_written(drop_in: str | None, state: str) -> None:
    (finding,) = plan(WANTED, replace(hardened(), drop_in=drop_in))
    assert finding.found == state


# Who is kept out by others
# -------------------------


def kept_out(
    user: str = "ubuntu", groups: tuple[str, ...] = ("sudo", "users"), **rules: str
) -> str:
    values = {**hardened().effective["ubuntu"], **rules}
    wanted = Wanted(users=tuple({"ubuntu", user}))
    seen = replace(hardened(wanted), effective={user: values}, login_groups=groups)
    return " ".join(finding.what for finding in plan(wanted, seen))


def test_each_rule_of_others_keeps_out_whom_it_says() -> None:
    assert kept_out() == ""
    assert kept_out(denyusers="eve", allowusers="ubuntu", denygroups="guests") == ""
    assert kept_out(allowgroups="guests users") == ""
    assert kept_out(denyusers="ubuntu") == "sshd DenyUsers"
    assert kept_out(allowusers="eve") == "sshd AllowUsers"
    assert kept_out(denygroups="users") == "sshd DenyGroups"
    assert kept_out(allowgroups="guests") == "sshd AllowGroups"


def test_nobody_is_taken_out_of_a_rule_again() -> None:
    """For a negation sshd knows lists of hosts and Match blocks; elsewhere a “!” is a letter."""
    assert kept_out(denyusers="* !ubuntu") == "sshd DenyUsers"
    assert kept_out(allowusers="ubu* !ubuntu") == ""
    assert kept_out(allowusers="!eve") == "sshd AllowUsers"
    assert kept_out(denygroups="* !sudo !users") == "sshd DenyGroups"
    assert kept_out(allowgroups="su* !sudo") == ""
    assert kept_out(allowgroups="!guests") == "sshd AllowGroups"


@pytest.mark.parametrize(
    ("rule", "value", "address", "kind"),
    [
        ("denyusers", "ubuntu@203.0.113.0/24", "", Notice),
        ("denyusers", "ubuntu@203.0.113.0/24", "10.0.0.5", None),
        ("denyusers", "ubuntu@10.0.0.*", "10.0.0.5", Refusal),
        ("denyusers", "ubuntu@*", "", Refusal),
        ("allowusers", "ubuntu@10.0.0.*", "", Notice),
        ("allowusers", "ubuntu@10.0.0.*", "10.0.0.5", None),
        ("allowusers", "ubuntu@10.0.0.*", "192.0.2.7", Refusal),
        ("allowusers", "ubuntu@desk.example.com", "192.0.2.7", Notice),
        ("allowusers", "ubuntu@*", "", None),
    ],
)
def test_a_rule_for_some_addresses_counts_for_those(
    rule: str, value: str, address: str, kind: type[Finding] | None
) -> None:
    values = {**hardened().effective["ubuntu"], rule: value}
    seen = replace(hardened(), effective={"ubuntu": values}, login_from=address)
    found = plan(WANTED, seen)
    assert [type(one) for one in found] == [kind] * (kind is not None)
    if kind is Notice:
        assert "it may keep ubuntu out: that depends on where ubuntu" in found[0].sentence()
        assert found[0].remedy == (
            "Make sure that it lets ubuntu in from every address that ubuntu uses"
        )


@pytest.mark.parametrize("address", ["", "10.0.0.5", "203.0.113.7"])
@pytest.mark.parametrize(
    ("rule", "value"),
    [("allowusers", "ubuntu ann@203.0.113.0/24"), ("denyusers", "ann@203.0.113.0/24")],
)
def test_where_the_run_comes_from_says_nothing_of_another_admin(
    rule: str, value: str, address: str
) -> None:
    wanted = Wanted(users=("ann", "ubuntu"))
    values = {**hardened(wanted).effective["ubuntu"], rule: value}
    seen = replace(hardened(wanted), effective={"ubuntu": values, "ann": values})
    [notice] = plan(wanted, replace(seen, login_from=address))
    assert isinstance(notice, Notice)
    assert "it may keep ann out: that depends on where ann comes from" in notice.sentence()
    assert 'add "ann"' not in notice.sentence()


def test_a_rule_for_every_address_is_decided_for_another_admin_too() -> None:
    assert kept_out("ann", denyusers="ann@*") == "sshd DenyUsers"
    assert kept_out("ann", allowusers="ubuntu ann@*") == ""


def test_groups_are_known_of_the_user_of_the_run_only() -> None:
    assert kept_out(allowgroups="guests", groups=()) == ""
    assert kept_out("ann", allowgroups="guests") == ""
    assert kept_out("ann", denyusers="ann") == "sshd DenyUsers"


@pytest.mark.parametrize(
    ("files", "told_of"),
    [
        ("", False),
        (".ssh/authorized_keys", False),
        (".ssh/authorized_keys .ssh/authorized_keys2", False),
        ("%h/.ssh/authorized_keys", False),
        (".ssh/authorized_keys2 %h/.ssh/authorized_keys .ssh/authorized_keys", False),
        ("/etc/ssh/keys/%u", True),
        (".ssh/authorized_keys /etc/ssh/keys/%u", True),
    ],
)
def test_keys_that_sshd_looks_for_elsewhere_are_told(files: str, told_of: bool) -> None:
    seen = hardened()
    values = {**seen.effective["ubuntu"], "authorizedkeysfile": files}
    found = told(plan(WANTED, replace(seen, effective={"ubuntu": values})))
    assert found == [(Notice, "sshd AuthorizedKeysFile", "", files)] * told_of


def test_the_rules_that_are_asked_for_are_those_that_decide_who_gets_in() -> None:
    assert set(ACCESS_RULES) == {"denyusers", "allowgroups", "denygroups", "authorizedkeysfile"}


def test_a_user_of_the_run_who_is_not_declared_is_shut_out_by_nothing_but_the_rule() -> None:
    assert not refusals(plan(Wanted(users=("ann",)), FRESH))
