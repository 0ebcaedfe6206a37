"""The hosts' kernel: the distribution's User Mode Linux, or the same with more switched on.

The distribution's knows iptables of before nftables only: its `nf_tables` has no family for IP, and
it has no WireGuard. `build` makes one from the distribution's own source and configuration that has
both, without the file systems and drivers that no host loads: those are most of a whole build.
It is kept in the cache, and used from then on.
"""

import gzip
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import apt
from lab.cache import cached, is_cached, recipe_key
from lab.commands import run
from lab.errors import LabError
from lab.release import Release

VARIABLE = "LAB_KERNEL"

PROGRAM = "linux.uml"
"""The file name of either."""

PACKAGES = ("bc", "bison", "flex", "gcc", "libc6-dev", "libelf-dev", "make", "xz-utils")
"""What building one takes, by Debian's names."""

SWITCHED_ON = (
    ("--enable", "NF_TABLES_INET"),
    ("--enable", "NF_TABLES_IPV4"),
    ("--enable", "NF_TABLES_IPV6"),
    ("--enable", "NF_TABLES_ARP"),
    ("--module", "NFT_NAT"),
    ("--module", "NFT_FIB_IPV4"),
    ("--module", "NFT_FIB_IPV6"),
    ("--module", "NFT_FIB_INET"),
    ("--module", "WIREGUARD"),
)
"""Options for the kernel's `scripts/config`: what the distribution leaves out, and hosts use."""

SWITCHED_OFF = (
    *("MD", "SCSI", "MTD", "IIO", "TARGET_CORE", "ATM", "CAN", "IEEE802154", "6LOWPAN", "NFC"),
    *("BT", "WIRELESS", "WLAN", "CAIF", "PHONET", "RDS", "TIPC", "IP_DCCP", "AF_RXRPC", "AF_KCM"),
    *("MPLS", "OPENVSWITCH", "BATMAN_ADV", "VSOCKETS", "L2TP", "LAPB", "X25", "NET_9P", "SUNRPC"),
    *("NETWORK_FILESYSTEMS", "MISC_FILESYSTEMS", "QUOTA", "FSCACHE", "DLM", "CEPH_LIB"),
    *("BTRFS_FS", "XFS_FS", "F2FS_FS", "GFS2_FS", "OCFS2_FS", "NILFS2_FS", "JFS_FS", "REISERFS_FS"),
    *("ISO9660_FS", "UDF_FS", "MSDOS_FS", "VFAT_FS", "NTFS_FS", "NTFS3_FS", "NLS", "EROFS_FS"),
    *("BLK_DEV_DRBD", "BLK_DEV_RBD", "ATA_OVER_ETH", "ZRAM", "BLK_DEV_NBD", "I2C", "SPI", "HSI"),
    *("INTEL_TH", "STM", "UIO", "EXTCON", "PPS", "PTP_1588_CLOCK", "PHYLIB", "PPP", "SLIP"),
    *(
        "HID",
        "INPUT",
        "SOUND",
        "MEDIA_SUPPORT",
        "W1",
        "PARPORT",
        "GPIOLIB",
        "REGULATOR",
        "POWER_SUPPLY",
    ),
    *(
        "NET_TEAM",
        "BONDING",
        "MACSEC",
        "GTP",
        "EQUALIZER",
        "GENEVE",
        "IP_SCTP",
        "HSR",
        "NET_SWITCHDEV",
    ),
    *(
        "CRYPTO_TEST",
        "DEBUG_INFO",
        "GDB_SCRIPTS",
        "KUNIT",
        "RUNTIME_TESTING_MENU",
        "SECURITY_SELINUX",
    ),
)
"""What no host loads."""

MATCHES = (
    *("ADDRTYPE", "BPF", "COMMENT", "CONNTRACK", "HL", "IPVS", "LIMIT", "MARK", "MULTIPORT"),
    *("PHYSDEV", "POLICY", "RECENT", "STATE", "STATISTIC", "U32"),
)
TARGETS = ("CT", "LOG", "MARK", "MASQUERADE", "REDIRECT", "TCPMSS")
"""What our rules, Docker's and ufw's are made of, by the names of x_tables; nftables has each of
them through NFT_COMPAT, where `iptables-nft` has no words of its own for it."""

