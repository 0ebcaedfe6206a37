"""docs/stacks.md has every rule, with its source, and every option of the command."""

from __future__ import annotations

import re

import pytest

from pyinfra_swarm.settings.paths import ROOT
from pyinfra_swarm.stacks.lint.cli import parser
from pyinfra_swarm.stacks.lint.rules import RULES
from pyinfra_swarm.stacks.lint.silence import FORM
from tests.unit.stacks.stack_examples import changed, issues
from tests.unit.stacks.test_stack_corpus import CORPUS, found

TEXT = (ROOT / "docs/stacks.md").read_text(encoding="utf-8")
ROWS = re.findall(r"(?m)^\| (S[0-9]+) \| ([a-z ]+) \| (.+) \| (.*) \| (.+) \|$", TEXT)


def test_every_rule_is_in_the_table_in_its_order() -> None:
    assert [*dict.fromkeys(row[0] for row in ROWS)] == [*RULES]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
def test_a_rules_source_is_the_one_that_it_names(rule: object) -> None:
    from pyinfra_swarm.stacks.lint.rules import Rule

    assert isinstance(rule, Rule)
    first = next(row for row in ROWS if row[0] == rule.id)
    assert (f"({rule.source})" in first[4]) is ("://" in rule.source)


def test_a_rule_is_as_strict_as_the_table_says() -> None:
    strict = {(rule, word) for rule, kind, *_ in ROWS for word in kind.split(" or ")}
    said = {
        (issue.rule, issue.severity)
        for path in CORPUS.glob("*-broken.yml")
        for issue in found(path)
    }
    assert said <= strict


def test_every_option_is_in_its_table() -> None:
    named = set(re.findall(r"(?m)^\| `(--[a-z-]+)", TEXT))
    there = {word for action in parser()._actions for word in action.option_strings[-1:]}
    assert named == there - {"--help"}


def test_the_comment_that_is_shown_silences() -> None:
    (shown,) = re.findall(r"(?m)^    image: nginx   (# pyinfra-swarm: .+)$", TEXT)
    assert issues(changed(("nginx:1.29.1", f"nginx {shown}"))) == ()
    assert FORM.startswith("# pyinfra-swarm: ignore S5 because")


def test_the_hook_that_is_shown_is_there() -> None:
    hooks = (ROOT / ".pre-commit-hooks.yaml").read_text()
    (shown,) = re.findall(r"(?m)^          - id: (\S+)$", TEXT)
    assert f"- id: {shown}\n" in hooks
