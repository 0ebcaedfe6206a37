"""People who are as good as root, or can come in: who is told, with what to do, and who is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.access.plan import Account as Login
from pyinfra_swarm.doors.accounts import GROUPS, KEYWORDS, Wanted, plan, plan_logins
from pyinfra_swarm.doors.seen import Account, Doors, Group
from pyinfra_swarm.run.findings import Finding

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkWKqoUoc9qoF2pQ0i2nY0m8B5j2m5yZ3C7h1kq0y1x"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIaaaaaUoc9qoF2pQ0i2nY0m8B5j2m5yZ3C7h1kqzzzz"
ROOT = Account("root", 0, 0, "/root", "/bin/bash", "none")
ANN = Account("ann", 1000, 1000, "/home/ann", "/bin/bash", "none")
BEN = replace(ANN, name="ben", uid=1001)
WANTED = Wanted(admins=["ann"])


def named(seen: Doors, wanted: Wanted = WANTED) -> list[Finding]:
    return plan(wanted, seen)


def whats(found: list[Finding]) -> list[str]:
    return [one.what for one in found]


def test_another_uid_0_is_told_and_the_rest_after_it_too() -> None:
    seen = Doors(accounts=(ROOT, ANN, replace(BEN, uid=0), replace(BEN, name="cleo", uid=0)))
    found = named(seen)
    assert whats(found) == ["user ben", "user cleo"]
    assert found[0].found == "uid 0"
    assert "root under another name" in found[0].reason
    assert 'or name "ben" in access.root_equals' in found[0].remedy
    assert whats(named(seen, Wanted(["ann"], root_equals=["ben"]))) == ["user cleo"]


@pytest.mark.parametrize("group", GROUPS)
def test_members_of_a_group_are_told_unless_they_are_root_anyway(group: str) -> None:
    toor = replace(BEN, name="toor", uid=0)
    seen = Doors(accounts=(ROOT, ANN, BEN), groups=(Group(group, ("root", "ann")),))
    assert named(seen) == []
    seen = Doors(accounts=(toor,), groups=(Group(group, ("root", "toor", "ben", "ann", "cleo")),))
    [_, finding] = named(seen)
    assert (finding.what, finding.found) == (f"group {group}", "ben, cleo")
    assert finding.reason == f"has undeclared members, who can {GROUPS[group]}"
    assert f"`sudo gpasswd -d ben {group}`" in finding.remedy
    assert 'or name "ben" in access.root_equals' in finding.remedy
    assert whats(named(seen, Wanted(["ann"], root_equals=["ben", "cleo", "toor"]))) == []


def test_which_groups_are_looked_at_is_what_is_known_of_them() -> None:
    """By their names, of which a slip would keep a door open: Debian's own, and of add-ons."""
    assert {*GROUPS} == {
        *("root", "sudo", "admin", "wheel", "lxd", "incus-admin", "libvirt"),
        *("disk", "kmem", "shadow", "adm", "systemd-journal"),
    }


def test_accounts_of_the_system_itself_are_members_of_its_groups_alone() -> None:
    own = {"root": ("sync", "operator"), "adm": ("syslog",), "shadow": (), "disk": ()}
    groups = tuple(Group(name, members) for name, members in own.items())
    assert named(Doors(groups=groups)) == []
    for name, members in own.items():
        strangers = {one for other in own.values() for one in other} - {*members}
        found = [named(Doors(groups=(Group(name, (one,)),))) for one in sorted(strangers)]
        assert [whats(one) for one in found] == [[f"group {name}"]] * len(found)


def test_a_group_that_is_in_no_table_can_do_more_and_hides_no_other() -> None:
    seen = Doors(groups=(Group("sudo", ("ann",)), Group("odd", ("ben",))))
    [finding] = named(seen)
    assert (finding.what, finding.reason) == (
        "group odd",
        "has undeclared members, who can do more",
    )


def test_rules_of_sudo_are_told_for_others_than_root_and_the_declared() -> None:
    toor = replace(BEN, name="toor", uid=0)
    rules = tuple((name, ("(root) vi",)) for name in ("root", "ann", "toor", "eve", "ben", "gert"))
    accounts = ROOT, toor, BEN, replace(BEN, name="eve", uid=1)
    seen = Doors(accounts=accounts, sudoers=rules, groups=(Group("disk", ("ben",)),))
    found = [one for one in named(seen, Wanted(["ann"], ["gert"])) if "sudo" in one.what]
    assert whats(found) == ["sudo of eve", "sudo of ben"]
    assert "a rule that is not declared" in found[0].reason
    assert "`sudo -l -U eve`" in found[0].remedy
    assert 'name "eve" in access.root_equals' in found[0].remedy


@pytest.mark.parametrize(
    ("rules", "shown"),
    [(1, "r1"), (4, "r1; r2; r3; r4"), (5, "r1; r2; r3; r4 …")],
)
def test_the_first_rules_are_shown(rules: int, shown: str) -> None:
    many = tuple(f"r{number}" for number in range(1, rules + 1))
    [finding] = named(Doors(sudoers=(("eve", many),)))
    assert finding.found == shown


