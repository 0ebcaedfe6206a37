"""Docker's apt repository, under its own names, made from the distribution's Docker.

The distribution's binaries are repacked as `docker-ce`, `docker-ce-cli`, `containerd.io`,
`docker-buildx-plugin` and `docker-compose-plugin`, with Docker's version scheme, file places,
units and package scripts, so that whoever installs them cannot tell from the outside. The next
release's Docker, where the machine's archives carry it, makes the second version.
"""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import apt, go_version
from lab.authority import Authority
from lab.cache import cached, is_cached, recipe_key
from lab.commands import run
from lab.own_packages import OwnPackages
from lab.release import ARM64, Release, Source
from lab.repository import publish
from lab.userland import OWN, USERLANDS, Userland

_ORIGINALS = (
    "docker.io",
    "docker-cli",
    "containerd",
    "runc",
    "docker-buildx",
    "docker-compose",
    "docker-compose-v2",
    "tini",
    "tini-static",
    "busybox-static",
)
"""What is taken from the distribution; a name it does not have is left out."""

_DOCKER_SERVICE = """\
[Unit]
Description=Docker Application Container Engine
Documentation=https://docs.docker.com
After=network-online.target nss-lookup.target docker.socket firewalld.service \
containerd.service time-set.target
Wants=network-online.target containerd.service
Requires=docker.socket
StartLimitBurst=3
StartLimitIntervalSec=60

[Service]
Type=notify
ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock
ExecReload=/bin/kill -s HUP $MAINPID
TimeoutStartSec=0
RestartSec=2
Restart=always
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
Delegate=yes
KillMode=process
OOMScoreAdjust=-500

[Install]
WantedBy=multi-user.target
"""

_DOCKER_SOCKET = """\
[Unit]
Description=Docker Socket for the API

[Socket]
ListenStream=/run/docker.sock
SocketMode=0660
SocketUser=root
SocketGroup=docker

[Install]
WantedBy=sockets.target
"""

_CONTAINERD_SERVICE = """\
[Unit]
Description=containerd container runtime
Documentation=https://containerd.io
After=network.target dbus.service

[Service]
ExecStartPre=-/sbin/modprobe overlay
ExecStart=/usr/bin/containerd
Type=notify
Delegate=yes
KillMode=process
Restart=always
RestartSec=5
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
"""

_CONTAINERD_CONFIG = """\
disabled_plugins = ["cri"]
"""

_POSTINST = """\
#!/bin/sh
set -e
case "$1" in
configure|abort-upgrade|abort-deconfigure|abort-remove)
    {prepare}
    for unit in {units}; do
        deb-systemd-helper unmask "$unit" >/dev/null || true
        if deb-systemd-helper --quiet was-enabled "$unit"; then
            deb-systemd-helper enable "$unit" >/dev/null || true
        else
            deb-systemd-helper update-state "$unit" >/dev/null || true
        fi
    done
    if [ -d /run/systemd/system ]; then
        systemctl --system daemon-reload >/dev/null || true
        if [ -n "$2" ]; then action=restart; else action=start; fi
        deb-systemd-invoke $action {units} >/dev/null || true
    fi
    ;;
esac
"""

_PRERM = """\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop {units} >/dev/null || true
fi
"""

_POSTRM = """\
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ] && [ -x /usr/bin/deb-systemd-helper ]; then
    deb-systemd-helper purge {units} >/dev/null || true
    deb-systemd-helper unmask {units} >/dev/null || true
fi
"""

_GROUP = """\
if [ -z "$2" ] && ! getent group docker >/dev/null; then
        groupadd --system docker
    fi"""


@dataclass(frozen=True)
class DockerPackages:
    """What the lab offers as Docker's downloads.

    site: the folder served as `https://download.docker.com`
    busybox: a static busybox, for images without a registry
    versions: engine versions, oldest first
    """

    site: Path
    busybox: Path
    versions: tuple[str, ...]


@dataclass(frozen=True)
class _Package:
    """One package to be written.

    files: pairs of where a file is now and its path on the host
    texts: files by path on the host
    units: systemd units it enables and starts
    """

    name: str
    version: str
    depends: str
    files: tuple[tuple[Path, str], ...]
    texts: tuple[tuple[str, str], ...] = ()
    units: tuple[str, ...] = ()
    conffiles: tuple[str, ...] = ()
    prepare: str = ":"
    fields: tuple[tuple[str, str], ...] = ()


def _key(release: Release, authority: Authority, own: OwnPackages, userland: Userland) -> str:
    return recipe_key(
        ["docker_packages", "own_packages", "apt", "go_version", "repository"],
        repr(userland.release(release)),
        own.digest,
        authority.docker.fingerprint,
    )


