"""Who may log in: what is missing, what is too much, what would lock the owner out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.access import plan as access
from pyinfra_swarm.access.plan import Account, Accounts, Declared, Wanted, key_files
from pyinfra_swarm.run.findings import Change, Finding, Notice, changes, refusals

MINE = "ssh-ed25519 AAAAmine owner@laptop"
OTHER = "ssh-ed25519 AAAAother somebody"
USED = "ssh-ed25519 AAAAmine"
UBUNTU = Account(
    "ubuntu", 1000, "/home/ubuntu", "/bin/bash", "locked", groups=("sudo",), keys=(MINE,)
)
ROOT = Account("root", 0, "/root", "/bin/bash", "locked")
FRESH = Accounts(login_user="ubuntu", accounts=(ROOT, UBUNTU))
DECLARED = Wanted(admins=(Declared("ubuntu", (MINE,)),))


@dataclass
class Plan:
    """What a plan finds, and by kind what it does."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def create(self) -> list[str]:
        return [one.user for one in self.findings if isinstance(one, access.CreateUser)]

    @property
    def join_sudo(self) -> list[str]:
        return [one.user for one in self.findings if isinstance(one, access.JoinSudo)]

    @property
    def unlock(self) -> list[str]:
        new = [one for one in self.findings if isinstance(one, access.CreateUser)]
        there = [one.user for one in self.findings if isinstance(one, access.UnlockPassword)]
        return [*(one.user for one in new if one.star), *there]

    @property
    def keys(self) -> dict[str, tuple[str, ...]]:
        kinds = access.CreateUser | access.WriteKeys
        return {one.user: one.keys for one in self.findings if isinstance(one, kinds) and one.keys}

    @property
    def sudoers(self) -> str | None:
        written = [one.content for one in self.findings if isinstance(one, access.WriteSudoers)]
        return written[0] if written else None


def plan(wanted: Wanted, seen: Accounts, used_key: str | None = None) -> Plan:
    return Plan(access.plan(wanted, seen, used_key))


def carried_out(made: Plan, seen: Accounts) -> Accounts:
    """The host after the plan, as far as the plan says what happens."""
    accounts = list(seen.accounts)
    accounts += [
        Account(name, 1001, f"/home/{name}", "/bin/bash", "locked", groups=("sudo",))
        for name in made.create
    ]
    for index, account in enumerate(accounts):
        if account.name in made.unlock:
            account = replace(account, password="star")
        if account.name in made.join_sudo:
            account = replace(account, groups=(*account.groups, "sudo"))
        if account.name in made.keys:
            account = replace(account, keys=made.keys[account.name], more_keys=())
        accounts[index] = account
    sudoers = seen.sudoers if made.sudoers is None else made.sudoers
    return replace(seen, accounts=tuple(accounts), sudoers=sudoers, unconfirmed=False)


def reasons(made: Plan) -> str:
    return "\n".join(finding.sentence() for finding in made.findings)


def test_the_locked_password_of_the_login_user_is_seen_first() -> None:
    made = plan(Wanted(), FRESH)
    assert made.unlock == ["ubuntu"]
    assert "sshd without PAM refuses" in reasons(made)


def test_with_pam_a_locked_password_is_nobodys_business() -> None:
    assert plan(Wanted(use_pam=True), FRESH).findings == []


def test_where_nothing_is_declared_nobodys_keys_are_touched() -> None:
    made = plan(Wanted(use_pam=True), replace(FRESH, accounts=(replace(UBUNTU, keys=(OTHER,)),)))
    assert made == Plan()


def test_keys_below_a_home_with_blanks_are_refused_with_the_way_out() -> None:
    odd = replace(FRESH, accounts=(replace(UBUNTU, home="/home/the owner", keys=(OTHER,)),))
    (refusal,) = refusals(plan(DECLARED, odd).findings)
    assert refusal.found == "/home/the owner"
    assert "usermod -m -d /home/ubuntu ubuntu" in refusal.remedy
    keeping = Wanted(admins=(Declared("ubuntu"),))
    assert not refusals(plan(keeping, odd).findings)


