"""The disk image of hosts with arm64, and the kernel that boots it.

The same system as `lab.image`'s, from the same archives. Packages are unpacked and kept account of
by this machine's own dpkg; only their scripts run emulated. The kernel is the distribution's for
clouds: it has ext4 and NVMe built in, and so needs no initrd.
"""

import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import apt, image
from lab.authority import Authority
from lab.cache import cached, is_cached, recipe_key
from lab.commands import run
from lab.errors import LabError
from lab.release import ARM64, Release, write_sources

KERNEL = "linux-image-cloud-arm64"
"""The package that depends on the newest one."""

BACK_END = "nft"
"""The distribution's back end of iptables, which that kernel has."""

HARDWARE = image.Hardware(
    root="/dev/nvme0n1",
    seed="/dev/vda",
    coldplug=("block", "net", "misc", "virtio"),
    depmod='depmod -b "$root"',
)
"""As `lab.board` has it. The network card's driver is a module, loaded for a device of virtio's;
`depmod` takes minutes where it is emulated."""

_SEED_DRIVER = {
    "etc/systemd/system/seed-board.service.d/10-driver.conf": (
        "[Service]\nExecStartPre=modprobe virtio_blk\n"
    )
}
"""The seed is read before udev is there, which would load it."""

_INSTALL = """\
#!/bin/sh
# Arguments: the new root, its sources.list, a program to run at the end and the words for it.
set -eu
root=$1 sources=$2
shift 2
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
export MMDEBSTRAP_APT_CONFIG="${{root%/*}}/apt.conf"

binfmt=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc binfmt_misc "$binfmt"
if ! [ -e "$binfmt/{handler}" ]; then
    trap 'echo -1 > "$binfmt/{handler}"' EXIT
    cat /usr/lib/binfmt.d/{handler}.conf > "$binfmt/register"
fi

archives=$root/var/cache/apt/archives
mkdir -p "$archives/partial" "$root/var/lib/apt/lists/partial" "$root/etc/apt/preferences.d" \\
    "$root/etc/apt/apt.conf.d" "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" \\
    "$root/dev" "$root/proc" "$root/sys" "$root/run"
: > "$root/var/lib/dpkg/status"
: > "$root/var/lib/dpkg/available"
echo {architecture} > "$root/var/lib/dpkg/arch"
cp "$sources" "$root/etc/apt/sources.list"
cat > "$MMDEBSTRAP_APT_CONFIG" <<END
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Dir "$root";
Dir::Etc::Trusted "/etc/apt/trusted.gpg";
Dir::Etc::TrustedParts "/etc/apt/trusted.gpg.d";
END
for part in bin sbin lib; do
    mkdir -p "$root/usr/$part"
    ln -s "usr/$part" "$root/$part"
done
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    : > "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"

apt() {{
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq -y "$@"
}}
fetched() {{
    rm -f "$archives"/*.deb
    apt --download-only install "$@"
}}
# To this machine's dpkg, arm64 is not its own: it would miss what packages for all depend on.
installed() {{
    dpkg --root="$root" --force-unsafe-io --force-depends {options} \\
        --unpack "$archives"/*.deb
    dpkg --root="$root" --force-unsafe-io --force-depends --configure --pending
}}

apt update
fetched '?essential'
for package in "$archives"/*.deb; do
    dpkg-deb -x "$package" "$root"
done
for file in passwd group; do
    cp "$root/usr/share/base-passwd/$file.master" "$root/etc/$file"
done
installed
printf '#!/bin/sh\\nexit 101\\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
fetched '?essential' '?priority(required)' {packages}
installed
apt check
rm "$root/usr/sbin/policy-rc.d" "$archives"/*.deb
"$@"
rm -rf "$root/var/cache/apt"/*.bin "$root/var/lib/dpkg/arch"
"""


@dataclass(frozen=True)
class Image:
    """What a board is made of.

    disk: its disk when it is fresh
    kernel: what it boots
    archive: the base repository
    """

    disk: Path
    kernel: Path
    archive: Path


def _key(release: Release, authority: Authority) -> str:
    return recipe_key(
        ["image", "image_arm64", "addresses", "repository"],
        repr(release),
        authority.certificate,
        authority.distribution.fingerprint,
    )


def _kind() -> str:
    return f"{ARM64}.image"


def is_built(release: Release, authority: Authority) -> bool:
    """Whether the image is in the cache."""
    return is_cached(_kind(), _key(release, authority))


def image_arm64(release: Release, authority: Authority, say: Callable[[str], None]) -> Image:
    """The image, built if need be.

    release: for arm64
    say: is told each step of the building
    """
    folder = cached(
        _kind(),
        _key(release, authority),
        lambda folder: _build(folder, release, authority, say),
    )
    return Image(folder / "base.img", folder / "vmlinuz", folder / "archive")


def _build(
    folder: Path, release: Release, authority: Authority, say: Callable[[str], None]
) -> None:
    say("arm64 image: fetching the kernel")
    root, given, work = folder / "root", folder / "files", folder / "work"
    work.mkdir()
    modules = _unpack_kernel(release, work, folder / "vmlinuz")
    say(f"arm64 image: installing {release.distribution} {release.version}")
    image.write_files(given, {**image.files(release, authority, HARDWARE), **_SEED_DRIVER})
    write_sources(release.sources, work / "sources.list")
    installable = " ".join(name for name in image.INSTALLABLE.split() if name != image.REGISTRY)
    _write_program(work / "customise", image.customise(HARDWARE, installable, BACK_END))
    _write_program(
        work / "install",
        _INSTALL.format(
            handler="qemu-aarch64",
            architecture=release.architecture,
            options=shlex.join(f"--{option}" for option in image.DPKG_OPTIONS),
            packages=image.PACKAGES,
        ),
    )
    archive = folder / "archive"
    run(
        # In namespaces of its own: whatever happens, no mount and no process outlives the build.
        [
            *("unshare", "--mount", "--propagation=private", "--pid", "--mount-proc"),
            *("--fork", "--kill-child=KILL"),
            *(work / "install", root, work / "sources.list"),
            *(work / "customise", root, given, archive / "pool/main", modules),
        ]
    )
    say("arm64 image: writing the base package archive and the disk")
    image.publish_archive(archive, release, authority)
    image.make_filesystem(root, folder / "base.img")
    for scratch in (root, given, work):
        shutil.rmtree(scratch)
    (folder / "apt.conf").unlink()


def _write_program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _unpack_kernel(release: Release, work: Path, to: Path) -> Path:
    """Leave the kernel at a path; the folder of its modules, below another.

    Raises LabError when the archives have none.
    """
    wanted = KERNEL
    for step in ("named", "kernel"):
        found = apt.download(release.sources, [wanted], work / step, release.architecture)
        if not found:
            raise LabError(f"this machine's apt sources do not have {wanted} for arm64")
        depends = run(["dpkg-deb", "--field", found[0], "Depends"])
        wanted = depends.replace(",", " ").split()[0]
    run(["dpkg-deb", "-x", found[0], work / "unpacked"])
    [kernel] = (work / "unpacked/boot").glob("vmlinuz-*")
    kernel.rename(to)
    [modules] = (
        folder
        for place in ("usr/lib/modules", "lib/modules")
        for folder in (work / "unpacked" / place).glob("*")
    )
    return modules