def test_passwords_are_told_of_those_who_can_work() -> None:
    accounts = (
        *(ROOT, ANN),
        replace(BEN, password="set", shell="/usr/sbin/nologin"),
        replace(BEN, name="declared", password="set"),
        replace(BEN, name="set", password="set"),
        replace(BEN, name="empty", password="empty"),
    )
    found = named(Doors(accounts=accounts), Wanted(["ann"], passwords=["declared"]))
    assert [(one.what, one.reason, one.expected) for one in found] == [
        (
            "password of set",
            "it has one, which lets somebody in at the console, and by su",
            "none",
        ),
        (
            "password of empty",
            "it is empty: at the console, and by su, nobody is asked for one",
            "none",
        ),
    ]
    assert "`sudo usermod -p '*' set`" in found[0].remedy
    assert 'in access.passwords: "set"' in found[0].remedy


# Logins
# ------


def logins(
    wanted: Wanted = WANTED,
    effective: dict[str, dict[str, str]] | None = None,
    root: Login | None = None,
    *files: str,
) -> list[Finding]:
    return plan_logins(wanted, Doors(login_files=files), effective or {"root": {}}, root)


def test_which_keywords_let_in_nobody_else_is_what_sshd_says() -> None:
    """As ``sshd -T`` prints them where nothing is set."""
    assert {keyword: harmless for keyword, (_, harmless, _) in KEYWORDS.items()} == {
        "authorizedkeyscommand": "none",
        "trustedusercakeys": "none",
        "authorizedprincipalsfile": "none",
        "authorizedprincipalscommand": "none",
        "permituserenvironment": "no",
    }


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_a_keyword_is_told_where_it_is_not_harmless(keyword: str) -> None:
    spelling, harmless, why = KEYWORDS[keyword]
    assert spelling.lower() == keyword
    assert logins(effective={"root": {keyword: harmless}, "ann": {}}) == []
    odd: dict[str, dict[str, str]] = {"ann": {keyword: "x"}, "root": {keyword: "x"}, "ben": {}}
    [finding] = logins(effective=odd)
    assert (finding.what, finding.reason) == (f"sshd {spelling}", f"{why} (for ann and root)")
    assert (finding.expected, finding.found) == (harmless, "x")
    assert f'access.sshd: "{spelling}"' in finding.remedy
    assert logins(Wanted((), sshd=[spelling.upper()]), odd) == []
    [finding] = logins(effective={"root": {keyword: "x"}})
    assert finding.reason == why
    found = logins(effective={"root": {keyword: "x"}, "ann": {keyword: "y"}})
    assert [one.found for one in found] == ["y", "x"]


@pytest.mark.parametrize(
    ("path", "effective", "told"),
    [
        ("/home/ann/.ssh/rc", {}, True),
        ("/home/ann/.ssh/rc", {"permituserrc": "no"}, False),
        ("/home/ann/.ssh/rc", {"permituserrc": "yes"}, True),
        ("/etc/ssh/sshrc", {"permituserrc": "no"}, True),
        ("/home/ann/.ssh/environment", {}, False),
        ("/home/ann/.ssh/environment", {"permituserrc": "yes"}, False),
    ],
)
def test_a_login_file_is_told_where_it_counts(
    path: str, effective: dict[str, str], told: bool
) -> None:
    found = logins(WANTED, {"root": effective}, None, path)
    assert whats(found) == [path] * told
    if told:
        assert "sshd runs it at each login" in found[0].reason
        assert f'access.login_files: "{path}"' in found[0].remedy
    assert logins(Wanted((), login_files=[path]), {"root": effective}, None, path) == []


def test_variables_are_told_where_sshd_takes_them_for_anybody() -> None:
    path = "/home/ann/.ssh/environment"
    effective = {"root": {}, "ann": {"permituserenvironment": "yes", "permituserrc": "no"}}
    found = logins(WANTED, effective, None, path, "/home/ann/.ssh/rc")
    assert whats(found) == ["sshd PermitUserEnvironment", path, "/home/ann/.ssh/rc"]
    assert "takes variables from it at each login" in found[1].reason


def test_a_file_that_does_not_count_hides_no_other() -> None:
    files = "/home/ann/.ssh/environment", "/home/ann/.ssh/rc", "/etc/ssh/sshrc"
    found = logins(Wanted((), login_files=["/home/ann/.ssh/rc"]), {"root": {}}, None, *files)
    assert whats(found) == ["/etc/ssh/sshrc"]


def roots(*keys: str, more: tuple[str, ...] = (), unread: tuple[str, ...] = ()) -> list[Finding]:
    login = Login("root", 0, "/root", "/bin/bash", "star", keys=keys, more_keys=more, unread=unread)
    return logins(Wanted((), root_keys=[f"{OTHER} meant"]), None, login)


def test_keys_of_root_are_told_wherever_they_are() -> None:
    assert roots() == roots(f"{OTHER} somebody") == roots("# nothing", more=(OTHER,)) == []
    for found in (roots(f"{KEY} x", OTHER), roots(more=(f"{KEY} x",))):
        [finding] = found
        assert (finding.what, finding.expected) == ("keys of root", "none")
        assert finding.found == f"{KEY[:20]}…{KEY[-12:]}"
    five = [KEY.replace("zZ3C7h1kq0y1x", f"aaaaaaaaaaaa{n}") for n in range(5)]
    assert roots(*five)[0].found.count("…") == 4


def test_keys_of_root_that_cannot_be_read_are_told() -> None:
    [finding] = roots(KEY, unread=("a is a link", "b is large"))
    assert finding.found == "a is a link and b is large"
    assert finding.expected == "a plain file of at most 64 KiB, or none"
    assert "unknown who becomes root" in finding.reason
