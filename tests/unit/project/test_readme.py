"""The pages name every setting with its default, and nothing that is not there."""

from __future__ import annotations

import importlib
import re
import tomllib
from contextlib import suppress
from textwrap import dedent
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from lab import cli
from pyinfra_swarm.firewall.reached import who_reaches
from pyinfra_swarm.preflight.plan import SUPPORTED
from pyinfra_swarm.settings import Secret, Settings
from pyinfra_swarm.settings.fields import model_of
from pyinfra_swarm.settings.host_variables import host_variable
from pyinfra_swarm.settings.paths import ROOT
from pyinfra_swarm.settings.variables import RESERVED, variable_names
from pyinfra_swarm.stacks.compose import Source, read
from pyinfra_swarm.stacks.lint import declared, lint
from pyinfra_swarm.stacks.variables import Variables

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROWS = dict(re.findall(r"^\| `([a-z0-9_.\[\]]+)` \|([^|]*)\|", SETTINGS, re.MULTILINE))
SAID_IN_WORDS = {"access.admins", "hosts[].availability", "docker.key_fingerprint"}


def _settings(model: type[BaseModel], path: str = "") -> dict[str, Any]:
    """Every setting, as its page writes it, with its default."""
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
    targets = re.findall(r"\bmake ([a-z][a-z0-9]*(?:-[a-z0-9]+)*)", _commands(page.read_text()))
    assert [name for name in targets if not re.search(rf"^{name}:", MAKEFILE, re.MULTILINE)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_fact_it_names_is_there(page: Any) -> None:
    for module, name in re.findall(r"\bfacts\.([a-z]+)\.([A-Z]\w+)", page.read_text("utf-8")):
        assert hasattr(importlib.import_module(f"facts.{module}"), name), f"{module}.{name}"


def test_every_command_of_the_lab_is_in_its_table_and_no_other() -> None:
    usage = cli._parser().format_help()
    there = set(re.findall(r"^ {4}([a-z-]+)(?: |$)", usage, re.MULTILINE))
    named = set(re.findall(r"^\| `pyinfra-swarm lab ([a-z-]+)", TEXT, re.MULTILINE))
    assert named == there | {"settings"}  # which needs the product


def test_variables_that_it_names_are_read() -> None:
    known, _ = variable_names(Settings)
    named = set(re.findall(r"SWARM_\w+", SETTINGS + TEXT))
    assert {name for name in named if not name.startswith("SWARM_HOSTS__")} <= {*known, *RESERVED}


def _indented(text: str) -> list[str]:
    """The blocks of code, without their indentation."""
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", text, re.MULTILINE)
    return [re.sub(r"^ {4}", "", block, flags=re.MULTILINE) for block in blocks]


def test_the_first_service_is_one_that_the_lint_takes_and_the_firewall_opens() -> None:
    stack, settings = _indented(TEXT.partition("## Your first service")[2])[:2]
    hosts = 'hosts = [ { name = "rk1", address = "192.168.1.11", role = "manager" } ]\n'
    declared_settings = Settings(**tomllib.loads(hosts + settings + _laptop()))
    [declared_stack] = declared_settings.stacks
    found = read([Source(declared_stack.files[0], stack.encode())], Variables(complete=True))
    assert lint(found, declared(declared_settings, declared_stack.name)) == ()
    assert who_reaches(declared_settings, 80, "tcp") == ("Cloudflare", "192.168.1.0/24")


def _whole_stacks() -> list[Any]:
    """The compose files that the pages show whole: each service has its image."""
    found = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in map(dedent, _indented(page.read_text(encoding="utf-8"))):
            with suppress(yaml.YAMLError, LookupError, AttributeError, TypeError):
                services = yaml.safe_load(block)["services"]
                if all("image" in service for service in services.values()):
                    found.append(pytest.param(block, id=f"{page.stem}-{'-'.join(services)}"))
    return found


@pytest.mark.parametrize("stack", _whole_stacks())
def test_a_stack_that_a_page_shows_whole_is_one_that_the_lint_takes(stack: str) -> None:
    host = {"name": "rk1", "address": "192.168.1.11", "role": "manager"}
    declared_there: dict[str, Any] = {
        "hosts": [host | {"labels": {"disk": "nvme"}}],
        "secrets": [{"name": "db_password", "env": "DB_PASSWORD"}],
    }
    known = Settings(**declared_there)
    found = read([Source("stack.yml", stack.encode())], Variables(complete=True))
    assert lint(found, declared(known, "shown")) == ()


def test_the_pages_show_stacks_whole() -> None:
    """Else the test above would look at none."""
    assert {one.id for one in _whole_stacks()} >= {"stacks-db", "secrets-web"}


def _laptop() -> str:
    """The table of the firewall, with the line that lets one's own network in."""
    [line] = _indented(TEXT.partition("**Your own laptop is shut out")[2])[:1]
    return f"[firewall]\n{line}"


def test_what_the_readme_adds_fits_into_the_file_that_init_lays() -> None:
    laid = (ROOT / "cluster.example.toml").read_text(encoding="utf-8")
    stack = _indented(TEXT.partition("## Your first service")[2])[1]
    added = laid.replace("[firewall]\n", _laptop(), 1) + stack
    settings = Settings(**tomllib.loads(added))
    assert [one.name for one in settings.stacks] == ["hello"]
    assert "192.168.1.0/24" in who_reaches(settings, 80, "tcp")


def test_the_line_for_ones_own_laptop_is_one_that_the_settings_take() -> None:
    hosts = 'hosts = [ { name = "rk1", address = "192.168.1.11", role = "manager" } ]\n'
    laptop = Settings(**tomllib.loads(hosts + _laptop()))
    for port in (80, 443):
        assert "192.168.1.0/24" in who_reaches(laptop, port, "tcp")


@pytest.mark.parametrize("table", ["origin_pulls", "dynamic_dns", "tunnel"])
def test_a_way_in_is_shown_with_all_that_the_settings_want_for_it(table: str) -> None:
    page = (ROOT / "docs/exposure.md").read_text(encoding="utf-8")
    block = next(one for one in map(dedent, _indented(page)) if f"[exposure.{table}]" in one)
    hosts = 'hosts = [ { name = "rk1", address = "192.168.1.11", role = "manager" } ]\n'
    exposure = Settings(**tomllib.loads(hosts + block)).exposure
    assert getattr(exposure, table) != getattr(Settings(**tomllib.loads(hosts)).exposure, table)


def test_the_authority_of_origin_pulls_is_one_file_everywhere() -> None:
    page = (ROOT / "docs/exposure.md").read_text(encoding="utf-8")
    block = next(one for one in _indented(page) if "[exposure.origin_pulls]" in one)
    ports = tomllib.loads((ROOT / "examples/ports.toml").read_text(encoding="utf-8"))
    [config] = ports["configs"]
    assert tomllib.loads(dedent(block))["exposure"]["origin_pulls"]["ca"] == config["file"]


def test_the_top_names_every_system_that_the_preflight_takes() -> None:
    table = TEXT[: TEXT.index("```")]
    for system, releases in SUPPORTED.items():
        assert all(f"{system.capitalize()}" in table and one in table for one in releases)


def test_a_single_host_is_named_as_the_settings_read_it() -> None:
    [name] = set(re.findall(r"SWARM_HOSTS__\w+", SETTINGS))
    found = host_variable(name, "drain", "the environment")
    assert found is not None
    assert (found.host, found.path) == ("RK4", ("availability",))
