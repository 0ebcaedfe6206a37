"""Draws a flowchart from its source: as a picture, and as text for who does not see it.

    python scripts/flowchart.py             writes the picture, and the text in the page
    python scripts/flowchart.py --check     says whether both are those of the source

The source is a ladder of questions (docs/exposure-flowchart.toml): of each question's answers one
leads on to the next question, the others to an end.
"""

from __future__ import annotations

import sys
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

DOCS = Path(__file__).resolve().parents[1] / "docs"
SOURCE, PICTURE, PAGE = (
    DOCS / "exposure-flowchart.toml",
    DOCS / "exposure-flowchart.svg",
    DOCS / "exposure.md",
)
BEGIN, FINISH = "<!-- the flowchart as text: generated -->", "<!-- end -->"


@dataclass(frozen=True)
class Answer:
    """What is said to a question, and the question or end that it leads to."""

    say: str
    to: str


@dataclass(frozen=True)
class Question:
    id: str
    ask: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class End:
    """Where a way through the chart ends. settings: what to write into cluster.toml."""

    id: str
    title: str
    text: str
    settings: str


@dataclass(frozen=True)
class Chart:
    title: str
    questions: tuple[Question, ...]
    ends: Mapping[str, End]


class NotALadder(ValueError):
    """The source does not describe a chart that can be drawn; the text says where."""


def read(text: str) -> Chart:
    """The chart of a source. Raises :class:`NotALadder`."""
    data = tomllib.loads(text)
    questions = tuple(
        Question(one["id"], one["ask"], tuple(Answer(**answer) for answer in one["answers"]))
        for one in data["question"]
    )
    ends = {one["id"]: End(**one) for one in data["end"]}
    chart = Chart(data["title"], questions, ends)
    for number, question in enumerate(questions):
        last = number + 1 == len(questions)
        following = "" if last else questions[number + 1].id
        on = [answer for answer in question.answers if answer.to == following]
        others = [answer for answer in question.answers if answer.to in ends]
        if len(on) != (not last) or len(on) + len(others) != len(question.answers):
            raise NotALadder(
                f"{question.id}: one answer leads to the next question, others to ends"
            )
        if len(others) != 1 + last:
            raise NotALadder(f"{question.id}: one answer leads to an end, and two of the last do")
    if unused := {*ends} - {one.to for question in questions for one in question.answers}:
        raise NotALadder(f"nothing leads to {', '.join(sorted(unused))}")
    return chart


# As text
# -------


def as_text(chart: Chart) -> str:
    """A numbered list in Markdown: each question with its answers and where they lead."""
    numbers = {question.id: number for number, question in enumerate(chart.questions, 1)}
    lines = []
    for number, question in enumerate(chart.questions, 1):
        lines.append(f"{number}. {question.ask}")
        for answer in question.answers:
            if answer.to in numbers:
                lines.append(f"   - {answer.say}: go on with {numbers[answer.to]}.")
            else:
                end = chart.ends[answer.to]
                lines.append(f"   - {answer.say}: **{end.title}** (`{end.settings}`). {end.text}")
    return "\n".join(lines)


def in_words(chart: Chart) -> str:
    """The same in one line, for a program that reads the picture out."""
    numbers = {question.id: number for number, question in enumerate(chart.questions, 1)}
    said = []
    for number, question in enumerate(chart.questions, 1):
        answers = [
            f"{answer.say}: go on with {numbers[answer.to]}"
            if answer.to in numbers
            else f"{answer.say}: {chart.ends[answer.to].title}, {chart.ends[answer.to].settings}"
            for answer in question.answers
        ]
        said.append(f"{number}. {question.ask} {'. '.join(answers)}.")
    return " ".join(said)


# As a picture
# ------------

FONT, SMALL = 15, 13
LETTER = 0.56
"""How wide a letter is at most on the average, as a part of the font's size."""

MARGIN, COLUMN, GAP, ENDS = 24, 330, 150, 330
WIDTH = 2 * MARGIN + COLUMN + GAP + ENDS
LINE, PADDING, BETWEEN, HEAD = 20, 14, 46, 52

STYLE = """\
text { font-family: system-ui, sans-serif; font-size: 15px; fill: #14202b; }
.small { font-size: 13px; } .bold { font-weight: 600; }
.title { font-size: 20px; font-weight: 600; }
.code { font-family: ui-monospace, monospace; font-size: 12px; }
.paper { fill: #ffffff; }
.question { fill: #e8f0fa; stroke: #2b5c8a; stroke-width: 1.5; }
.end { fill: #eaf5ea; stroke: #2f6b36; stroke-width: 1.5; }
.way { stroke: #40505e; stroke-width: 1.5; fill: none; } .head { fill: #40505e; }
@media (prefers-color-scheme: dark) {
  text { fill: #e8eef4; } .paper { fill: #14202b; }
  .question { fill: #1d3348; stroke: #8ab6e0; } .end { fill: #1c3a22; stroke: #8fce98; }
  .way { stroke: #b4c2cf; } .head { fill: #b4c2cf; }
}"""


