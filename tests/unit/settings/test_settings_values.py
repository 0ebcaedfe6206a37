"""Single values: keys, labels, paths, fingerprints, durations, times."""

from __future__ import annotations

import re
import sys
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.access.plan import identity
from pyinfra_swarm.settings import Problem, Settings
from pyinfra_swarm.settings.values.keys import public_key_fault
from tests.unit.settings.settings_examples import ed25519, put, the_problem

UNKNOWN_TO_SSH = "".join(
    one
    for one in map(chr, range(sys.maxunicode + 1))
    if (one.isspace() or category(one) == "Cc") and one not in " \t\r\n"
)
"""Blanks and control characters that are no blank and no line end to sshd."""


class TestAccess:
    def key_problem(self, line: str) -> Problem:
        return the_problem(put("access.admins", [{"name": "ubuntu", "keys": [line]}]))

    def test_accepts_a_public_key(self) -> None:
        line = f"ssh-ed25519 {ed25519()} ada@laptop"
        settings = Settings(**put("access.admins", [{"name": "ubuntu", "keys": [line]}]))
        (admin,) = settings.admins(settings.hosts[0])
        assert admin.keys == (line,)

    def test_names_the_admin_and_the_key(self) -> None:
        problem = self.key_problem("hello")
        assert problem.field == 'access.admins[0] "ubuntu".keys[0]'
        assert "one line of a .pub file" in problem.instead

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (f'from="10.0.0.1" ssh-ed25519 {ed25519()}', "does not begin with a key type"),
            (f"ssh-ed25519 {ed25519()[:-9]} ada", "base64"),
            (f"ssh-ed25519 {ed25519()[:-8]} ada", "ends too early"),
            (f"ssh-rsa {ed25519()} ada", 'holds a key of the type "ssh-ed25519"'),
            (f"ssh-ed25519 {ed25519()}\nssh-ed25519 {ed25519()}", "in one line"),
        ],
    )
    def test_refuses_a_line_that_sshd_would_ignore(self, line: str, reason: str) -> None:
        assert reason in self.key_problem(line).reason

    @pytest.mark.parametrize(
        ("odd", "named"),
        [
            *(("\u00a0", "blank that SSH does not know (U+00A0)"), ("\u3000", "blank"), ("\v", "")),
            *(
                ("\x1f", "(U+001F)"),
                ("\r", "(U+000D)"),
                ("\x00", "control character"),
                ("\x85", ""),
            ),
        ],
    )
    @pytest.mark.parametrize("field", ["admins", "root_keys"])
    def test_refuses_a_blank_that_sshd_does_not_split_at(
        self, odd: str, named: str, field: str
    ) -> None:
        line = f"ssh-ed25519{odd}{ed25519()}{odd}ada"
        admin = {"name": "ubuntu", **({"keys": [line]} if field == "admins" else {})}
        others = {"root_keys": [line]} if field == "root_keys" else {}
        problem = the_problem(put("access", {"admins": [admin], **others}))
        assert "SSH does not know" in problem.reason
        assert named in problem.reason
        assert problem.instead == "a space in its place"

    @given(
        st.lists(st.sampled_from([*" \t", *UNKNOWN_TO_SSH]), min_size=1, max_size=4).map("".join),
        st.text(alphabet=[*" \tada@\u00e4", *UNKNOWN_TO_SSH], max_size=6),
    )
    def test_takes_for_a_key_what_sshd_takes_for_it(self, between: str, comment: str) -> None:
        line = f"ssh-ed25519{between}{ed25519()}{comment}"
        if public_key_fault(line) is None:
            words = re.split("[ \t]+", line)
            assert words[:2] == ["ssh-ed25519", ed25519()]
            assert identity(line) == ("", " ".join(words[:2]))
            assert not {*line} & {*UNKNOWN_TO_SSH}
        else:
            assert {*line} & {*UNKNOWN_TO_SSH} or not re.match("[ \t]|$", comment)

    def test_refuses_a_private_key_without_showing_it(self) -> None:
        secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA"
        problem = self.key_problem(secret)
        assert "is a private key" in problem.reason
        assert "b3BlbnNz" not in str(problem)

    @pytest.mark.parametrize("others", ["deny", "report"])
    def test_needs_the_user_who_logs_in_among_the_admins(self, others: str) -> None:
        data = put("access", {"others": others, "admins": [{"name": "ada"}]})
        problem = the_problem(data)
        assert problem.field == "access.admins"
        assert 'does not hold "ubuntu"' in problem.reason

    def test_may_deny_others_where_the_user_who_logs_in_is_an_admin(self) -> None:
        Settings(**put("access", {"others": "deny", "admins": [{"name": "ubuntu"}]}))
        Settings(**put("access", {"others": "deny"}))

    def test_refuses_the_same_admin_twice(self) -> None:
        problem = the_problem(put("access.admins", [{"name": "ubuntu"}, {"name": "ubuntu"}]))
        assert problem.reason == 'is used twice: access.admins[0] "ubuntu" has it as well'