def test_a_new_admin_gets_everything_at_once() -> None:
    made = plan(Wanted(admins=(*DECLARED.admins, Declared("ann", (OTHER,)))), FRESH)
    assert made.create == ["ann"]
    assert "ann" in made.unlock
    assert made.keys["ann"] == (OTHER,)
    assert made.sudoers is not None
    assert [finding.what for finding in made.findings] == [
        "user ann",
        "sudo /etc/sudoers.d/zz-pyinfra-swarm",
        "password of ubuntu",
    ]
    assert "ann ALL=(ALL:ALL) NOPASSWD: ALL" in made.sudoers


def test_an_admin_of_another_source_is_refused_not_created() -> None:
    wanted = Wanted(admins=(*DECLARED.admins, Declared("ann", (OTHER,))))
    made = plan(wanted, replace(FRESH, elsewhere=("ann",)))
    [refusal] = refusals(made.findings)
    assert refusal.what == "user ann"
    assert "not by /etc/passwd" in refusal.reason
    assert "getent passwd ann" in refusal.remedy
    assert made.create == []


def test_a_key_that_is_not_declared_is_removed_and_named() -> None:
    seen = replace(FRESH, accounts=(replace(UBUNTU, keys=(MINE, OTHER)),))
    made = plan(DECLARED, seen, USED)
    assert made.keys == {"ubuntu": (MINE,)}
    assert "an undeclared key opens this account" in reasons(made)


def test_the_comment_of_a_key_makes_no_difference_its_options_do() -> None:
    other_comment = replace(UBUNTU, keys=("", "# mine", "ssh-ed25519 AAAAmine elsewhere"))
    assert not plan(DECLARED, replace(FRESH, accounts=(other_comment,))).keys
    restricted = replace(UBUNTU, keys=(f'command="true" {MINE}',))
    assert plan(DECLARED, replace(FRESH, accounts=(restricted,))).keys


@pytest.mark.parametrize("odd", ["\u00a0", "\u3000", "\v", "\f", "\r", "\x1f"])
def test_a_line_that_sshd_takes_for_no_key_is_not_the_declared_one(odd: str) -> None:
    for line in (f"ssh-ed25519{odd}AAAAmine", f"{odd}{MINE}", f"ssh-ed25519 AAAAmine{odd}owner"):
        made = plan(DECLARED, replace(FRESH, accounts=(replace(UBUNTU, keys=(line,)),)))
        assert made.keys == {"ubuntu": (MINE,)}
        assert "a declared key is missing" in reasons(made)
        assert "an undeclared key opens this account" in reasons(made)


def test_blanks_and_line_ends_that_sshd_passes_over_make_no_difference() -> None:
    kept = ("\r", f"\t {MINE} \r", " # mine\r")
    assert not plan(DECLARED, replace(FRESH, accounts=(replace(UBUNTU, keys=kept),))).keys
    bare = ("ssh-ed25519 \tAAAAmine\r",)
    assert not plan(DECLARED, replace(FRESH, accounts=(replace(UBUNTU, keys=bare),))).keys


def test_keys_in_the_second_file_count() -> None:
    seen = replace(FRESH, accounts=(replace(UBUNTU, more_keys=(OTHER,)),))
    assert plan(DECLARED, seen).keys == {"ubuntu": (MINE,)}


def test_the_key_in_use_has_to_be_declared() -> None:
    found = plan(Wanted(admins=(Declared("ubuntu", (OTHER,)),)), FRESH, USED).findings
    (refusal,) = refusals(found)
    assert "would be removed" in refusal.reason
    assert changes(found), "what else differs is told beside it"


def test_a_key_that_cannot_be_known_is_left_to_the_new_login() -> None:
    assert not refusals(plan(Wanted(admins=(Declared("ubuntu", (OTHER,)),)), FRESH).findings)


