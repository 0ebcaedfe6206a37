"""What a board's image and hardware bring along, and the engine it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.host.system import Disk, Host, Link
from pyinfra_swarm.preflight import plan as preflight
from pyinfra_swarm.preflight.board import board_findings
from pyinfra_swarm.run.findings import Notice, Refusal, Remark
from tests.unit.preflight.hosts import (
    GIB,
    SETTINGS,
    SOUND,
    declared,
    fellow,
    found_on,
    the_notice,
    the_refusal,
)

FINE = Link("end0", random_mac=False, awaited=True)


def with_links(*links: Link) -> Host:
    return replace(SOUND, links=links)


def test_an_interface_that_is_awaited_and_has_its_own_mac_is_fine() -> None:
    assert found_on(with_links(FINE)) == []
    assert found_on(with_links(replace(FINE, awaited=None))) == []


def test_a_random_mac_address_is_told_with_what_it_costs() -> None:
    told = the_notice(with_links(replace(FINE, random_mac=True)))
    assert told.startswith("interface end0: it has a random MAC address")
    assert "192.168.1.11 may be gone" in told
    assert "macaddress:" in told


def test_an_interface_that_the_boot_does_not_wait_for_is_told() -> None:
    told = the_notice(with_links(replace(FINE, awaited=False)))
    assert told.startswith("interface end0: the boot does not wait for it")
    assert "optional: false" in told


def test_other_interfaces_do_not_matter() -> None:
    other = Link("wlan0", random_mac=True, awaited=False)
    assert found_on(with_links(other, FINE)) == []


def test_a_cloud_init_that_would_do_a_first_boot_again_is_told_what_it_makes_anew() -> None:
    both = the_notice(replace(SOUND, first_boot_again=("hostname", "host keys")))
    assert "it makes hostname and host keys and sshd's drop-in anew" in both
    assert "cloud-init.disabled" in both
    assert found_on(replace(SOUND, first_boot_again=())) == []


def test_expired_passwords_of_those_who_matter_are_told() -> None:
    settings = declared(access={"admins": [{"name": "ann"}, {"name": "pi"}]}, ssh={"user": "pi"})
    for user in ("ann", "pi"):
        password = the_notice(replace(SOUND, expired_passwords=("eve", user)), settings)
        assert password.startswith(f"password of {user}: it has expired")
        assert f"chage -d $(date +%F) -M -1 {user}" in password
        account = the_notice(replace(SOUND, expired_accounts=(user, "eve")), settings)
        assert f"chage -E -1 {user}" in account
    assert found_on(replace(SOUND, expired_passwords=("eve",)), settings) == []


def test_an_expired_password_of_the_one_who_logs_in_is_told_where_no_admins_are_declared() -> None:
    settings = declared(ssh={"user": "pi"})
    expired = replace(SOUND, expired_passwords=("pi",), expired_accounts=("pi",))
    found = board_findings(settings, "rk1", expired)
    assert [one.what for one in found] == ["account of pi", "password of pi"]


def test_the_cipher_of_rockchip_is_told_where_it_would_be_used() -> None:
    def using(cipher: str) -> Host:
        return replace(SOUND, kernel=replace(SOUND.kernel, cipher=cipher))

    assert "Rockchip" in the_notice(using("gcm-aes-rk"))
    assert "Rockchip" in the_notice(using("rfc4106(gcm-aes-rk)"))
    assert found_on(using("gcm-aes-ce")) == []
    assert found_on(using("")) == []


# Disks
# -----


def with_store(docker: str, containerd: str, *, root: str = "a1", engine: str = "") -> Host:
    disks = [Disk("/", 20 * GIB, None, root), Disk("/var", 20 * GIB, None, root)]
    for path, file_system in (("/var/lib/docker", docker), ("/var/lib/containerd", containerd)):
        if file_system:
            disks.append(Disk(path, 20 * GIB, None, file_system))
    return replace(SOUND, disks=tuple(disks), engine=engine)


@pytest.mark.parametrize(
    ("docker", "containerd", "engine", "told"),
    [
        ("nvme", "", "", True),
        ("nvme", "a1", "", True),
        ("nvme", "a1", "29.8.0", True),
        ("nvme", "a1", "28.5.2", False),
        ("nvme", "nvme", "29.8.0", False),
        ("nvme", "other", "29.8.0", False),
        ("a1", "a1", "29.8.0", False),
        ("", "", "", False),
    ],
)
def test_images_that_would_fill_the_root_file_system_are_told(
    docker: str, containerd: str, engine: str, told: bool
) -> None:
    host = with_store(docker, containerd, engine=engine)
    assert [type(one) for one in found_on(host)] == [Notice] * told


@pytest.mark.parametrize(
    ("left_out", "told"), [("/", False), ("/var", False), ("/var/lib/docker", False), ("", True)]
)
def test_a_disk_that_is_not_seen_is_no_other_disk(left_out: str, told: bool) -> None:
    host = with_store("nvme", "")
    seen = replace(host, disks=tuple(disk for disk in host.disks if disk.path != left_out))
    assert bool(list(board_findings(SETTINGS, "rk1", seen))) is told


def test_images_on_a_disk_of_var_are_not_on_the_root_file_system() -> None:
    host = with_store("nvme", "")
    disks = [replace(one, file_system="var") if one.path == "/var" else one for one in host.disks]
    assert found_on(replace(host, disks=tuple(disks))) == []


def test_an_interface_may_have_both_faults() -> None:
    both = with_links(Link("end0", random_mac=True, awaited=False))
    assert [one.found for one in found_on(both)] == ["random", "optional"]


@pytest.mark.parametrize("path", ["/var/lib/docker", "/var/lib/containerd"])
def test_a_full_disk_of_images_is_refused_space_and_inodes(path: str) -> None:
    full = replace(SOUND, disks=(*SOUND.disks, Disk(path, GIB, None, "c3")))
    assert the_refusal(full).startswith(f"disk space on {path}")
    assert found_on(replace(full, engine="28.5.2")) == []
    tight = replace(SOUND, disks=(*SOUND.disks, Disk(path, 20 * GIB, 19_999, "c3")))
    assert the_refusal(tight).startswith(f"inodes on {path}")


# The engine
# ----------


def test_a_version_that_a_new_cluster_must_not_begin_with_is_refused() -> None:
    wanted = declared(docker={"version": "29.1.3"})
    hosts: dict[str, Host | None] = {"rk1": SOUND, "rk2": fellow(2), "rk3": fellow(3)}
    found = [one for one in preflight.plan(wanted, "rk1", hosts) if one.what == "Docker Engine"]
    assert [type(one) for one in found] == [Refusal, Remark]
    assert found[0].reason.endswith(" (moby #51798, release notes of 29.2.1)")
    assert found[1].reason.endswith(" (moby #53141)")
    for hosts["rk3"] in (fellow(3, in_swarm=True, engine="29.1.3"), None):
        found = [one for one in preflight.plan(wanted, "rk1", hosts) if one.what == "Docker Engine"]
        assert [type(one) for one in found if "51798" in one.reason] == [Remark]


def test_a_node_is_told_of_the_version_that_it_has_whatever_is_declared() -> None:
    node = replace(SOUND, in_swarm=True, engine="29.7.2")
    (remark,) = [
        one
        for one in preflight.plan(declared(docker={"version": "29.8.0"}), "rk1", {"rk1": node})
        if one.what == "Docker Engine"
    ]
    assert isinstance(remark, Remark)
    assert (remark.found, remark.expected) == ("29.7.2", "29.8.0 or later")
    assert "deploys/upgrade.py" in remark.remedy
    assert found_on(replace(SOUND, in_swarm=True, engine="28.5.2"), SETTINGS) == []


def test_a_host_outside_a_swarm_is_told_of_the_version_that_it_will_have() -> None:
    def told(version: str, *, engine: str) -> list[str]:
        host, wanted = replace(SOUND, engine=engine), declared(docker={"version": version})
        hosts: dict[str, Host | None] = {"rk1": host, "rk2": None}
        found = preflight.plan(wanted, "rk1", hosts)
        return [one.found for one in found if one.what == "Docker Engine"]

    assert told("29.7.2", engine="28.5.2") == ["29.7.2"]
    assert told("29.8.0", engine="29.7.2") == []
    assert told("", engine="29.7.2") == ["29.7.2"]
    assert told("", engine="") == []
