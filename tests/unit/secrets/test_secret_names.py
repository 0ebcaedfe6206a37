"""The file of names, for stacks that are deployed by other means."""

from __future__ import annotations

from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.secrets.names import WriteNames, names_text, plan_names, variable
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
