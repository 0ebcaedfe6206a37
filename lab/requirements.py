"""What this machine must have for a lab."""

import importlib.util
import os
import shutil
from pathlib import Path

from lab import places, xstate
from lab.errors import LabError

PROGRAMS = {
    "user-mode-linux": ("linux.uml",),
    "mmdebstrap": ("mmdebstrap",),
    "iproute2": ("ip",),
    "openssh-client": ("ssh", "ssh-keygen"),
    "tcpdump": ("tcpdump",),
    "apt-utils": ("apt-ftparchive",),
    "dpkg-dev": ("dpkg-deb",),
    "gpg": ("gpg", "gpgconf"),
    "gpg-agent": ("gpg-agent",),
    "e2fsprogs": ("mkfs.ext4",),
    "util-linux": ("unshare",),
    "curl": ("curl",),
}
"""Programs by the package that brings them, by Debian's and Ubuntu's names."""

ARM64_PROGRAMS = {
    "qemu-system-arm": ("qemu-system-aarch64",),
    "qemu-user-binfmt": ("qemu-aarch64",),
    "kmod": ("depmod",),
}
"""What hosts with arm64 take besides."""

MODULES = ("trustme", "bcrypt")

MEMORY_PER_HOST, DISK_PER_HOST, DISK = 800, 1000, 2000
"""Megabytes."""

MEMORY_PER_BOARD, DISK_PER_BOARD = 1500, 1500
"""Megabytes, of a host with arm64: its emulator keeps what it has translated."""

_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


def missing(arm64: bool = False) -> list[str]:
    """Everything that keeps this machine from having a lab, one sentence each.

    arm64: whether some hosts shall have it
    """
    found = []
    if os.uname().machine != "x86_64":
        found.append(f"User Mode Linux runs on x86-64 only; this machine is {os.uname().machine}")
    if os.geteuid() != 0:
        found.append("network namespaces and taps need root: run it as root, or with sudo")
    elif not Path("/dev/net/tun").exists():
        found.append("/dev/net/tun is not there: `modprobe tun`, or allow it to this container")
    elif not _has_capability(12) or not _has_capability(21):
        found.append("this root may not set up networks (CAP_NET_ADMIN and CAP_SYS_ADMIN)")
    search = "{}:{}".format(os.environ.get("PATH", ""), _ADMIN_PATH)
    packages = [
        package
        for package, programs in {**PROGRAMS, **(ARM64_PROGRAMS if arm64 else {})}.items()
        if any(shutil.which(program, path=search) is None for program in programs)
    ]
    if xstate.is_needed() and shutil.which(xstate.COMPILER, path=search) is None:
        packages.append(xstate.COMPILER)
    if packages:
        found.append(f"programs are missing: `apt-get install {' '.join(packages)}`")
    modules = [name for name in MODULES if importlib.util.find_spec(name) is None]
    if modules:
        found.append(f"Python modules are missing: `python -m pip install {' '.join(modules)}`")
    return found


def check(hosts: int, memory: int, boards: int = 0) -> None:
    """Go on only if nothing is missing for so many hosts with so many megabytes each.

    boards: how many there are besides that have arm64
    Raises LabError: with all that is missing, at once.
    """
    found = missing(boards > 0) + _lack_of_room(hosts, memory, boards)
    if found:
        raise LabError(
            "this machine cannot have a lab yet:\n" + "\n".join(f"  - {one}" for one in found)
        )


def _lack_of_room(hosts: int, memory: int, boards: int) -> list[str]:
    found = []
    needed = hosts * min(memory, MEMORY_PER_HOST) + boards * min(memory, MEMORY_PER_BOARD)
    available = _available_memory()
    if available < needed:
        found.append(
            f"{hosts + boards} hosts take {needed} MB of memory once Docker runs, and {available}"
            " MB are available: end something, start fewer hosts, or smaller ones with --memory"
        )
    folder = places.cache()
    while not folder.exists():
        folder = folder.parent
    room = shutil.disk_usage(folder).free >> 20
    disks = DISK + hosts * DISK_PER_HOST + (boards and DISK + boards * DISK_PER_BOARD)
    if room < disks:
        found.append(
            f"images and {hosts + boards} disks take {disks} MB, and {folder} has"
            f" {room} MB left: make room, or set LAB_CACHE to another folder"
        )
    return found


def _available_memory() -> int:
    """Megabytes."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return 0


def _has_capability(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return True