NEEDED = (
    *("NF_TABLES_INET", "NF_TABLES_IPV4", "NF_TABLES_IPV6", "NFT_COMPAT", "NFT_NAT", "NFT_MASQ"),
    *("NFT_REDIR", "NFT_CT", "NFT_LIMIT", "NFT_LOG", "NFT_REJECT_INET", "NFT_FIB_INET"),
    *("NFT_NUMGEN", "NFT_HASH", "NFT_QUEUE", "NFT_XFRM", "WIREGUARD"),
    *("INET_ESP", "INET6_ESP", "XFRM_USER", "XFRM_STATISTICS", "CRYPTO_GCM", "CRYPTO_SEQIV"),
    *("VXLAN", "VETH", "BRIDGE", "BRIDGE_NETFILTER", "BRIDGE_VLAN_FILTERING"),
    *("TUN", "DUMMY", "MACVLAN", "IPVLAN", "IPV6", "NET_SCH_NETEM", "UML_NET_VECTOR"),
    *("IP_VS", "IP_VS_RR", "IP_VS_NFCT", "IP_VS_IPV6", "IP_VS_PROTO_TCP", "IP_VS_PROTO_UDP"),
    *("IP_NF_IPTABLES", "IP_NF_FILTER", "IP_NF_NAT", "IP_NF_MANGLE", "IP_NF_RAW"),
    *("IP6_NF_IPTABLES", "IP6_NF_FILTER", "IP6_NF_NAT", "IP6_NF_MANGLE", "IP6_NF_RAW"),
    *("IP_NF_TARGET_REJECT", "IP6_NF_TARGET_REJECT", "NF_CT_NETLINK", "NF_CONNTRACK_PROCFS"),
    *(f"NETFILTER_XT_MATCH_{name}" for name in MATCHES),
    *(f"NETFILTER_XT_TARGET_{name}" for name in TARGETS),
    *("NETFILTER_XT_NAT", "NETFILTER_XT_SET", "IP_SET", "IP_SET_HASH_NET", "IP_SET_HASH_IP"),
    *("OVERLAY_FS", "EXT4_FS", "FUSE_FS", "BPF_SYSCALL", "MEMCG", "CGROUP_PIDS", "CGROUP_BPF"),
)
"""A build without one of them is none: a dependency that was switched off has taken it along."""


@dataclass(frozen=True)
class Kernel:
    """A kernel that hosts can run.

    program: the executable
    modules: the folder that a host has as `/usr/lib/modules/<version>`
    back_ends: those of iptables that work with it, the usual one first: `nft`, `legacy`
    name: changes with the kernel
    """

    program: Path
    modules: Path
    back_ends: tuple[str, ...]
    name: str


def distributions() -> Kernel:
    """The one of the package `user-mode-linux`.

    Raises LabError when the package is incomplete.
    """
    versions = sorted(Path("/usr/lib/uml/modules").glob("*/kernel"))
    program = shutil.which(PROGRAM)
    if not versions or program is None:
        raise LabError(
            "no kernel modules under /usr/lib/uml/modules: `apt-get install --reinstall"
            " user-mode-linux` and try again"
        )
    return Kernel(Path(program), versions[-1].parent, ("legacy",), _package())


def _package() -> str:
    return run(["dpkg-query", "-W", "-f=${Version}", "user-mode-linux"])


def _key() -> str:
    return recipe_key(["kernel"], _package())


def is_built() -> bool:
    """Whether the one with nftables is in the cache."""
    return is_cached("kernel", _key())


def built() -> Kernel | None:
    """The one with nftables, where it is in the cache."""
    return _built_in(cached("kernel", _key(), _never)) if is_built() else None


