"""What sshd says, read as it is printed."""

from __future__ import annotations

import subprocess

import pytest

from pyinfra_swarm.ssh.facts import Effective, parse
from tests.tools.answers import sections

# OpenSSH 10.0p1 of Debian 13, `sshd -T` shortened to what surrounds the keywords of interest;
# systemd 257. Ubuntu 24.04 prints the same.
FRESH = """
#> login
debian

#> lines
/etc/ssh/sshd_config:12:Include /etc/ssh/sshd_config.d/*.conf
/etc/ssh/sshd_config:64:KbdInteractiveAuthentication no
/etc/ssh/sshd_config:87:UsePAM yes
/etc/ssh/sshd_config.d/50-cloud-init.conf:1:PasswordAuthentication yes

#> drop-in

#> user root
port 22
listenaddress [::]:22
usepam yes
pamservicename sshd
maxauthtries 6
permitrootlogin without-password
hostbasedauthentication no
pubkeyauthentication yes
passwordauthentication yes
kbdinteractiveauthentication no
x11forwarding yes
loglevel INFO
authorizedkeysfile .ssh/authorized_keys .ssh/authorized_keys2
authenticationmethods any
subsystem sftp /usr/lib/openssh/sftp-server

#> user debian
as-first

#> times
2026-11-23 23:40:01.340298755 +0000 /etc/ssh/sshd_config
2026-11-23 23:40:01.341573616 +0000 /etc/ssh/sshd_config.d
2026-11-23 23:40:02.341573616 +0000 /etc/ssh/sshd_config.d/50-cloud-init.conf
2026-11-23 23:41:00.808919239 +0000 /proc/12744

#> units
Id=ssh.service
ActiveState=active
StateChangeTimestamp=Mon 2026-11-23 23:40:10.125000 UTC

Id=ssh.socket
ActiveState=active
StateChangeTimestamp=Mon 2026-11-23 23:40:09.000000 UTC
"""


def test_a_fresh_board() -> None:
    sshd = parse(sections(FRESH))
    assert sshd.installed
    assert sshd.running
    assert sshd.login_user == "debian"
    assert sshd.effective["root"]["passwordauthentication"] == "yes"
    assert sshd.effective["debian"] == sshd.effective["root"]
    assert sshd.drop_in is None
    assert sshd.includes_drop_ins
    assert sshd.files_changed == pytest.approx(1795477202.3415737)
    assert sshd.files_read == pytest.approx(1795477210.125)
    assert not sshd.stale
    assert not sshd.unconfirmed


def test_files_written_after_the_last_reload_make_the_server_stale() -> None:
    sshd = parse(sections(FRESH.replace("23:40:02.34", "23:40:11.34")))
    assert sshd.stale


def test_a_socket_that_starts_sshd_on_demand_leaves_nothing_to_reload() -> None:
    text = FRESH.replace("ActiveState=active", "ActiveState=inactive", 1)
    assert not parse(sections(text.replace("23:40:02.34", "23:40:11.34"))).stale


def test_less_than_a_second_counts() -> None:
    """sshd was loaded anew at 10.125: a file that was written at 10.2 is not read yet."""
    assert parse(sections(FRESH.replace("23:40:02.34", "23:40:10.20"))).stale
    assert not parse(sections(FRESH.replace("23:40:02.34", "23:40:10.10"))).stale


def test_a_file_from_the_future_is_not_reloaded_for_ever() -> None:
    later = FRESH.replace("2026-11-23 23:40:02.34", "2030-01-23 23:40:02.34")
    assert later != FRESH
    assert not parse(sections(later)).stale


def test_a_host_without_sshd_says_so() -> None:
    sshd = parse(sections(["", "#> login", "debian", "", "#> absent"]))
    assert not sshd.installed


def test_files_that_sshd_refuses_are_told_in_its_own_words() -> None:
    before, _, rest = FRESH.partition("#> user root\n")
    text = before + (
        "#> user root\n/etc/ssh/sshd_config.d/50-x.conf: line 1: Bad configuration option: Foo\n"
        "exit status 255\n\n#> user debian\nas-first\n\n#> times" + rest.partition("#> times")[2]
    )
    sshd = parse(sections(text))
    assert "Bad configuration option: Foo" in sshd.problem
    assert not sshd.effective


def test_several_values_of_a_keyword_are_all_kept() -> None:
    text = FRESH.replace("loglevel INFO", "allowusers ann\nallowusers bob")
    assert parse(sections(text)).effective["root"]["allowusers"] == "ann bob"


def test_the_script_is_sound_and_names_are_not_code() -> None:
    command = Effective().command(users="ann,bob")
    assert "users='ann bob'" in command
    checked = subprocess.run(["sh", "-n"], input=command, text=True, check=False)
    assert checked.returncode == 0
    with pytest.raises(ValueError, match="not a list of user names"):
        Effective().command(users="ann;reboot")


def test_where_the_login_comes_from_is_its_address_alone() -> None:
    assert parse(sections(FRESH)).login_from == ""
    assert parse(sections(f"{FRESH}\n#> login-from\nfe80::9%eth0\n")).login_from == "fe80::9"
