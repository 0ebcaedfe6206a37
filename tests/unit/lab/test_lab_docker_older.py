"""Docker's packages for an older C library: runc is the older release's, the rest stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.docker_older import with_runc_of

LIBC = "2.36-9+deb12u10"


def package(folder: Path, name: str, depends: str, **files: str) -> Path:
    """A package with programs in it, by their names there."""
    tree = folder / f"tree-{name}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: 1.7.24-1\nArchitecture: amd64\n"
        f"Maintainer: nobody <nobody@example.org>\nDepends: {depends}\nDescription: nothing\n"
    )
    for program, text in files.items():
        place = tree / ("usr/sbin" if name == "runc" else "usr/bin")
        place.mkdir(parents=True, exist_ok=True)
        (place / program).write_text(text)
        (place / program).chmod(0o755)
    path = folder / f"{name}_1.7.24-1_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, path], check=True, stdout=-3)
    return path


def unpacked(archive: Path, to: Path) -> dict[str, str]:
    subprocess.run(["dpkg-deb", "-x", archive, to], check=True)
    return {path.name: path.read_text() for path in to.rglob("*") if path.is_file()}


def depends(archive: Path) -> str:
    words = ["dpkg-deb", "--field", str(archive), "Depends"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def runc(tmp_path: Path) -> Path:
    return package(
        tmp_path, "runc", "libc6 (>= 2.34), libseccomp2 (>= 2.5.0)", runc="the older one"
    )


def test_runc_is_the_older_releases_and_the_rest_stays(tmp_path: Path, runc: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    programs = {"containerd": "Docker's", "runc": "the newer one"}
    asked = "libc6 (>= 2.38), libseccomp2 (>= 2.5.0)"
    theirs = package(tmp_path, "containerd.io", asked, **programs)
    mine = pool / theirs.name
    os.link(theirs, mine)
    with_runc_of(runc, LIBC, pool, tmp_path / "scratch")
    assert depends(mine) == "libc6 (>= 2.34), libseccomp2 (>= 2.5.0)"
    assert unpacked(mine, tmp_path / "mine") == {**programs, "runc": "the older one"}
    assert os.access(tmp_path / "mine/usr/bin/runc", os.X_OK)
    assert unpacked(theirs, tmp_path / "theirs") == programs, "others' hosts have it as well"
    assert not (tmp_path / "scratch").exists()


def test_what_runs_there_is_left_alone(tmp_path: Path, runc: Path) -> None:
    pool = tmp_path / "pool"
    pool.mkdir()
    programs = {"containerd": "Docker's", "runc": "Docker's, built for all"}
    made = package(pool, "containerd.io", "libc6 (>= 2.36), libseccomp2 (>= 2.5.0)", **programs)
    before = made.read_bytes()
    with_runc_of(runc, LIBC, pool, tmp_path / "scratch")
    assert made.read_bytes() == before
