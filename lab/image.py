"""The hosts' disk image: the machine's own release, as a freshly flashed board has it.

A login user with a key, passwordless sudo and a locked password; password logins switched on
by a drop-in of cloud-init's; SSH by socket activation; no Docker. What belongs to one host
(name, addresses, keys) comes from a small tar on a second disk, unpacked at first boot.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import addresses
from lab.authority import Authority
from lab.cache import cached, is_cached, recipe_key
from lab.commands import run
from lab.kernel import Kernel
from lab.release import Release, write_sources
from lab.repository import publish
from lab.userland import OWN, Userland

PACKAGES = (
    "systemd systemd-sysv systemd-timesyncd dbus udev kmod init-system-helpers "
    "openssh-server sudo adduser passwd login iproute2 iptables procps iputils-ping netbase "
    "ca-certificates curl gnupg openssl python3 unattended-upgrades apt-utils logrotate cron "
    "libseccomp2 tcpdump less lsb-release bash-completion e2fsprogs"
)
"""What a board's stock image has, as far as it matters to somebody who sets it up over SSH."""

INSTALLABLE = (
    "jq conntrack ufw iptables-persistent netfilter-persistent ipset chrony rsync "
    "netcat-openbsd socat ethtool xz-utils pigz nftables docker-registry keepalived "
    "wireguard-tools wireguard-go"
)
"""What the hosts can install besides, from the lab's base repository.

`docker-registry` is for the lab itself, which takes the program out of the package. Installed on
this machine, the package would start a service of its own here. `wireguard-go` stands in for the
module that User Mode Linux's kernel is built without.
"""

REGISTRY = "docker-registry"
"""The program, in the image's folder."""

DISK_SIZE = "12G"

DPKG_OPTIONS = (
    *(f"path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale")),
    "path-include=/usr/share/doc/*/copyright",
)
"""What is left out of packages."""


@dataclass(frozen=True)
class Hardware:
    """What an image depends on besides its packages.

    root, seed: the disks
    coldplug: kinds of devices, as udev names them, that are looked at when the host boots
    depmod: words of the program that lists the kernel's modules
    """

    root: str
    seed: str
    coldplug: tuple[str, ...]
    depmod: str


USER_MODE = Hardware("/dev/ubda", "/dev/ubdb", ("block", "net", "misc"), 'chroot "$root" depmod')

_SSH_SOCKET = """\
[Socket]
Accept=no
"""

_SEED_UNIT = """\
[Unit]
Description=What this board alone knows: its name, addresses and keys
ConditionPathExists=!/etc/board-seeded
DefaultDependencies=no
After=systemd-remount-fs.service
Before=sysinit.target systemd-networkd.service network-pre.target ssh.socket ssh.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/seed-board

[Install]
WantedBy=sysinit.target
"""

_SEED_SCRIPT = """\
#!/bin/sh
set -e
tar -xf {seed} -C /
netplan=/usr/libexec/netplan/generate
if [ -x "$netplan" ]; then "$netplan"; fi
hostname -F /etc/hostname
echo "127.0.1.1 $(cat /etc/hostname)" >> /etc/hosts
touch /etc/board-seeded
"""

_CUSTOMISE = """\
#!/bin/sh
# Arguments: the new root, the folder with files to put into it, where to leave installable
# packages, the folder of the kernel's modules.
set -eu
root=$1 files=$2 installable=$3 modules=$4

mkdir -p "$installable"
for package in {installable}; do  # one by one: some exclude each other
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq -y --download-only install "$package"
done
cp "$root"/var/cache/apt/archives/*.deb "$installable"/
rm -f "$root"/var/cache/apt/archives/*.deb

rm -f "$root"/etc/apt/sources.list.d/*
cp -r --no-preserve=ownership "$files"/. "$root"/
mkdir -p "$root/usr/lib/modules"
cp -r --no-preserve=ownership "$modules" "$root/usr/lib/modules/"
{depmod} "$(basename "$modules")"

chroot "$root" useradd --create-home --shell /bin/bash --comment Debian --groups adm,sudo {user}
chroot "$root" usermod --password '!' {user}
chroot "$root" usermod --password '!' root
install -d -m 700 -o 1000 -g 1000 "$root/home/{user}/.ssh"
chmod 440 "$root/etc/sudoers.d/90-cloud-init-users"
chmod 755 "$root/usr/local/sbin/seed-board"
rm -f "$root"/etc/ssh/ssh_host_*

for command in iptables ip6tables; do
    chroot "$root" update-alternatives --quiet --set "$command" "/usr/sbin/$command-{back_end}"
done
chroot "$root" update-ca-certificates

chroot "$root" systemctl --quiet disable ssh.service
chroot "$root" systemctl --quiet enable ssh.socket seed-board.service systemd-networkd.service
chroot "$root" systemctl --quiet enable systemd-timesyncd.service
chroot "$root" systemctl --quiet mask \\
    getty@tty1.service serial-getty@.service console-getty.service getty.target \\
    systemd-hwdb-update.service ldconfig.service systemd-firstboot.service \\
    systemd-pcrphase.service dev-hugepages.mount e2scrub_reap.service e2scrub_all.timer \\
    systemd-update-utmp.service modprobe@drm.service modprobe@efi_pstore.service \\
    modprobe@configfs.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount
chroot "$root" systemctl --quiet set-default multi-user.target
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/log/*.log "$root"/var/log/apt/*
mkdir -p "$root/var/lib/apt/lists/partial"
: > "$root/etc/machine-id"
# Nothing is left for the units that run once after an update.
touch -d '+1 min' "$root/etc/.updated" "$root/var/.updated"
rm -f "$root/var/lib/dbus/machine-id" "$root/etc/hostname"
"""


