"""One repository of what several folders have, each for another architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import repository
from lab.authority import SigningKey
from lab.supervisor import lay_into

KEY = SigningKey(Path("/nowhere"), "", "")
SIGNED = ("InRelease", "Release.gpg")


@pytest.fixture(autouse=True)
def signed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What was signed."""
    found: list[Path] = []

    def sign(_: SigningKey, release: Path) -> None:
        for name in SIGNED:
            release.with_name(name).write_text(f"signed: {release.read_text()}")
        found.append(release)

    monkeypatch.setattr(repository, "sign", sign)
    return found


def published(folder: Path, suite: str, architecture: str) -> Path:
    pool = folder / f"dists/{suite}/pool/stable/{architecture}"
    pool.mkdir(parents=True)
    (pool / f"docker-ce_28.5.2_{architecture}.txt").touch()
    repository.publish(
        folder,
        suite=suite,
        codename=suite,
        component="stable",
        pool=str(pool.relative_to(folder)),
        architecture=architecture,
        origin="Docker",
        label="Docker CE",
        key=KEY,
    )
    return folder


def fields(release: Path) -> dict[str, str]:
    lines = release.read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if ": " in line)


def test_it_names_every_architecture_and_the_index_of_each(
    tmp_path: Path, signed: list[Path]
) -> None:
    both = tmp_path / "both"
    for architecture in ("amd64", "arm64"):
        lay_into(both, published(tmp_path / architecture, "trixie", architecture))
    signed.clear()
    repository.join(both, KEY)
    release = both / "dists/trixie/Release"
    assert signed == [release]
    alone = fields(tmp_path / "amd64/dists/trixie/Release")
    assert fields(release) | {"Date": ""} == alone | {"Architectures": "amd64 arm64", "Date": ""}
    said = release.read_text()
    for architecture in ("amd64", "arm64"):
        assert f" stable/binary-{architecture}/Packages\n" in said
        assert (both / f"dists/trixie/pool/stable/{architecture}").is_dir()


def test_what_it_was_made_of_stays_as_it_is(tmp_path: Path) -> None:
    both = tmp_path / "both"
    folders = [published(tmp_path / name, "trixie", name) for name in ("amd64", "arm64")]
    for folder in folders:
        lay_into(both, folder)
    names = ("Release", *SIGNED)
    before = [(folder / f"dists/trixie/{name}").read_text() for folder in folders for name in names]
    repository.join(both, KEY)
    after = [(folder / f"dists/trixie/{name}").read_text() for folder in folders for name in names]
    assert after == before


def test_a_suite_of_one_architecture_is_left_alone(tmp_path: Path, signed: list[Path]) -> None:
    both = tmp_path / "both"
    for suite, architecture in (("trixie", "amd64"), ("noble", "arm64")):
        lay_into(both, published(tmp_path / suite, suite, architecture))
    signed.clear()
    repository.join(both, KEY)
    assert signed == []
    assert (both / "dists/noble/Release").is_symlink()
