"""Who may log in: what is missing, what is too much, what would lock the owner out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cluster.access import Account, Accounts, Declared, Plan, Wanted, plan
from cluster.findings import Notice, changes, refusals

MINE = "ssh-ed25519 AAAAmine owner@laptop"
OTHER = "ssh-ed25519 AAAAother somebody"
USED = "ssh-ed25519 AAAAmine"
UBUNTU = Account(
    "ubuntu", 1000, "/home/ubuntu", "/bin/bash", "locked", groups=("sudo",), keys=(MINE,)
)
ROOT = Account("root", 0, "/root", "/bin/bash", "locked")
FRESH = Accounts(login_user="ubuntu", accounts=(ROOT, UBUNTU))
DECLARED = Wanted(admins=(Declared("ubuntu", (MINE,)),))


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
    assert "ann ALL=(ALL:ALL) NOPASSWD: ALL" in made.sudoers


def test_a_key_that_is_not_declared_is_removed_and_named() -> None:
    seen = replace(FRESH, accounts=(replace(UBUNTU, keys=(MINE, OTHER)),))
    made = plan(DECLARED, seen, USED)
    assert made.keys == {"ubuntu": (MINE,)}
    assert "a key that is not declared opens this account" in reasons(made)


def test_the_comment_of_a_key_makes_no_difference_its_options_do() -> None:
    other_comment = replace(UBUNTU, keys=("", "# mine", "ssh-ed25519 AAAAmine elsewhere"))
    assert not plan(DECLARED, replace(FRESH, accounts=(other_comment,))).keys
    restricted = replace(UBUNTU, keys=(f'command="true" {MINE}',))
    assert plan(DECLARED, replace(FRESH, accounts=(restricted,))).keys


def test_keys_in_the_second_file_count() -> None:
    seen = replace(FRESH, accounts=(replace(UBUNTU, more_keys=(OTHER,)),))
    assert plan(DECLARED, seen).keys == {"ubuntu": (MINE,)}


def test_the_key_in_use_has_to_be_declared() -> None:
    (refusal,) = plan(Wanted(admins=(Declared("ubuntu", (OTHER,)),)), FRESH, USED).findings
    assert refusal in refusals([refusal])
    assert "would be removed" in refusal.reason


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