class TestLabels:
    def test_accepts_what_a_placement_constraint_can_name(self) -> None:
        host = Settings(**put("hosts.0.labels", {"disk.kind": "nvme"})).hosts[0]
        assert host.labels == {"disk.kind": "nvme"}

    @pytest.mark.parametrize("key", ["1", "a b", "-x", "com.docker.x", "pyinfra-swarm.x"])
    def test_refuses_a_key_no_constraint_can_name(self, key: str) -> None:
        problem = the_problem(put("hosts.0.labels", {key: "x"}))
        assert problem.field == f'hosts[0] "rk1".labels.{key}'
        assert '"disk"' in problem.instead


class TestPaths:
    @pytest.mark.parametrize(
        "field",
        ["ssh.key", "ssh.known_hosts", "hosts.0.ssh_key", "swarm.unlock_key_file", "backup.folder"],
    )
    @pytest.mark.parametrize(
        ("path", "reason", "instead"),
        [
            ("~nobodyhere/k", 'begins with the home of "nobodyhere"', '"~/k"'),
            ("/a\0b", "is not a path", "such as"),
            (" ~/k", "has a space before or after it", '"~/k"'),
        ],
    )
    def test_that_lead_nowhere_are_refused(
        self, field: str, path: str, reason: str, instead: str
    ) -> None:
        problem = the_problem(put(field, path))
        assert reason in problem.reason
        assert instead in problem.instead


class TestFingerprints:
    def test_may_be_written_as_gpg_prints_them(self) -> None:
        spaced = "9dc8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"
        docker = Settings(**put("docker.key_fingerprint", spaced)).docker
        assert docker.key_fingerprint == "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"


class TestDurations:
    @pytest.mark.parametrize(("text", "expected"), [("90d", 7776000), ("1d12h", 129600)])
    def test_are_known_in_seconds(self, text: str, expected: int) -> None:
        swarm = Settings(**put("swarm.certificate_expiry", text)).swarm
        assert swarm.certificate_expiry_seconds == expected


@pytest.mark.parametrize("text", ["whenever", "every day", "tomorrow", "midnight", "04:00; x", ""])
def test_a_time_that_is_none_is_refused_before_it_reaches_a_host(text: str) -> None:
    problem = the_problem(put("firewall.refresh", text))
    assert problem.field == "firewall.refresh"
    assert problem.reason == "is not a time as systemd's OnCalendar takes it"


@pytest.mark.parametrize(
    "text",
    ["hourly", "Weekly", "semi-annually", "Mon", "mon..Fri", "Sat,Sunday", "04:00", "*:0/15"],
)
def test_times_that_systemd_takes_are_taken(text: str) -> None:
    assert Settings(**put("firewall.refresh", text)).firewall.refresh == text