def test_denying_others_is_refused_where_it_would_shut_the_run_out() -> None:
    wanted = Wanted(admins=(Declared("ann", (OTHER,)),), deny_others=True)
    assert refusals(plan(wanted, FRESH).findings)
    told = plan(replace(wanted, deny_others=False), FRESH)
    assert not refusals(told.findings)
    assert "the user of this run" in reasons(told)


def test_a_login_user_without_declared_keys_keeps_those_it_has() -> None:
    made = plan(Wanted(admins=(Declared("ubuntu"),)), FRESH, "ssh-rsa AAAAanything")
    assert not made.keys
    assert not refusals(made.findings)


def test_others_with_keys_are_named_and_left_alone() -> None:
    bob = Account("bob", 1002, "/home/bob", "/bin/bash", "locked", keys=(OTHER,))
    made = plan(DECLARED, replace(FRESH, accounts=(UBUNTU, bob)), USED)
    told = [finding for finding in made.findings if isinstance(finding, Notice)]
    assert {finding.what for finding in told} == {"keys of bob", "password of bob"}
    assert "bob" not in made.keys
    assert "bob" not in made.unlock


def test_sudo_that_does_not_read_its_drop_ins_is_refused() -> None:
    assert refusals(plan(DECLARED, replace(FRESH, sudoers_included=False)).findings)


# What each finding is, and what is done
# --------------------------------------

WITH_PAM = Wanted(admins=DECLARED.admins, use_pam=True)
KEPT = replace(FRESH, sudoers=WITH_PAM.sudoers())


def having(account: Account) -> Accounts:
    return replace(KEPT, accounts=(account,))


def told(made: Plan) -> list[tuple[type, str, str]]:
    return [
        (Change if isinstance(finding, Change) else type(finding), finding.what, finding.reason)
        for finding in made.findings
    ]


def test_a_host_as_declared_needs_nothing() -> None:
    assert plan(WITH_PAM, KEPT, USED) == Plan()


def test_sshd_reads_two_files_of_keys() -> None:
    assert key_files("/home/ann") == (
        "/home/ann/.ssh/authorized_keys",
        "/home/ann/.ssh/authorized_keys2",
    )


def test_a_line_for_each_admin_goes_to_sudo() -> None:
    wanted = Wanted(admins=(Declared("ann"), Declared("ubuntu")))
    first, *rules = wanted.sudoers().split("\n")
    assert first.startswith("# Written by pyinfra-swarm")
    assert rules == ["ann ALL=(ALL:ALL) NOPASSWD: ALL", "ubuntu ALL=(ALL:ALL) NOPASSWD: ALL", ""]


def test_what_was_never_confirmed_is_told_and_made_again() -> None:
    ((kind, what, reason),) = told(plan(WITH_PAM, replace(KEPT, unconfirmed=True), USED))
    assert (kind, what) == (Change, "the host")
    assert "never confirmed" in reason


def test_denying_others_shuts_out_nobody_who_is_declared() -> None:
    assert plan(replace(WITH_PAM, deny_others=True), KEPT, USED) == Plan()


def test_a_new_admin_without_keys_is_made_and_told_of() -> None:
    made = plan(replace(WITH_PAM, admins=(Declared("ann"),)), KEPT)
    assert made.create == ["ann"]
    assert made.keys == {}
    assert [entry for entry in told(made) if entry[1].endswith(" ann")] == [
        (Change, "user ann", "a declared admin does not exist"),
        (
            Notice,
            "keys of ann",
            "none are declared, and a new user has none: it cannot log in",
        ),
    ]


def test_an_admin_has_to_be_in_the_group_sudo_unless_it_is_root() -> None:
    made = plan(WITH_PAM, having(replace(UBUNTU, groups=("users",))), USED)
    assert made.join_sudo == ["ubuntu"]
    assert told(made) == [(Change, "user ubuntu", "is not in the group sudo")]
    assert plan(WITH_PAM, having(replace(UBUNTU, groups=(), uid=0)), USED) == Plan()
    assert plan(WITH_PAM, having(replace(UBUNTU, groups=(), uid=1)), USED).join_sudo


