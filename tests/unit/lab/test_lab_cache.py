"""What the lab builds is kept until its recipe changes, and never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import cache


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make(*ingredients: str, begun: list[str]) -> Path:
    def build(place: Path) -> None:
        begun.append(" ".join(ingredients))
        (place / "base.img").write_text(" ".join(ingredients))

    return cache.cached("image", cache.recipe_key(["addresses"], *ingredients), build)


def test_the_same_recipe_is_built_once_and_another_one_anew(root: Path) -> None:
    begun: list[str] = []
    first = make("trixie", begun=begun)
    assert make("trixie", begun=begun) == first
    assert begun == ["trixie"]
    second = make("forky", begun=begun)
    assert begun == ["trixie", "forky"]
    assert (second / "base.img").read_text() == "forky"
    assert not first.exists(), "what is used no more takes gigabytes"


def test_a_change_of_what_builds_it_is_a_change_of_the_recipe() -> None:
    keys = {
        cache.recipe_key(["addresses"], "a", "b"),
        cache.recipe_key(["network"], "a", "b"),
        cache.recipe_key(["addresses"], "ab"),
        cache.recipe_key(["addresses"], "b", "a"),
    }
    assert len(keys) == 4


@pytest.mark.parametrize("ends", [KeyboardInterrupt, OSError])
def test_nothing_is_kept_of_a_build_that_did_not_end(root: Path, ends: type[BaseException]) -> None:
    def build(place: Path) -> None:
        (place / "base.img").write_text("half")
        raise ends

    key = cache.recipe_key(["addresses"])
    with pytest.raises(ends):
        cache.cached("image", key, build)
    assert not cache.is_cached("image", key)
    assert [path.name for path in root.iterdir()] == ["image.lock"]


def test_what_a_power_cut_left_half_built_is_not_taken_and_goes(root: Path) -> None:
    key = cache.recipe_key(["addresses"])
    half = root / f"image-{key}.unfinished-x"
    half.mkdir(parents=True)
    assert not cache.is_cached("image", key)
    cache.cached("image", key, lambda place: (place / "base.img").touch())
    assert sorted(path.name for path in root.iterdir()) == [f"image-{key}", "image.lock"]
