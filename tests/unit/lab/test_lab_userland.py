"""Systems that the lab's hosts stand for: which there are, and several of them in one lab."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from lab import userland
from lab.errors import LabError
from lab.release import Release
from lab.supervisor import Plan, Size, System, lay_into

DEBIAN = Release("debian", "13", "trixie", "amd64", ())


def test_several_are_named_with_commas() -> None:
    names = [one.name for one in userland.chosen("ubuntu24, ubuntu26")]
    assert names == ["ubuntu24", "ubuntu26"]
    assert [one.name for one in userland.chosen(userland.OWN)] == [userland.OWN]


def test_an_unknown_one_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match='"ubuntu25" is no userland: one of own, ubuntu24, ubuntu26'):
        userland.chosen("ubuntu24,ubuntu25")


@pytest.mark.parametrize("one", userland.USERLANDS.values(), ids=lambda one: one.name)
def test_who_stands_for_another_system_says_so(one: userland.Userland) -> None:
    stands = one.release(DEBIAN)
    assert ("etc/stands-for" in one.files) == (stands != DEBIAN)
    if stands != DEBIAN:
        assert one.files["etc/stands-for"] == f"Ubuntu {stands.version}\n"
        assert f'VERSION_ID="{stands.version}"' in one.files["usr/lib/os-release"]


def test_archives_are_laid_together_and_what_was_there_first_stays(tmp_path: Path) -> None:
    for name, suite in (("one", "noble"), ("other", "resolute")):
        for path in (f"dists/{suite}/Release", "pool/main/jq.deb"):
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
    for name in ("one", "other"):
        lay_into(tmp_path / "both", tmp_path / name)
    both = tmp_path / "both"
    found = {
        str(path.relative_to(both)): path.read_text() for path in both.rglob("*") if path.is_file()
    }
    assert found == {
        "dists/noble/Release": "one",
        "dists/resolute/Release": "other",
        "pool/main/jq.deb": "one",
    }


def test_a_plan_is_read_as_it_was_written() -> None:
    systems = (System("ubuntu24", "ubuntu", True, "/i", "/d", "/a"),)
    plan = Plan(Size(1, 0, 512), systems, ("nft",), "/k", ("28.5.2",), "/b", "/r")
    assert Plan.parse(json.dumps(asdict(plan))) == plan