def is_built(release: Release, authority: Authority, own: OwnPackages, userland: Userland) -> bool:
    """Whether the packages are in the cache."""
    return is_cached(_kind(release, userland), _key(release, authority, own, userland))


def _kind(release: Release, userland: Userland) -> str:
    """Their name in the cache, where every userland and every other architecture has a place."""
    if release.architecture == ARM64:
        return f"{ARM64}.docker"
    return "docker" if userland.name == OWN else f"{userland.name}.docker"


def docker_packages(
    release: Release,
    authority: Authority,
    say: Callable[[str], None],
    own: OwnPackages,
    userland: Userland = USERLANDS[OWN],
) -> DockerPackages:
    """Docker's repository as the lab plays it, built if need be.

    own: Docker's own packages, offered besides
    say: is told each step of the building
    """
    folder = cached(
        _kind(release, userland),
        _key(release, authority, own, userland),
        lambda folder: _build(folder, release, authority, own, userland, say),
    )
    return DockerPackages(
        site=folder / "site",
        busybox=folder / "busybox",
        versions=tuple((folder / "versions").read_text().split()),
    )


def _build(
    folder: Path,
    release: Release,
    authority: Authority,
    own: OwnPackages,
    userland: Userland,
    say: Callable[[str], None],
) -> None:
    real, release = release, userland.release(release)
    linux = folder / "site/linux" / release.distribution
    pool = linux / "dists" / release.codename / "pool/stable" / release.architecture
    pool.mkdir(parents=True)
    versions: list[str] = []
    for number, sources in enumerate((real.sources, real.following())):
        say(f"Docker: downloading it from {'the next' if number else 'this'} release")
        originals = _Originals(folder / f"originals{number}")
        try:
            originals.fetch(sources, real.architecture)
            engine = originals.version("docker.io")
            for program in ("dockerd", "docker"):
                go_version.shorten(originals.find(program), engine)
            packages = _packages(originals, release)
        except apt.NotCarried as error:
            if number == 0:
                raise
            say(f"Docker: one version only, as the next release is not to be had: {error}")
            continue
        if engine in versions:
            continue
        say(f"Docker: repacking {engine}")
        for package in packages:
            _write(package, folder / "tree", pool, release.architecture)
        versions.append(engine)
        if number == 0:
            shutil.copy2(originals.find("busybox"), folder / "busybox")
    for scratch in folder.glob("originals*"):
        shutil.rmtree(scratch)
    if own.packages:
        say(f"Docker: adding {', '.join(own.engines)}")
        own.put_into(pool)
        versions += [engine for engine in own.engines if engine not in versions]
    versions.sort(key=lambda version: [int(part) for part in version.split(".")])
    (folder / "versions").write_text(" ".join(versions))
    (linux / "gpg").write_text(authority.docker.armoured)
    publish(
        linux,
        suite=release.codename,
        codename=release.codename,
        component="stable",
        pool=str(pool.relative_to(linux)),
        architecture=release.architecture,
        origin="Docker",
        label="Docker CE",
        key=authority.docker,
    )