def chosen(release: Release, say: Callable[[str], None]) -> Kernel:
    """The one with nftables where it is in the cache, else the distribution's.

    `LAB_KERNEL` may ask for another: `distribution` for that one, `build` for the other even
    where it has to be built first.
    Raises LabError when it asks for anything else, or that one cannot be had.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "distribution", "build"):
        raise LabError(f'{VARIABLE}={wanted} is not understood: "distribution" or "build"')
    if wanted == "build":
        return build(release, say)
    return (None if wanted else built()) or distributions()


def _never(_: Path) -> None:
    raise LabError("the kernel was removed from the cache at this moment: try again")


def _built_in(folder: Path) -> Kernel:
    [modules] = (folder / "lib/modules").iterdir()
    return Kernel(folder / PROGRAM, modules, ("nft", "legacy"), _key())


def build(release: Release, say: Callable[[str], None]) -> Kernel:
    """The one with nftables, built if need be.

    say: is told each step of the building
    Raises LabError when programs for it are missing, or it cannot be built.
    """
    missing = [
        name for name in ("bc", "bison", "flex", "gcc", "make", "xz") if not shutil.which(name)
    ]
    if missing and not is_built():
        raise LabError(
            f"building a kernel takes programs that are missing ({', '.join(missing)}):"
            f" `apt-get install --no-install-recommends {' '.join(PACKAGES)}`"
        )
    return _built_in(cached("kernel", _key(), lambda folder: _build(folder, release, say)))


def _build(folder: Path, release: Release, say: Callable[[str], None]) -> None:
    work = folder / "work"
    work.mkdir()
    say("kernel: fetching its source")
    source = _unpack(work, release)
    say("kernel: choosing what is in it")
    _configure(source, _configuration(work))
    say("kernel: compiling; this takes some minutes")
    jobs = f"-j{len(os.sched_getaffinity(0))}"
    run(["make", "ARCH=um", jobs, "linux", "modules"], cwd=source)
    say("kernel: putting it together")
    run(
        ["make", "ARCH=um", "modules_install"],
        cwd=source,
        env={"INSTALL_MOD_PATH": str(folder), "INSTALL_MOD_STRIP": "1"},
    )
    for link in (folder / "lib/modules").glob("*/build"):
        link.unlink()
    run(["strip", "-o", folder / PROGRAM, source / "linux"])
    shutil.rmtree(work)


def _unpack(work: Path, release: Release) -> Path:
    """The source of the release's kernel, and what the package `user-mode-linux` has."""
    series = ".".join(_package().split("um")[0].split(".")[:2])
    wanted = f"linux-source-{series}", "user-mode-linux"
    found = apt.download(release.sources, wanted, work / "apt")
    if len(found) < len(wanted):
        raise LabError(f"this machine's apt sources do not have {' and '.join(wanted)}")
    for package in found:
        run(["dpkg-deb", "-x", package, work / "packages"])
    [archive] = (work / "packages/usr/src").glob("linux-source-*.tar.xz")
    run(["tar", "-xJf", archive, "-C", work])
    [source] = (one for one in work.glob("linux-source-*") if one.is_dir())
    return source


def _configuration(work: Path) -> str:
    """The distribution's."""
    packed = work / "packages/usr/share/doc/user-mode-linux/config.gz"
    return gzip.decompress(packed.read_bytes()).decode()


def _configure(source: Path, configuration: str) -> None:
    """Write its configuration.

    Raises LabError when something that hosts need did not end up in it.
    """
    config = source / ".config"
    config.write_text(configuration)
    off = [word for option in SWITCHED_OFF for word in ("--disable", option)]
    on = [word for change in SWITCHED_ON for word in change]
    run([source / "scripts/config", *off, "--enable", "DEBUG_INFO_NONE", *on], cwd=source)
    run(["make", "ARCH=um", "olddefconfig"], cwd=source)
    missing = lacking(config.read_text())
    if missing:
        raise LabError(f"the kernel's configuration came out without {', '.join(missing)}")


def lacking(configuration: str) -> list[str]:
    """What hosts need and a kernel's configuration does not have."""
    has = {
        line.partition("=")[0].removeprefix("CONFIG_")
        for line in configuration.splitlines()
        if line.endswith(("=y", "=m"))
    }
    return [option for option in NEEDED if option not in has]
