"""The hosts' userland: the machine's own release, another one, or one that stands for another.

Another release of Debian's is that release, from its own archives. What stands for another system
is made from this release's packages of the same programs, and from the files that the other
system's images have. It says so in os-release. Docker's packages come under the system's name.
"""

from dataclasses import dataclass, field, replace

from lab.errors import LabError
from lab.release import Release
from lab.roots import DEBIANS, debian

VARIABLE = "LAB_USERLAND"

OWN = "own"
"""The machine's release as it is."""


@dataclass(frozen=True)
class Userland:
    """What an image has beyond the machine's release.

    distribution, version, codename: what os-release says; empty for the machine's own. What says
        that it is Debian is
    packages: installed besides
    files: by path
    script: shell, run at the end of the building, with the new root in `$root`
    netplan: whether the network is netplan's, as on Ubuntu; systemd-networkd's own files if not
    """

    name: str
    distribution: str = ""
    version: str = ""
    codename: str = ""
    packages: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    script: str = ""
    netplan: bool = False

    def archives(self, machine: Release) -> Release:
        """The release that the hosts' packages are from.

        machine: this machine's
        Raises LabError when it is Debian's, and this machine runs another distribution.
        """
        return debian(self.version, machine) if self.distribution == "debian" else machine

    def release(self, real: Release) -> Release:
        """The release that the hosts take themselves for."""
        if not self.distribution:
            return real
        return replace(
            real, distribution=self.distribution, version=self.version, codename=self.codename
        )


_BOARD_FILES = {
    # As the images of ubuntu-rockchip have it: the same instance on every board.
    "etc/cloud/cloud.cfg": "preserve_hostname: false\nssh_pwauth: true\n",
    "etc/cloud/cloud.cfg.d/99-fake_cloud.cfg": (
        "datasource_list: [ NoCloud, None ]\ndatasource: { NoCloud: { fs_label: null } }\n"
    ),
    "var/lib/cloud/data/instance-id": "cloud-image\n",
    "var/lib/cloud/seed/nocloud/meta-data": "instance-id: cloud-image\n",
    "etc/needrestart/conf.d/50-automatic.conf": "$nrconf{restart} = 'a';\n",
    "etc/ufw/ufw.conf": "ENABLED=no\nLOGLEVEL=low\n",
    "snap/README": "This directory presents installed snap packages.\n",
    "etc/update-motd.d/00-header": "#!/bin/sh\necho Welcome\n",
}

_CHRONY = """\
# The packages to be installed from are at hand by now, the archive is not any more.
pool=$root/var/tmp/pool
mkdir "$pool"
cp "$installable"/*.deb "$pool"
(cd "$pool" && apt-ftparchive packages . > Packages)
echo 'deb [trusted=yes] file:/var/tmp/pool ./' > "$pool/list"
in_pool() {
    DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -qq -o APT::Sandbox::User=root \
        -o Dir::Etc::SourceList=/var/tmp/pool/list -o Dir::Etc::SourceParts=/dev/null "$@"
}
in_pool update
in_pool install --yes --no-install-recommends chrony
rm -rf "$pool" "$root"/var/lib/apt/lists/*
mkdir -p "$root/var/lib/apt/lists/partial"
"""
"""chrony in timesyncd's place: the image begins with the one, and they exclude each other."""

_SUDO_RS = """\
for name in sudo visudo su; do
    chroot "$root" dpkg-divert --quiet --local --rename --divert "/usr/bin/$name.ws" \\
        --add "$(chroot "$root" which "$name")"
    ln -s "$name-rs" "$root/usr/bin/$name"
done
"""

_UUTILS = """\
for path in "$root"/usr/lib/cargo/bin/coreutils/*; do
    name=${path##*/}
    case $name in cp | mv | rm | ln | '[') continue ;; esac
    if [ -e "$root/usr/bin/$name" ]; then
        mv "$root/usr/bin/$name" "$root/usr/bin/gnu$name"
    fi
    ln -s "../lib/cargo/bin/coreutils/$name" "$root/usr/bin/$name"
done
"""


def _os_release(version: str, codename: str) -> str:
    return (
        f'PRETTY_NAME="Ubuntu {version} LTS"\nNAME="Ubuntu"\nVERSION_ID="{version}"\n'
        f"VERSION_CODENAME={codename}\nID=ubuntu\nID_LIKE=debian\nUBUNTU_CODENAME={codename}\n"
    )


def _ubuntu(version: str, codename: str, *packages: str, script: str = "") -> Userland:
    return Userland(
        name=f"ubuntu{version.partition('.')[0]}",
        distribution="ubuntu",
        version=version,
        codename=codename,
        packages=("netplan.io", "needrestart", "ufw", *packages),
        files={
            **_BOARD_FILES,
            "usr/lib/os-release": _os_release(version, codename),
            "etc/stands-for": f"Ubuntu {version}\n",
        },
        script=script,
        netplan=True,
    )


_SSH_SERVICE = """\
rm -r "$root/etc/systemd/system/ssh.socket.d"
chroot "$root" systemctl --quiet disable ssh.socket
chroot "$root" systemctl --quiet enable ssh.service
"""
"""The server itself waits for connections there; the socket is ours to switch off again."""


def _debian(version: str, script: str = "") -> Userland:
    return Userland(
        name=f"debian{version}",
        distribution="debian",
        version=version,
        codename=DEBIANS[version],
        script=script,
    )


USERLANDS = {
    one.name: one
    for one in (
        Userland(OWN),
        _debian("12", script=_SSH_SERVICE),
        _ubuntu("24.04", "noble"),
        _ubuntu(
            "26.04",
            "resolute",
            "sudo-rs",
            "rust-coreutils",
            script=_CHRONY + _SUDO_RS + _UUTILS,
        ),
    )
}


def chosen(names: str) -> tuple[Userland, ...]:
    """The userlands of those names, with commas in between.

    Raises LabError when there is none of that name.
    """
    words = [name.strip() for name in names.split(",")]
    for name in words:
        if name not in USERLANDS:
            raise LabError(f'"{name}" is no userland: one of {", ".join(USERLANDS)}')
    return tuple(USERLANDS[name] for name in words)


def netplan(address: str, address6: str, gateway: str, gateway6: str) -> str:
    """The network of a host, as cloud-init writes it for netplan on those images."""
    return f"""\
network:
  version: 2
  renderer: networkd
  ethernets:
    lan:
      match: {{ name: "vec0" }}
      optional: true
      accept-ra: false
      addresses: [ "{address}/24", "{address6}/64" ]
      routes:
        - {{ to: default, via: "{gateway}" }}
        - {{ to: default, via: "{gateway6}" }}
"""
