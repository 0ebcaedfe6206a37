"""The flowchart of docs/exposure.md: drawn from its source, readable, and reaching every end."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.fields import is_field
from pyinfra_swarm.settings.paths import ROOT


def script() -> ModuleType:
    path = ROOT / "scripts/flowchart.py"
    spec = importlib.util.spec_from_file_location("flowchart", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["flowchart"] = made
    spec.loader.exec_module(made)
    return made


flowchart: Any = script()
SOURCE = flowchart.SOURCE.read_text()
CHART = flowchart.read(SOURCE)
SVG = "{http://www.w3.org/2000/svg}"
PICTURE = ElementTree.fromstring(flowchart.PICTURE.read_text())


def test_the_picture_and_the_text_are_those_of_the_source(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert flowchart.main(["--check"]) == 0, capsys.readouterr().out


def test_what_is_not_of_the_source_is_noticed_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{flowchart.BEGIN}\nold\n{flowchart.FINISH}\nafter\n")
    monkeypatch.setattr(flowchart, "PAGE", page)
    monkeypatch.setattr(flowchart, "PICTURE", tmp_path / "chart.svg")
    assert flowchart.main(["--check"]) == 1
    assert "page.md" in capsys.readouterr().out
    assert flowchart.main([]) == 0
    assert flowchart.main(["--check"]) == 0
    assert page.read_text().startswith(f"before\n{flowchart.BEGIN}\n1. ")
    assert page.read_text().endswith(f"{flowchart.FINISH}\nafter\n")


def test_whoever_does_not_see_the_picture_is_told_all_of_it() -> None:
    assert PICTURE.get("role") == "img"
    named = {PICTURE.find(f"{SVG}{name}") for name in ("title", "desc")}
    assert {one.get("id") for one in named if one is not None} == {
        *str(PICTURE.get("aria-labelledby")).split()
    }
    words = PICTURE.findtext(f"{SVG}desc") or ""
    for text in (words, flowchart.as_text(CHART)):
        for question in CHART.questions:
            assert question.ask in text
            for answer in question.answers:
                assert answer.say in text
        for end in CHART.ends.values():
            assert end.title in text
            assert end.settings in text


def boxes() -> list[tuple[float, float, float, float]]:
    return [
        (float(one.get("x", 0)), float(one.get("y", 0)), float(one.get("width", 0)), height)
        for one in PICTURE.iter(f"{SVG}rect")
        if (height := float(one.get("height", 0))) and one.get("class") != "paper"
    ]


def test_no_two_boxes_overlap_and_all_are_on_the_paper() -> None:
    _, _, width, height = map(float, str(PICTURE.get("viewBox")).split())
    found = boxes()
    assert len(found) == 2 * len(CHART.questions) + 1
    for number, (x, y, wide, high) in enumerate(found):
        assert 0 <= x <= x + wide <= width
        assert 0 <= y <= y + high <= height
        for other_x, other_y, other_wide, other_high in found[:number]:
            apart = x >= other_x + other_wide or other_x >= x + wide
            assert apart or y >= other_y + other_high or other_y >= y + high


SIZES = {"small": 13, "code": 12, "title": 20}


def test_every_text_stays_in_its_box_or_between_them() -> None:
    found = boxes()
    for one in PICTURE.iter(f"{SVG}text"):
        x, y, words = float(one.get("x", 0)), float(one.get("y", 0)), one.text or ""
        wide = (
            len(words)
            * SIZES.get(one.get("class", ""), 15)
            * (0.62 if one.get("class") == "code" else 0.56)
        )
        inside = [box for box in found if box[0] <= x < box[0] + box[2]]
        around = [box for box in inside if box[1] <= y <= box[1] + box[3]]
        for bx, _, bw, _ in around:
            assert x + wide <= bx + bw, words
        if not around and one.get("class") == "small":
            ends = [bx for bx, _, _, _ in found if bx > x]
            assert x + wide <= min(ends, default=1e9) or not inside, words


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_can_be_read_by_day_and_by_night() -> None:
    """A contrast of 7 to 1, as WCAG asks for in its strictest form."""
    day, night = flowchart.STYLE.split("@media")
    for style in (day, night):
        text = luminance(re.findall(r"text \{[^}]*fill: (#\w{6})", style)[0])
        for name in ("paper", "question", "end"):
            [back] = re.findall(rf"\.{name} \{{ fill: (#\w{{6}})", style)
            light, dark = sorted((text, luminance(back)), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 7, (name, back)


def test_the_settings_at_its_ends_are_settings() -> None:
    for end in CHART.ends.values():
        named = re.findall(r"\b(?:exposure|firewall)(?:\.[a-z_]+)+", end.settings)
        assert named
        for name in named:
            assert is_field(Settings, tuple(name.split("."))), name


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('to = "cloudflare"', 'to = "web"', "one answer leads to the next question"),
        ('to = "vpn"', 'to = "nowhere"', "others to ends"),
        ('{ say = "no: nothing open at home", to = "tunnel" }', "", "leads to an end"),
        ('to = "open"', 'to = "vpn"', "nothing leads to open"),
    ],
)
def test_a_source_that_is_no_ladder_is_refused(old: str, new: str, why: str) -> None:
    assert old in SOURCE
    broken = SOURCE.replace(f"    {old},\n" if not new else old, new, 1)
    with pytest.raises(flowchart.NotALadder, match=why):
        flowchart.read(broken)
