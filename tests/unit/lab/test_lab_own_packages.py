"""Docker's own packages in a folder: whole sets are offered, anything else is refused by name."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.own_packages import OF_ANY_VERSION, OF_ONE_VERSION, VARIABLE, own_packages, upstream

DOCKERS = "5:29.7.2-1~debian.13~trixie"


def write(folder: Path, name: str, version: str, architecture: str = "amd64") -> Path:
    """A package with nothing in it."""
    tree = folder / f"tree-{name}-{architecture}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: nothing\n"
    )
    path = folder / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, path], check=True, stdout=-3)
    return path


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    for name in OF_ONE_VERSION:
        write(tmp_path, name, DOCKERS)
    for name in OF_ANY_VERSION:
        write(tmp_path, name, "1.7.1-1")
    return tmp_path


def test_a_whole_set_is_offered(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_packages("", "amd64").engines == ()
    assert own_packages(str(whole), "amd64").engines == ("29.7.2",)
    monkeypatch.setenv(VARIABLE, str(whole))
    assert own_packages("", "amd64").engines == ("29.7.2",)


def test_half_a_set_is_refused_with_all_that_is_missing(whole: Path) -> None:
    for name in ("docker-ce-cli", "containerd.io"):
        next(whole.glob(f"{name}_*.deb")).unlink()
    write(whole, "docker-model-plugin", "1", "arm64")
    with pytest.raises(LabError) as refused:
        own_packages(str(whole), "amd64")
    assert str(refused.value).splitlines()[1:] == [
        "  - docker-model-plugin_1_arm64.deb is for arm64; the hosts are amd64",
        f"  - docker-ce-cli {DOCKERS} is missing",
        "  - there is no containerd.io",
    ]


@pytest.mark.parametrize("folder", ["nowhere", "~nosuchuser/packages"])
def test_a_folder_without_packages_is_refused(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LabError, match=rf"{folder} holds no \.deb files: download"):
        own_packages(folder, "amd64")


def test_another_content_is_another_recipe(whole: Path) -> None:
    before = own_packages(str(whole), "amd64").digest
    write(whole, "docker-ce-rootless-extras", DOCKERS)
    assert own_packages(str(whole), "amd64").digest != before


def test_they_take_the_place_of_the_same_version_and_of_no_other(
    whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pool = tmp_path_factory.mktemp("pool")
    (pool / "scratch").mkdir()
    same = write(pool / "scratch", "docker-ce", DOCKERS).rename(pool / "docker-ce_same.deb")
    other = write(pool / "scratch", "docker-buildx-plugin", "0.1").rename(pool / "other.deb")
    own_packages(str(whole), "amd64").put_into(pool)
    assert not same.exists()
    assert other.exists()
    assert len(list(pool.glob("*.deb"))) == 6


@pytest.mark.parametrize(
    ("version", "expected"), [(DOCKERS, "29.7.2"), ("1.7.28-1", "1.7.28"), ("2.2.0", "2.2.0")]
)
def test_dockers_number_is_found_in_a_packages_version(version: str, expected: str) -> None:
    assert upstream(version) == expected
    with pytest.raises(LabError):
        upstream("latest")
