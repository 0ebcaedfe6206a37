"""Real stacks, as people write them: the good ones are clean, the broken ones have what they say.

A broken file says itself what is wrong with it: ``# expect S5`` beside the line.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from pyinfra_swarm.stacks.compose import Source, read
from pyinfra_swarm.stacks.lint import Context, Firewall, Issue, lint
from pyinfra_swarm.stacks.variables import Variables

CORPUS = Path(__file__).parent / "corpus"
FIREWALL = Context(firewall=Firewall("cloudflare", (80, 443)))


def found(path: Path, context: Context = FIREWALL) -> tuple[Issue, ...]:
    return lint(read([Source(path.name, path.read_bytes())], Variables()), context)


def expected(text: str) -> Counter[tuple[int, str]]:
    return Counter(
        (number, rule)
        for number, line in enumerate(text.splitlines(), start=1)
        if (said := re.search(r"# expect((?: S[0-9]+)+)", line))
        for rule in said[1].split()
    )


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*-good.yml")), ids=lambda path: path.stem)
def test_a_good_stack_is_clean(path: Path) -> None:
    assert [(issue.line, issue.rule, issue.reason) for issue in found(path)] == []


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*-broken.yml")), ids=lambda path: path.stem)
def test_a_broken_stack_has_what_it_says_and_no_more(path: Path) -> None:
    issues = found(path)
    assert Counter((issue.line, issue.rule) for issue in issues) == expected(path.read_text())


def test_every_stack_is_there_in_both_kinds() -> None:
    names = {path.stem.rpartition("-")[0] for path in CORPUS.glob("*.yml")}
    assert names == {"traefik", "nextcloud", "postgres", "prometheus", "portainer"}
    assert {path.name for path in CORPUS.glob("*.yml")} == {
        f"{name}-{kind}.yml" for name in names for kind in ("good", "broken")
    }


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*-broken.yml")), ids=lambda path: path.stem)
def test_every_issue_has_a_reason_a_remedy_and_a_source(path: Path) -> None:
    for issue in found(path):
        assert issue.reason
        assert issue.remedy
        assert issue.source
        assert not issue.reason.endswith(".")
        assert not issue.remedy.endswith(".")