@pytest.mark.parametrize("shell", ["/usr/sbin/nologin", "/bin/false"])
def test_a_shell_that_lets_nobody_in_is_told(shell: str) -> None:
    (finding,) = plan(WITH_PAM, having(replace(UBUNTU, shell=shell)), USED).findings
    assert isinstance(finding, Notice)
    assert (finding.what, finding.found) == ("user ubuntu", shell)


def test_an_admin_without_any_key_is_told_of() -> None:
    wanted = replace(WITH_PAM, admins=(Declared("ubuntu"),))
    keys: tuple[str, ...]
    more: tuple[str, ...]
    for keys, more in (((), ()), (("# none yet", " "), ())):
        ((kind, what, reason),) = told(
            plan(wanted, having(replace(UBUNTU, keys=keys, more_keys=more)))
        )
        assert (kind, what) == (Notice, "keys of ubuntu")
        assert "cannot log in with a key" in reason
    for keys, more in (((MINE,), ()), ((), (MINE,))):
        assert plan(wanted, having(replace(UBUNTU, keys=keys, more_keys=more))) == Plan()


def test_each_key_that_is_missing_or_too_much_is_told_in_order() -> None:
    keys = [f"ssh-ed25519 AAAA{letter * 20} {letter}" for letter in "abcd"]
    account = replace(UBUNTU, keys=(keys[1], keys[0]))
    made = plan(
        replace(WITH_PAM, admins=(Declared("ubuntu", (keys[3], keys[2])),)), having(account)
    )
    assert made.keys == {"ubuntu": (keys[3], keys[2])}
    assert [(finding.expected, finding.found) for finding in made.findings] == [
        ("ssh-ed25519 …cccccccccccc", ""),
        ("ssh-ed25519 …dddddddddddd", ""),
        ("", "ssh-ed25519 …aaaaaaaaaaaa"),
        ("", "ssh-ed25519 …bbbbbbbbbbbb"),
    ]


def test_declared_keys_in_the_second_file_only_are_brought_into_the_first() -> None:
    made = plan(WITH_PAM, having(replace(UBUNTU, more_keys=(MINE,))), USED)
    assert made.keys == {"ubuntu": (MINE,)}
    ((kind, what, reason),) = told(made)
    assert (kind, what) == (Change, "keys of ubuntu")
    assert "spread over two files" in reason


@pytest.mark.parametrize(
    "key",
    [
        "ssh-rsa AAAAB3 a comment",
        "ecdsa-sha2-nistp256 AAAAE2 a comment",
        "sk-ssh-ed25519@openssh.com AAAAGn a comment",
        'from="10.0.0.0/8" ssh-ed25519 AAAAC3 a comment',
    ],
)
def test_every_kind_of_key_is_known_without_its_comment(key: str) -> None:
    bare, other = key.removesuffix(" a comment"), key.replace("AAAA", "AAAAB")
    wanted = replace(WITH_PAM, admins=(Declared("ubuntu", (key,)),))
    assert not plan(wanted, having(replace(UBUNTU, keys=(f"\t{bare} elsewhere ",)))).keys
    assert plan(wanted, having(replace(UBUNTU, keys=(other,)))).keys


def test_a_line_that_only_looks_like_a_key_is_compared_as_it_is() -> None:
    odd = "ssh-ed25519 no-blob AAAAC3 ssh-ed25519"
    for line in (odd, f"{odd} ", f"\t{odd}"):
        wanted = replace(WITH_PAM, admins=(Declared("ubuntu", (line,)),))
        assert not plan(wanted, having(replace(UBUNTU, keys=(odd,)))).keys
        made = plan(wanted, having(replace(UBUNTU, keys=(odd.replace("no-", "a-"),))))
        assert made.findings[0].expected.startswith("ssh-ed25519 …")


def test_root_is_never_unlocked_and_never_told_of() -> None:
    root = replace(ROOT, keys=(OTHER,))
    made = plan(Wanted(admins=(Declared("root"),)), replace(FRESH, accounts=(root,)))
    assert made.unlock == []
    assert plan(DECLARED, replace(FRESH, accounts=(root, UBUNTU)), USED).unlock == ["ubuntu"]
    assert not [
        f for f in plan(DECLARED, replace(FRESH, accounts=(root,))).findings if "root" in f.what
    ]


