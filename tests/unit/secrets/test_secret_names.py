"""The file of names, for stacks that are deployed by other means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.secrets.names import WriteNames, names_text, plan_names, variable
from pyinfra_swarm.secrets.names_operations import planned, write
from pyinfra_swarm.secrets.objects import Key
from tests.builders import the
from tests.unit.secrets.swarms import DB, SITE

NAMES = {SITE: "site_v2", DB: "db_password_v3"}
TEXT = """\
# Written by deploys/secrets.py: what the engine calls the current versions.
DB_PASSWORD_SECRET=db_password_v3
SITE_CONFIG=site_v2
"""


def test_each_current_version_has_a_variable() -> None:
    assert names_text(NAMES) == TEXT
    assert variable(Key("config", "traefik-dynamic.yml")) == "TRAEFIK_DYNAMIC_YML_CONFIG"


def test_it_is_written_where_it_says_something_else() -> None:
    for there in (None, TEXT.replace("v3", "v2")):
        [step] = plan_names("names.env", there, NAMES)
        assert isinstance(step, WriteNames)
        assert (step.path, step.text) == ("names.env", TEXT)
    assert plan_names("names.env", TEXT, NAMES) == []


def test_two_names_that_make_one_variable_are_refused() -> None:
    clash = {Key("secret", "db.pw"): "db.pw_v1", Key("secret", "db-pw"): "db-pw_v1"}
    assert "secret db-pw and secret db.pw make the same variable" in the(
        Refusal, plan_names("names.env", None, clash)
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with no home of anybody's in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_home_of_a_user_who_does_not_exist_is_refused(here: Path) -> None:
    [refused] = planned("~nosuchuser/x.env", NAMES)
    assert isinstance(refused, Refusal)
    assert refused.what == "file ~nosuchuser/x.env"
    assert refused.reason == "cannot be written: there is no folder ~nosuchuser"
    assert refused.remedy == "Name another: --data names=FILE"


def test_a_file_in_one_s_own_home_is_meant_there(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here))
    [step] = planned("~/x.env", NAMES)
    assert isinstance(step, WriteNames)
    (here / "x.env").write_text(TEXT)
    assert planned("~/x.env", NAMES) == []


def test_what_cannot_be_written_fails_with_its_name(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        "pyinfra_swarm.run.reporting.failed", lambda host, message: said.append(message)
    )
    nobody: Any = None
    step = WriteNames("file", "is not there", path="~nosuchuser/x.env", text=TEXT)
    assert not write(nobody, nobody, step)
    assert said[0].startswith("~nosuchuser/x.env could not be written: ")
    (here / "~nosuchuser").mkdir()
    assert write(nobody, nobody, step)
    assert (here / "~nosuchuser/x.env").read_text() == TEXT
