"""Docker's repository for hosts with an older C library than this machine's.

Docker makes its packages for each release. `lab.docker_packages` makes them of programs that were
built for this machine's release, or the next. One of these does not run with an older C library:
runc. So hosts of an older release get runc as that release has it.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from lab import apt
from lab.authority import Authority
from lab.cache import cached, recipe_key
from lab.commands import run
from lab.docker_packages import DockerPackages
from lab.errors import LabError
from lab.release import Release
from lab.repository import publish

WANTED = ("runc", "libc6")
"""What is taken from the older release: the program, and the version that it runs with."""


def for_older(
    packages: DockerPackages, older: Release, authority: Authority, say: Callable[[str], None]
) -> DockerPackages:
    """The same repository with what runs there, made if need be.

    packages: made for that release's name
    say: is told each step
    Raises LabError when the older release's archives lack something.
    """
    folder = cached(
        f"{older.distribution}{older.version}.runc",
        recipe_key(
            ["docker_older", "apt", "repository"],
            repr(older),
            packages.site.parent.name,  # the key of its recipe
        ),
        lambda folder: _build(folder, packages, older, authority, say),
    )
    return DockerPackages(folder / "site", packages.busybox, packages.versions)


def _build(
    folder: Path,
    packages: DockerPackages,
    older: Release,
    authority: Authority,
    say: Callable[[str], None],
) -> None:
    say(f"Docker: taking runc from {older.distribution} {older.version}")
    fetched, site = folder / "fetched", folder / "site"
    found = apt.download(older.sources, WANTED, fetched, older.architecture)
    by_name = {archive.name.partition("_")[0]: archive for archive in found}
    if missing := [name for name in WANTED if name not in by_name]:
        system = f"{older.distribution} {older.version}"
        raise LabError(f"the archives of {system} have no {' and no '.join(missing)}")
    runc, libc = (by_name[name] for name in WANTED)
    shutil.copytree(
        packages.site,
        site,
        copy_function=os.link,
        ignore=shutil.ignore_patterns("Packages*", "*Release*"),
    )
    linux = site / "linux" / older.distribution
    pool = linux / "dists" / older.codename / "pool/stable" / older.architecture
    with_runc_of(runc, _field(libc, "Version"), pool, folder / "tree")
    shutil.rmtree(fetched)
    publish(
        linux,
        suite=older.codename,
        codename=older.codename,
        component="stable",
        pool=str(pool.relative_to(linux)),
        architecture=older.architecture,
        origin="Docker",
        label="Docker CE",
        key=authority.docker,
    )


def with_runc_of(runc: Path, libc: str, pool: Path, scratch: Path) -> None:
    """Have packages with a runc that asks for a newer C library bring another one instead.

    runc: a package that has it
    libc: the version of the C library there is
    pool: a folder of packages
    scratch: a folder to be made, and removed at the end
    """
    for archive in sorted(pool.glob("containerd.io_*.deb")):
        depends = [one.strip() for one in _field(archive, "Depends").split(",")]
        if all(_is_met(one, libc) for one in depends):
            continue
        scratch.mkdir()
        run(["dpkg-deb", "-R", archive, scratch / "package"])
        run(["dpkg-deb", "-x", runc, scratch / "runc"])
        shutil.copy2(scratch / "runc/usr/sbin/runc", scratch / "package/usr/bin/runc")
        kept = [one for one in depends if _is_met(one, libc)]
        control = scratch / "package/DEBIAN/control"
        control.write_text(
            "".join(
                f"Depends: {', '.join([*_libc(runc), *kept])}\n"
                if line.startswith("Depends:")
                else line
                for line in control.read_text().splitlines(keepends=True)
            )
        )
        archive.unlink()  # a link to what hosts of other releases have
        run(["dpkg-deb", "--root-owner-group", "-Zzstd", "-z1", "-b", scratch / "package", archive])
        shutil.rmtree(scratch)


def _is_met(dependency: str, libc: str) -> bool:
    """Whether it is no newer C library than that."""
    name, _, version = dependency.partition(" (>= ")
    if name != "libc6":
        return True
    try:
        run(["dpkg", "--compare-versions", libc, "ge", version.rstrip(")")])
    except LabError:
        return False
    return True


def _libc(archive: Path) -> list[str]:
    """What a package asks of the C library."""
    depends = [one.strip() for one in _field(archive, "Depends").split(",")]
    return [one for one in depends if one.partition(" ")[0] == "libc6"]


def _field(archive: Path, name: str) -> str:
    return run(["dpkg-deb", "--field", archive, name]).strip()
