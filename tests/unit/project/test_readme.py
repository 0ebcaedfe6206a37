"""The README names every setting with its default, and nothing that is not there."""

from __future__ import annotations

import importlib
import re
import tomllib
from typing import Any

import pytest
from pydantic import BaseModel

from lab import cli
from pyinfra_swarm.settings import Secret, Settings
from pyinfra_swarm.settings.fields import model_of
from pyinfra_swarm.settings.paths import ROOT
from pyinfra_swarm.settings.variables import RESERVED, variable_names

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROWS = dict(re.findall(r"^\| `([a-z_.\[\]]+)` \|([^|]*)\|", TEXT, re.MULTILINE))
SAID_IN_WORDS = {"access.admins", "hosts[].availability", "docker.key_fingerprint"}


def _settings(model: type[BaseModel], path: str = "") -> dict[str, Any]:
    """Every setting, as the README writes it, with its default."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        here = f"{path}{name}"
        inner = model_of(field.annotation)
        listed = "tuple" in str(field.annotation)
        if inner is None or (listed and path):
            found[here] = field.get_default(call_default_factory=True, validated_data={})
        if inner is not None:
            found |= _settings(inner, f"{here}{'[]' if listed else ''}.")
    return found


LIKE_A_SECRET = {f"configs[].{name}" for name in _settings(Secret)} - {"configs[].name"}
DEFAULTS = {name: value for name, value in _settings(Settings).items() if name not in LIKE_A_SECRET}


def test_the_table_has_every_setting_and_no_other() -> None:
    assert set(ROWS) == set(DEFAULTS)


@pytest.mark.parametrize("setting", sorted(DEFAULTS))
def test_the_table_says_the_default_that_holds(setting: str) -> None:
    said = re.fullmatch(r"`(.+)`", ROWS[setting].strip())
    if said is None or setting in SAID_IN_WORDS or re.match(r"(ssh|hosts\[\])\.", said[1]):
        return  # none, or one that follows from another setting
    default = DEFAULTS[setting]
    default = list(default) if isinstance(default, tuple) else default
    assert tomllib.loads(f"value = {said[1]}")["value"] == default


def test_the_fingerprint_is_shortened_from_the_real_one() -> None:
    begin, end = ROWS["docker.key_fingerprint"].strip().strip('`"').split("…")
    real = DEFAULTS["docker.key_fingerprint"]
    assert real.startswith(begin)
    assert real.endswith(end)


def _commands(text: str) -> str:
    """Only what is set as code."""
    return "\n".join(re.findall(r"`[^`\n]+`|^ {4}.+$", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_it_names_is_there(page: Any) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w/.])(?:deploys|docs|pyinfra_swarm|scripts|tests)/[\w./-]+\w", text)
    own = re.findall(r"^# (\S+\.py)$", text, re.MULTILINE)  # files of the reader's, shown whole
    missing = [name for name in named if not (ROOT / name).exists() and name not in own]
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    missing += [name for name in linked if not (page.parent / name).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_of_make_it_names_is_there(page: Any) -> None:
    targets = re.findall(r"\bmake ((?:[a-z]+)(?:-[a-z]+)*)", _commands(page.read_text("utf-8")))
    assert [name for name in targets if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fact_it_names_is_there(page: Any) -> None:
    for module, name in re.findall(r"\bfacts\.([a-z]+)\.([A-Z]\w+)", page.read_text("utf-8")):
        assert hasattr(importlib.import_module(f"facts.{module}"), name), f"{module}.{name}"


def test_every_command_of_the_lab_is_in_its_table_and_no_other() -> None:
    usage = cli._parser().format_help()
    there = set(re.findall(r"^ {4}([a-z-]+)(?: |$)", usage, re.MULTILINE))
    assert set(re.findall(r"^\| `pyinfra-swarm lab ([a-z-]+)", TEXT, re.MULTILINE)) == there


def test_variables_that_it_names_are_read() -> None:
    known, _ = variable_names(Settings)
    assert set(re.findall(r"SWARM_\w+", TEXT)) <= {*known, *RESERVED}
