"""What is registered by hand, in a list of its own, is registered everywhere."""

from __future__ import annotations

import ast
import importlib
import inspect
import re

import pytest

from pyinfra_swarm.deploys import states
from pyinfra_swarm.reset.plan import WATCHED
from pyinfra_swarm.run.command_line import OPTIONS
from pyinfra_swarm.run.confirmation import KEY
from pyinfra_swarm.settings.paths import ROOT
from tests.mutation import scope
from tests.mutation.record import PAGE, recorded, unmeasured
from tests.run import SUITES
from tests.scenarios import drift_kinds
from tests.unit.project.test_architecture import MODULES, PLANS

PAGE_OF_DEPLOYS = (ROOT / "docs/deploys.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
DEPLOYS = sorted(path.stem for path in (ROOT / "deploys").glob("*.py"))


def test_its_page_says_what_each_deploy_does() -> None:
    rows = re.findall(r"^\|(.+?)\|", PAGE_OF_DEPLOYS, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`deploys/(\w+)\.py", row)}
    assert {*DEPLOYS} == named


def test_the_readme_names_the_parts_of_the_site_in_their_order() -> None:
    [parts] = re.findall(r"one by one, in this order: (.*?)\. Others", README)
    body = inspect.getsource(states.site)
    assert re.findall(r"`(\w+)`", parts) == re.findall(r"^    (\w+)\(settings", body, re.MULTILINE)


ON_ENGINES = {"secrets", "stacks"}
"""Parts of the site whose drift is brought about on real engines instead: they need services."""


def test_the_lab_brings_about_drift_of_every_part_of_the_site() -> None:
    kinds = [kind for group in drift_kinds.GROUPS.values() for kind in group]
    body = inspect.getsource(states.site)
    parts = {*re.findall(r"^    (\w+)\(settings", body, re.MULTILINE)}
    assert {kind.part for kind in kinds} == parts - ON_ENGINES


def test_a_suite_names_no_file_that_is_gone() -> None:
    named = {word for group in SUITES.values() for suite in group for word in suite.arguments}
    assert [
        word for word in named if word.startswith("tests/") and not (ROOT / word).exists()
    ] == []


@pytest.mark.parametrize("module", sorted(scope.SCOPE))
def test_what_mutation_changes_and_runs_is_there(module: str) -> None:
    assert (ROOT / module).is_file(), (
        "renamed? follow it in tests/mutation/scope.py and mutation.md"
    )
    for test in scope.SCOPE[module]:
        assert len(scope.files(test)) == 1, f"tests/unit/*/test_{test}.py"


def test_mutation_runs_tests_for_every_plan() -> None:
    # A program for hosts: a changed path would be written to (docs/decisions/mutation.md).
    left_out = {"pyinfra_swarm/rollback/plan.py"}
    plans = {str(MODULES[name].relative_to(ROOT)) for name in PLANS if name.endswith(".plan")}
    assert plans - left_out <= {*scope.SCOPE}
    assert [module for module, tests in scope.SCOPE.items() if not tests] == []


def test_mutation_has_a_score_for_every_module_or_the_reason_why_not() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert {*recorded(page)} | unmeasured(page) == {*scope.SCOPE}


def test_reset_takes_off_what_each_room_says_it_leaves_on_a_host() -> None:
    """All but the firewall, which has a job of its own for being taken off."""
    for name in MODULES:
        if not name.endswith("__main__") and ".firewall" not in name:
            files = getattr(importlib.import_module(name), "FILES", ())
            assert {*files} <= {*WATCHED}, name


def test_data_on_the_command_line_is_what_operations_ask_for() -> None:
    asked = {KEY}
    for path in MODULES.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("given"):
                asked |= {ast.literal_eval(one) for one in node.args if ast.unparse(one)[0] == "'"}
    assert asked == {option.key for option in OPTIONS}
    assert {name for option in OPTIONS for name in option.deploys} <= {*DEPLOYS}