@pytest.mark.parametrize(
    ("account", "whats"),
    [
        (
            Account("bob", 1, "/", "/bin/sh", "locked", keys=(OTHER,)),
            {"keys of bob", "password of bob"},
        ),
        (Account("bob", 1, "/", "/bin/sh", "star", keys=(OTHER,)), {"keys of bob"}),
        (Account("bob", 1, "/", "/bin/sh", "locked"), set()),
        (Account("bob", 0, "/", "/bin/sh", "locked", keys=(OTHER,)), set()),
    ],
)
def test_who_else_has_keys_is_told_and_whom_sshd_without_pam_refuses(
    account: Account, whats: set[str]
) -> None:
    mine = replace(UBUNTU, password="star")
    made = plan(DECLARED, replace(KEPT, accounts=(mine, account)), USED)
    assert {finding.what for finding in made.findings} == whats
    assert made.unlock == []
    quiet = plan(replace(WITH_PAM, deny_others=True), replace(KEPT, accounts=(mine, account)), USED)
    assert quiet.findings == []


_names = st.sampled_from(["ubuntu", "ann", "bob"])
_keys = st.lists(st.sampled_from([MINE, OTHER, "# a comment", ""]), unique=True).map(tuple)
_accounts = st.builds(
    Account,
    name=_names,
    uid=st.just(1000),
    home=st.just("/home/x"),
    shell=st.just("/bin/bash"),
    password=st.sampled_from(["locked", "star", "none", "set"]),
    groups=st.sampled_from([(), ("sudo",)]),
    keys=_keys,
    more_keys=_keys,
)
_declared = st.lists(
    st.builds(
        Declared, name=_names, keys=st.lists(st.sampled_from([MINE, OTHER]), unique=True).map(tuple)
    ),
    unique_by=lambda admin: admin.name,
).map(tuple)


@given(
    accounts=st.lists(_accounts, unique_by=lambda account: account.name).map(tuple),
    admins=_declared,
    use_pam=st.booleans(),
    deny=st.booleans(),
)
def test_one_run_is_enough_and_never_takes_the_key_in_use(
    accounts: tuple[Account, ...], admins: tuple[Declared, ...], use_pam: bool, deny: bool
) -> None:
    seen = Accounts(login_user="ubuntu", accounts=accounts)
    wanted = Wanted(admins, deny_others=deny and bool(admins), use_pam=use_pam)
    made = plan(wanted, seen, USED)
    if refusals(made.findings):
        assert made == Plan(findings=made.findings)
        return
    if "ubuntu" in made.keys:
        assert MINE in made.keys["ubuntu"]
    again = plan(wanted, carried_out(made, seen), USED)
    assert not changes(again.findings)


def test_keys_that_could_not_be_read_are_told_and_stop_nobody_else() -> None:
    bob = Account("bob", 1001, "/home/bob", "/bin/sh", "star", unread=("/home/bob/x is a link",))
    made = plan(DECLARED, replace(FRESH, accounts=(*FRESH.accounts, bob)))
    assert not refusals(made.findings)
    (notice,) = [finding for finding in made.findings if finding.what == "keys of bob"]
    assert isinstance(notice, Notice)
    assert "/home/bob/x is a link" in notice.sentence()
    assert "ls -la /home/bob/.ssh" in notice.sentence()


def test_a_declared_admins_file_that_could_not_be_read_is_not_overwritten() -> None:
    seen = replace(FRESH, accounts=(ROOT, replace(UBUNTU, keys=(), unread=("it is a link",))))
    made = plan(DECLARED, seen)
    assert made.keys == {}
    (refusal,) = refusals(made.findings)
    assert "not overwritten" in refusal.sentence()
    assert not refusals(plan(Wanted(admins=(Declared("ubuntu"),)), seen).findings)