def files(release: Release, authority: Authority, hardware: Hardware) -> dict[str, str]:
    """What the image has beyond its packages, by path."""
    names = " ".join((*addresses.WEB_HOSTS, *addresses.TIME_HOSTS))
    keyring = "/usr/share/keyrings/lab-archive.asc"
    sources = "\n".join(
        f"Types: deb\nURIs: http://{addresses.DISTRIBUTION_HOST}/{release.distribution}\n"
        f"Suites: {suites}\nComponents: main\nSigned-By: {keyring}\n"
        for suites in (f"{release.codename} {release.codename}-updates", _security(release))
    )
    late = "[Timer]\nOnBootSec=6h\nOnCalendar=\nOnCalendar=*-*-* 4:00\nPersistent=false\n"
    return {
        "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
        "ff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
        f"{addresses.GATEWAY} {names}\n{addresses.GATEWAY6} {names}\n",
        "etc/fstab": f"{hardware.root} / ext4 defaults,nobarrier,errors=remount-ro 0 0\n",
        "etc/resolv.conf": "# This network has no name server: see /etc/hosts.\n",
        "etc/apt/sources.list": "",
        "etc/apt/sources.list.d/debian.sources"
        if release.distribution == "debian"
        else "etc/apt/sources.list.d/ubuntu.sources": sources,
        keyring.lstrip("/"): authority.distribution.armoured,
        "usr/local/share/ca-certificates/lab.crt": authority.certificate,
        "etc/ssh/sshd_config.d/50-cloud-init.conf": "PasswordAuthentication yes\n",
        "etc/sudoers.d/90-cloud-init-users": f"{addresses.USER} ALL=(ALL) NOPASSWD:ALL\n",
        "etc/systemd/system/ssh.socket.d/accept.conf": _SSH_SOCKET,
        "etc/systemd/system/seed-board.service": _SEED_UNIT,
        "usr/local/sbin/seed-board": _SEED_SCRIPT.replace("{seed}", hardware.seed),
        "etc/systemd/system/docker.service.d/10-short-power-off.conf": (
            "[Service]\nTimeoutStopSec=25\n"
        ),
        "etc/systemd/system/containerd.service.d/10-short-power-off.conf": (
            "[Service]\nTimeoutStopSec=5\n"
        ),
        "etc/systemd/system.conf.d/10-short-power-off.conf": (
            "[Manager]\nDefaultTimeoutStopSec=15s\n"
        ),
        # Coldplug only what a board has: a kernel's sixty terminals take seconds each boot.
        "etc/systemd/system/systemd-udev-trigger.service.d/10-few.conf": (
            "[Service]\nExecStart=\n"
            "ExecStart=-udevadm trigger --type=devices --action=add"
            + "".join(f" --subsystem-match={kind}" for kind in hardware.coldplug)
            + "\n"
        ),
        "etc/systemd/system/apt-daily.timer.d/late.conf": late,
        "etc/systemd/system/apt-daily-upgrade.timer.d/late.conf": late,
        "etc/systemd/journald.conf.d/10-board.conf": (
            "[Journal]\nStorage=persistent\nSystemMaxUse=64M\n"
        ),
        "etc/apt/apt.conf.d/20auto-upgrades": (
            'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n'
        ),
    }


def _security(release: Release) -> str:
    return f"{release.codename}-security"


def _key(release: Release, authority: Authority, kernel: Kernel, userland: Userland) -> str:
    return recipe_key(
        ["image", "addresses", "repository"],
        repr(release),
        repr(userland),
        authority.certificate,
        authority.distribution.fingerprint,
        kernel.name,
    )