class _Originals:
    """The distribution's packages of one release, unpacked together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = folder / "root"
        self._versions: dict[str, str] = {}

    def fetch(self, sources: Sequence[Source], architecture: str) -> None:
        """Download and unpack them."""
        for archive in apt.download(sources, _ORIGINALS, self._folder, architecture):
            fields = run(["dpkg-deb", "-W", "--showformat=${Package} ${Version}", archive])
            name, version = fields.split()
            self._versions[name] = version
            run(["dpkg-deb", "-x", archive, self._root])

    def version(self, name: str) -> str:
        """The upstream version of one of them."""
        for candidate in (name, f"{name}-v2"):
            if candidate in self._versions:
                found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)+)", self._versions[candidate])
                if found:
                    return found[1]
        raise apt.NotCarried(f"the machine's apt sources have no {name}")

    def find(self, program: str) -> Path:
        """The program, wherever the distribution puts it."""
        for place in ("usr/bin", "usr/sbin", "bin", "sbin", "usr/libexec/docker/cli-plugins"):
            path = self._root / place / program
            if path.is_file() and not path.is_symlink():
                return path
        raise apt.NotCarried(f"the machine's Docker packages have no program {program}")


def _packages(originals: _Originals, release: Release) -> list[_Package]:
    """Docker's five packages, made from the distribution's."""
    suffix = f"-1~{release.distribution}.{release.version}~{release.codename}"
    engine = f"5:{originals.version('docker.io')}{suffix}"
    containerd = originals.version("containerd")
    plugins = "/usr/libexec/docker/cli-plugins"

    def programs(*names: str, to: str = "/usr/bin") -> tuple[tuple[Path, str], ...]:
        return tuple((originals.find(name), f"{to}/{name}") for name in names)

    shims = ("containerd", "containerd-shim-runc-v2", "ctr", "runc")
    return [
        _Package(
            name="docker-ce",
            version=engine,
            depends="containerd.io (>= 1.6.24), docker-ce-cli, iptables, libc6 (>= 2.34), "
            "libsystemd0",
            files=(
                *programs("dockerd", "docker-proxy"),
                (originals.find("tini-static"), "/usr/libexec/docker/docker-init"),
                (originals.find("tini-static"), "/usr/bin/docker-init"),
            ),
            texts=(
                ("/usr/lib/systemd/system/docker.service", _DOCKER_SERVICE),
                ("/usr/lib/systemd/system/docker.socket", _DOCKER_SOCKET),
                ("/etc/default/docker", "# Docker's settings are in /etc/docker/daemon.json.\n"),
            ),
            units=("docker.service", "docker.socket"),
            conffiles=("/etc/default/docker",),
            prepare=_GROUP,
            fields=(
                ("Recommends", "ca-certificates, git, pigz, procps, xz-utils"),
                ("Suggests", "cgroupfs-mount | cgroup-lite, kmod"),
                ("Conflicts", "docker (<< 1.5~), docker-engine, docker.io"),
                ("Replaces", "docker-engine"),
            ),
        ),
        _Package(
            name="docker-ce-cli",
            version=engine,
            depends="libc6 (>= 2.34)",
            files=programs("docker"),
            fields=(
                ("Recommends", "docker-buildx-plugin, docker-compose-plugin"),
                ("Conflicts", "docker (<< 1.5~), docker-engine, docker.io"),
                ("Breaks", "docker-engine (<< 5:19.03.0~)"),
                ("Replaces", "docker-engine (<< 5:19.03.0~)"),
            ),
        ),
        _Package(
            name="containerd.io",
            version=f"{containerd}-1" if containerd.startswith("1.") else f"{containerd}{suffix}",
            depends="libc6 (>= 2.38), libseccomp2 (>= 2.5.0)",
            files=programs(*shims),
            texts=(
                ("/usr/lib/systemd/system/containerd.service", _CONTAINERD_SERVICE),
                ("/etc/containerd/config.toml", _CONTAINERD_CONFIG),
            ),
            units=("containerd.service",),
            conffiles=("/etc/containerd/config.toml",),
            fields=(
                ("Conflicts", "containerd, runc"),
                ("Replaces", "containerd, runc"),
                ("Provides", "containerd, runc"),
            ),
        ),
        _Package(
            name="docker-buildx-plugin",
            version=f"{originals.version('docker-buildx')}{suffix}",
            depends="libc6 (>= 2.34)",
            files=programs("docker-buildx", to=plugins),
            fields=(("Enhances", "docker-ce-cli"),),
        ),
        _Package(
            name="docker-compose-plugin",
            version=f"{originals.version('docker-compose')}{suffix}",
            depends="libc6 (>= 2.34)",
            files=programs("docker-compose", to=plugins),
            fields=(("Enhances", "docker-ce-cli"),),
        ),
    ]


def _write(package: _Package, tree: Path, pool: Path, architecture: str) -> None:
    """Write one `.deb` to the pool."""
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    try:
        for source, path in package.files:
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755)
        for path, text in package.texts:
            target = tree / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        size = sum(file.stat().st_size for file in tree.rglob("*") if file.is_file()) // 1024
        fields = [
            ("Package", package.name),
            ("Version", package.version),
            ("Architecture", architecture),
            ("Maintainer", "Docker as played by the lab <docker@lab.example>"),
            ("Installed-Size", str(size)),
            ("Section", "admin"),
            ("Priority", "optional"),
            ("Depends", package.depends),
            *package.fields,
            ("Homepage", "https://www.docker.com"),
            ("Description", f"{package.name} as Docker packages it, repacked by the lab"),
        ]
        (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields))
        if package.conffiles:
            (control / "conffiles").write_text("".join(f"{path}\n" for path in package.conffiles))
        if package.units:
            units = " ".join(package.units)
            for name, script in [
                ("postinst", _POSTINST.format(prepare=package.prepare, units=units)),
                ("prerm", _PRERM.format(units=units)),
                ("postrm", _POSTRM.format(units=units)),
            ]:
                (control / name).write_text(script)
                (control / name).chmod(0o755)
        file = f"{package.name}_{package.version.removeprefix('5:')}_{architecture}.deb"
        # Little compression: unpacking is what an installation in a guest spends its time on.
        run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "--build", tree, pool / file])
    finally:
        shutil.rmtree(tree)
