"""Systems that the lab's hosts stand for: which there are, and several of them in one lab."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lab import userland
from lab.errors import LabError
from lab.release import Release, Source
from lab.supervisor import Plan, Size, System, lay_into

DEBIAN = Release("debian", "13", "trixie", "amd64", ())


def test_several_are_named_with_commas() -> None:
    names = [one.name for one in userland.chosen("ubuntu24, ubuntu26")]
    assert names == ["ubuntu24", "ubuntu26"]
    assert [one.name for one in userland.chosen(userland.OWN)] == [userland.OWN]


def test_an_unknown_one_is_refused_with_those_there_are() -> None:
    with pytest.raises(LabError, match='"ubuntu25" is no userland: one of own, debian12, ubuntu24'):
        userland.chosen("ubuntu24,ubuntu25")


@pytest.mark.parametrize("one", userland.USERLANDS.values(), ids=lambda one: one.name)
def test_who_stands_for_another_system_says_so(one: userland.Userland) -> None:
    real = one.archives(DEBIAN)
    stands = one.release(real)
    assert ("etc/stands-for" in one.files) == (stands != real)
    if stands != real:
        assert one.files["etc/stands-for"] == f"Ubuntu {stands.version}\n"
        assert f'VERSION_ID="{stands.version}"' in one.files["usr/lib/os-release"]


def test_debian_12_is_made_of_its_own_packages_from_the_machines_archives() -> None:
    machine = replace(
        DEBIAN,
        sources=tuple(
            Source(f"http://{place}.example/debian", suite, "main", "/key")
            for place, suite in (("a", "trixie"), ("a", "trixie-updates"), ("b", "trixie-security"))
        ),
    )
    [debian12] = userland.chosen("debian12")
    own = debian12.archives(machine)
    assert (own.distribution, own.version, own.codename) == ("debian", "12", "bookworm")
    assert [source.line() for source in own.sources] == [
        "deb [signed-by=/key] http://a.example/debian bookworm main",
        "deb [signed-by=/key] http://a.example/debian bookworm-updates main",
        "deb [signed-by=/key] http://b.example/debian bookworm-security main",
    ]
    assert debian12.release(own) == own, "it stands for nothing else"
    with pytest.raises(LabError, match="a machine that runs Debian"):
        debian12.archives(replace(machine, distribution="ubuntu"))


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
