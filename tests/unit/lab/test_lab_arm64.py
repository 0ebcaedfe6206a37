"""Hosts with arm64: what their image and their emulator are told, and labs that have some."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from lab import api, image, image_arm64, images, machine, places
from lab.addresses import Node
from lab.authority import Authority, SigningKey
from lab.board import INTERFACE, PROGRAM, Board
from lab.errors import LabError
from lab.machine import HostKeys, Kind, Machine, UserMode
from lab.release import ARM64, Release
from lab.supervisor import Lab, Plan, Size, System

DEBIAN = Release("debian", "13", "trixie", "amd64", ())
KEY = SigningKey(Path("/nowhere"), "", "the key\n")
AUTHORITY = Authority("the certificate\n", "", KEY, KEY)
BOARD = System("own", "debian", False, "/board.img", "/d", "/a", ARM64, "/vmlinuz")
PLAN = Plan(
    size=Size(1, 1, 1536),
    systems=(System("own", "debian", False, "/base.img", "/docker", "/archive"), BOARD),
    iptables=("legacy", "nft"),
    kernel="/linux.uml",
    docker_versions=("28.5.2",),
    busybox="/busybox",
    registry="/registry",
    busybox_arm64="/busybox-arm64",
)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    places.state().mkdir()
    places.disks().mkdir(parents=True)
    base = tmp_path / "base.img"
    base.write_bytes(b"fresh")
    return Board(Node(3, "worker"), Path("/vmlinuz"), base, 1536)


@pytest.mark.parametrize("hardware", [image.USER_MODE, image_arm64.HARDWARE])
def test_an_image_names_its_own_disks_and_devices(hardware: image.Hardware) -> None:
    files = image.files(DEBIAN, AUTHORITY, hardware)
    assert files["etc/fstab"].split()[0] == hardware.root
    seeding = files["usr/local/sbin/seed-board"]
    assert f"tar -xf {hardware.seed} -C /\n" in seeding
    assert "{" not in seeding
    udev = files["etc/systemd/system/systemd-udev-trigger.service.d/10-few.conf"]
    assert [word for word in udev.split() if "subsystem" in word] == [
        f"--subsystem-match={kind}" for kind in hardware.coldplug
    ]


def test_a_boards_card_is_looked_for_when_it_boots() -> None:
    """Its driver is a module: without this a board has no network."""
    assert "virtio" in image_arm64.HARDWARE.coldplug


def test_the_kernels_modules_of_a_board_are_listed_without_emulation() -> None:
    said = image.customise(image_arm64.HARDWARE, "jq", "nft")
    assert 'depmod -b "$root" "$(basename "$modules")"' in said
    assert 'chroot "$root" depmod' not in said
    assert '"/usr/sbin/$command-nft"' in said


def test_a_board_has_one_disk_of_nvme_whose_name_is_certain(board: Board) -> None:
    said = " ".join(board.command())
    assert said.startswith(PROGRAM)
    assert f"file={board.disk}," in said
    assert f"file={board.seed}," in said
    assert [word for word in board.command() if word.startswith("nvme")] == [
        "nvme,serial=board,drive=disk"
    ]
    assert "virtio-blk-pci,drive=seed" in board.command()
    assert f"root={image_arm64.HARDWARE.root} " in said
    assert f"ifname={board.node.tap}," in said
    assert board.node.mac in said
    assert "-no-reboot" in board.command()  # the supervisor gives it power again


def test_a_board_keeps_its_disk_until_it_is_flashed(board: Board) -> None:
    board.prepare()
    assert board.disk.read_bytes() == b"fresh"
    board.disk.write_bytes(b"used")
    board.prepare()
    assert board.disk.read_bytes() == b"used"
    board.wipe()
    board.prepare()
    assert board.disk.read_bytes() == b"fresh"


def test_a_board_that_reboots_is_given_power_again_and_one_that_is_switched_off_is_not(
    board: Board,
) -> None:
    console = places.console(board.node.name)
    console.write_text("[  9.9] reboot: Restarting system\n")
    assert board.wants_power()
    console.write_text("[  9.9] reboot: Power down\n")
    assert not board.wants_power()


def test_how_it_ended_before_does_not_count(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board says little when it boots: the end before may be among its last lines."""
    console = places.console(board.node.name)
    console.write_text("[  9.9] reboot: Power down\n")
    monkeypatch.setattr(Board, "command", lambda _: ["true"])
    monkeypatch.setattr(machine, "inside", lambda _, words: list(words))
    board.switch_on()
    board.wait()
    assert board.wants_power()
    assert machine.last_lines(board.node.name) == "[  9.9] reboot: Power down"


@pytest.mark.parametrize(("kernel", "name"), [("vec0", "vec0"), (INTERFACE, "en*")])
def test_a_seed_names_the_hosts_own_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str, name: str
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    for kind in HostKeys.TYPES:
        for end in ("", ".pub"):
            (keys / f"ssh_host_{kind}_key{end}").write_text("a key\n")
    seed = tmp_path / "seed"
    machine.write_seed(Node(1, "manager"), HostKeys(keys), "", Kind("nft", False, kernel), seed)
    with tarfile.open(seed) as archive:
        network = archive.extractfile("etc/systemd/network/10-lan.network")
        assert network is not None
        assert network.read().decode().splitlines()[:2] == ["[Match]", f"Name={name}"]


def test_each_host_is_the_machine_that_its_system_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_STATE", str(tmp_path))
    lab = Lab(PLAN)
    made: list[Machine] = [lab._machine(node) for node in lab.nodes]
    assert [type(one) for one in made] == [UserMode, Board]
    assert made[0].command()[0] == "/linux.uml"
    assert "/vmlinuz" in made[1].command()
    assert made[0].slowness < made[1].slowness


@pytest.mark.parametrize("size", [(1, 0, 0), (3, 1, 0), (2, 0, 1), (0, 0, 1), (0, 0, 2)])
def test_a_lab_may_be_of_quick_hosts_of_both_or_of_boards_alone(size: tuple[int, int, int]) -> None:
    api._check_size(*size)


@pytest.mark.parametrize("size", [(0, 0, 0), (0, 1, 1), (1, -1, 2), (1, 0, -1), (20, 10, 3)])
def test_a_lab_that_there_cannot_be_is_refused(size: tuple[int, int, int]) -> None:
    with pytest.raises(LabError, match="a lab has at least one manager and at most 32 hosts"):
        api._check_size(*size)


def test_an_image_has_the_programs_of_each_platform(tmp_path: Path) -> None:
    for name in ("amd64", "arm64"):
        (tmp_path / name).write_text(f"busybox for {name}")
    offered = images.public(tmp_path / "amd64", {"arm64": tmp_path / "arm64"})
    for tagged in offered.values():
        for one in tagged.values():
            held = {content.digest: content.data for content in (*one.blobs, *one.manifests)}
            for entry in json.loads(one.listed.data)["manifests"]:
                manifest = json.loads(held[entry["digest"]])
                base = gzip.decompress(held[manifest["layers"][0]["digest"]])
                with tarfile.open(fileobj=io.BytesIO(base)) as archive:
                    program = archive.extractfile("bin/busybox")
                    assert program is not None
                    assert program.read().decode() == (
                        f"busybox for {entry['platform']['architecture']}"
                    )