@dataclass(frozen=True)
class Box:
    """A box with lines of text in it; each line has a class."""

    kind: str
    x: int
    y: int
    width: int
    lines: tuple[tuple[str, str], ...]

    @property
    def height(self) -> int:
        """All lines, and air around them."""
        return len(self.lines) * LINE + 2 * PADDING - 4

    @property
    def middle(self) -> int:
        """Where ways leave it sideways."""
        return self.y + self.height // 2


def wrapped(text: str, width: int, size: int = FONT) -> list[str]:
    """The lines of a text that is to fit into so many pixels."""
    return textwrap.wrap(text, int((width - 2 * PADDING) / (size * LETTER)))


def _question(question: Question, number: int, y: int) -> Box:
    lines = wrapped(f"{number}. {question.ask}", COLUMN)
    return Box("question", MARGIN, y, COLUMN, tuple((line, "") for line in lines))


def _end(end: End, y: int) -> Box:
    lines = [(end.title, "bold")]
    lines += [(line, "small") for line in wrapped(end.text, ENDS, SMALL)]
    lines += [(line, "code") for line in wrapped(end.settings, ENDS, SMALL)]
    return Box("end", MARGIN + COLUMN + GAP, y, ENDS, tuple(lines))


def as_svg(chart: Chart) -> str:
    """The picture. It says in words what it shows, and its colours follow the reader's."""
    parts: list[str] = []
    y = MARGIN + HEAD
    for number, question in enumerate(chart.questions, 1):
        box = _question(question, number, y)
        aside, *last = [answer for answer in question.answers if answer.to in chart.ends]
        end = _end(chart.ends[aside.to], y)
        parts += [_box(box), _box(end), *_sideways(box, end, aside.say)]
        y += max(box.height, end.height) + BETWEEN
        if last:
            under = _end(chart.ends[last[0].to], y)
            under = Box(under.kind, MARGIN, y, COLUMN, under.lines)
            parts += [_box(under), *_down(box, y, last[0].say)]
            y += under.height
        else:
            [on] = [answer for answer in question.answers if answer.to not in chart.ends]
            parts += _down(box, y, on.say)
    height = y + MARGIN
    title = _text(MARGIN, MARGIN + 22, chart.title, "title")
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="name words">',
            f'<title id="name">{escape(chart.title)}</title>',
            f'<desc id="words">{escape(in_words(chart))}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
            title,
            *parts,
            "</svg>",
            "",
        ]
    )


def _box(box: Box) -> str:
    lines = [
        _text(box.x + PADDING, box.y + PADDING + 12 + number * LINE, text, kind)
        for number, (text, kind) in enumerate(box.lines)
    ]
    radius = 16 if box.kind == "end" else 4
    shape = (
        f'<rect class="{box.kind}" x="{box.x}" y="{box.y}" width="{box.width}" '
        f'height="{box.height}" rx="{radius}"/>'
    )
    return "\n".join([shape, *lines])


def _text(x: int, y: int, text: str, kind: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{named}>{escape(text)}</text>'


def _sideways(box: Box, end: Box, say: str) -> Iterator[str]:
    y = min(box.middle, end.y + end.height - PADDING)
    begin, stop = box.x + box.width, end.x
    yield f'<path class="way" d="M{begin} {y} H{stop - 8}"/>'
    yield f'<path class="head" d="M{stop} {y} l-9 -5 v10 z"/>'
    lines = wrapped(say, GAP + 2 * PADDING - 24, SMALL)
    for number, line in enumerate(lines):
        yield _text(begin + 8, y - 7 - (len(lines) - 1 - number) * 16, line, "small")


def _down(box: Box, stop: int, say: str) -> Iterator[str]:
    x = box.x + box.width // 2
    yield f'<path class="way" d="M{x} {box.y + box.height} V{stop - 8}"/>'
    yield f'<path class="head" d="M{x} {stop} l-5 -9 h10 z"/>'
    yield _text(x + 10, stop - BETWEEN // 2 + 4, say, "small")


def with_text(page: str, chart: Chart) -> str:
    """The page with the chart's text of now."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(FINISH)
    return f"{before}{BEGIN}\n{as_text(chart)}\n{FINISH}{after}"


def main(words: Sequence[str]) -> int:
    """Write both, or with ``--check`` say whether both are there already."""
    chart = read(SOURCE.read_text(encoding="utf-8"))
    page = PAGE.read_text(encoding="utf-8")
    made = {PICTURE: as_svg(chart), PAGE: with_text(page, chart)}
    if "--check" in words:
        old = [
            path.name
            for path, text in made.items()
            if not path.exists() or path.read_text(encoding="utf-8") != text
        ]
        if old:
            print(f"not of this source: {', '.join(old)}. python scripts/flowchart.py writes them")
        return 1 if old else 0
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