def is_built(release: Release, authority: Authority, kernel: Kernel, userland: Userland) -> bool:
    """Whether the image is in the cache."""
    return is_cached(_kind(userland), _key(release, authority, kernel, userland))


def _kind(userland: Userland) -> str:
    """Its name in the cache, where every userland has its own place."""
    return "image" if userland.name == OWN else f"{userland.name}.image"


def image(
    release: Release,
    authority: Authority,
    kernel: Kernel,
    userland: Userland,
    say: Callable[[str], None],
) -> Path:
    """The folder with `base.img`, the base repository `archive` and the program `REGISTRY`.

    It is built if need be.

    say: is told each step of the building
    """
    return cached(
        _kind(userland),
        _key(release, authority, kernel, userland),
        lambda folder: _build(folder, release, authority, kernel, userland, say),
    )


def _build(
    folder: Path,
    release: Release,
    authority: Authority,
    kernel: Kernel,
    userland: Userland,
    say: Callable[[str], None],
) -> None:
    real, release = release, userland.release(release)
    say(f"image: installing {real.distribution} {real.version}{_standing_for(real, release)}")
    root, given = folder / "root", folder / "files"
    archive = folder / "archive"
    write_files(given, {**files(release, authority, USER_MODE), **userland.files})
    write_sources(real.sources, folder / "sources.list")
    script = folder / "customise"
    script.write_text(customise(USER_MODE, INSTALLABLE, kernel.back_ends[0]) + userland.script)
    script.chmod(0o755)
    pool = archive / "pool/main"
    run(
        # In namespaces of its own: whatever happens, no mount and no process outlives the build.
        ["unshare", "--mount", "--propagation=private", "--pid", "--mount-proc"]
        + ["--fork", "--kill-child=KILL"]
        + ["mmdebstrap", "--mode=root", "--variant=minbase", "--skip=check/empty"]
        + [f"--include={','.join([*PACKAGES.split(), *userland.packages])}"]
        + [f"--dpkgopt={option}" for option in DPKG_OPTIONS]
        + ['--aptopt=Acquire::Languages "none"', '--aptopt=Apt::Install-Recommends "false"']
        + [f'--customize-hook={script} "$1" "{given}" "{pool}" "{kernel.modules}"']
        + [real.codename, str(root), str(folder / "sources.list")]
    )
    say("image: writing the base package archive and the disk")
    for leftover in (root / "etc/apt/apt.conf.d").glob("99mmdebstrap"):
        leftover.unlink()
    publish_archive(archive, release, authority)
    make_filesystem(root, folder / "base.img")
    shutil.rmtree(root)
    _take_out(pool, REGISTRY, f"usr/bin/{REGISTRY}", folder / REGISTRY)
    shutil.rmtree(given)
    script.unlink()


def write_files(folder: Path, content: Mapping[str, str]) -> None:
    """Write files by their paths in a folder."""
    for path, text in content.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def customise(hardware: Hardware, installable: str, back_end: str) -> str:
    """The program that makes a board's system of a system with packages.

    installable: packages that hosts can install besides, with spaces in between
    back_end: of iptables
    """
    return _CUSTOMISE.format(
        installable=installable, user=addresses.USER, back_end=back_end, depmod=hardware.depmod
    )


def publish_archive(archive: Path, release: Release, authority: Authority) -> None:
    """Sign the base repository, whose packages are in `pool/main`."""
    for suite in (release.codename, f"{release.codename}-updates", _security(release)):
        publish(
            archive,
            suite=suite,
            codename=suite,
            component="main",
            pool="pool/main" if suite == release.codename else "pool/none",
            architecture=release.architecture,
            origin=release.distribution.capitalize(),
            label=release.distribution.capitalize()
            + ("-Security" if suite == _security(release) else ""),
            key=authority.distribution,
        )


def _standing_for(real: Release, release: Release) -> str:
    return "" if real == release else f", as {release.distribution} {release.version}"


def _take_out(pool: Path, package: str, path: str, to: Path) -> None:
    """Copy one file out of a package that is not installed."""
    unpacked = to.with_suffix(".unpacked")
    [found] = pool.glob(f"{package}_*.deb")
    run(["dpkg-deb", "-x", found, unpacked])
    (unpacked / path).rename(to)
    shutil.rmtree(unpacked)


def make_filesystem(root: Path, path: Path) -> None:
    """An ext4 file system with a journal, which power cuts need, filled without mounting it."""
    run(["truncate", "--size", DISK_SIZE, path])
    run(
        [
            *("mkfs.ext4", "-q", "-F", "-L", "board", "-N", "400000", "-m", "1", "-J", "size=64"),
            *("-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", "-O", "^metadata_csum"),
            *("-d", root, path),
        ]
    )
