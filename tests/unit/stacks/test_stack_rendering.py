"""What the engine renders, made ready to be deployed: the same for the same files and values."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.stacks.inputs import Inputs
from pyinfra_swarm.stacks.rendering import (
    Current,
    Unusable,
    as_yaml,
    external,
    files,
    pinned,
    rendered,
    resolved,
)

FOLDER = "/run/pyinfra-swarm-stack.aB3xYz/files"

# As `docker stack config` of 28.5.2 prints it.
RENDERED = f"""\
version: "3.13"
services:
  app:
    command:
      - sleep
      - "1000"
    configs:
      - source: conf
        target: /etc/conf
    env_file:
      - ./app.env
    environment:
      A: "1"
      DAY: "2001-01-01"
      FROM_FILE: hello world
    image: nginx:1.27
    secrets:
      - source: pw
    volumes:
      - type: volume
        source: data
        target: /data
volumes:
  data: {{}}
secrets:
  pw:
    name: db_password
    external: true
configs:
  conf:
    file: {FOLDER}/stacks/conf.txt
"""


def test_what_holds_for_one_rendering_only_is_taken_out() -> None:
    compose = rendered(RENDERED, FOLDER).compose
    elsewhere = rendered(RENDERED.replace("aB3xYz", "other1"), FOLDER.replace("aB3xYz", "other1"))
    assert compose == elsewhere.compose
    assert "env_file" not in compose["services"]["app"]
    assert compose["configs"]["conf"]["file"] == "stacks/conf.txt"
    assert "/run/" not in json.dumps(compose)


def test_what_the_command_line_says_goes_along() -> None:
    assert rendered(RENDERED, FOLDER).warnings == ()
    assert rendered(RENDERED, FOLDER, ("ignored: restart",)).warnings == ("ignored: restart",)


def test_which_files_secrets_and_configs_are_made_of_and_which_are_expected() -> None:
    compose = {
        "secrets": {"a": {"file": "a.txt"}, "b": {"external": True}, "c": {"external": False}},
        "configs": {"a": {"file": "b.txt"}, "d": {"name": "site", "external": True}, "e": None},
    }
    assert files(compose) == {("secret", "a"): "a.txt", ("config", "a"): "b.txt"}
    assert external(compose) == (("secret", "b"), ("config", "site"))
    assert files({"secrets": None}) == {}
    assert external({"configs": None}) == ()


def test_a_file_that_a_secret_is_made_of_is_named_from_the_compose_file_on() -> None:
    text = f"services: {{}}\nsecrets: {{s: {{file: {FOLDER}/a/s.txt}}, t: {{external: true}}}}\n"
    compose = rendered(text, FOLDER).compose
    assert compose["secrets"] == {"s": {"file": "a/s.txt"}, "t": {"external": True}}


def test_a_part_that_was_rendered_as_nothing_stays_nothing() -> None:
    compose = rendered("services: {app: }\nconfigs: {x: }\n", FOLDER).compose
    assert compose == {"services": {"app": None}, "configs": {"x": None}}


def test_nothing_of_what_was_rendered_is_in_a_repr() -> None:
    shown = repr(rendered(RENDERED.replace("hello world", "hunter2"), FOLDER, ("careful",)))
    assert "hunter2" not in shown
    assert "careful" in shown


def test_each_path_beside_the_file_is_named() -> None:
    text = RENDERED.replace("source: data", f"source: {FOLDER}/rel")
    text = text.replace("- sleep", f"- {FOLDER}/run.sh")
    with pytest.raises(Unusable, match=r"services.app.command, services.app.volumes.source is a"):
        rendered(text, FOLDER)


def test_a_path_beside_the_file_that_no_node_has_is_refused() -> None:
    text = RENDERED.replace("source: data", f"source: {FOLDER}/rel")
    with pytest.raises(Unusable, match=r"services.app.volumes.source .*none of the hosts"):
        rendered(text, FOLDER)


@pytest.mark.parametrize("text", ["", "- a", "a: [", "\x00", "!!python/object:os.system x"])
def test_whatever_else_is_printed_is_no_stack(text: str) -> None:
    with pytest.raises(Unusable):
        rendered(text, FOLDER)


def test_declared_secrets_get_their_current_version_and_others_stay() -> None:
    compose = rendered(RENDERED, FOLDER).compose
    made = resolved(compose, "web", {("secret", "db_password"): "db_password_v3"}, {})
    assert made["secrets"]["pw"]["name"] == "db_password_v3"
    assert resolved(compose, "web", {}, {})["secrets"]["pw"]["name"] == "db_password"
    assert compose["secrets"]["pw"]["name"] == "db_password", "the rendered one was changed"
    assert external(compose) == (("secret", "db_password"),)
    current: Current = {("config", "site"): "site_v7", ("secret", "site"): "site_v1"}
    told = resolved({"configs": {"site": {"external": True}}}, "web", current, {})
    assert told == {"configs": {"site": {"external": True, "name": "site_v7"}}}
    after_nothing = {"configs": {"x": None, "site": {"external": True}}}
    assert resolved(after_nothing, "web", current, {})["configs"]["site"]["name"] == "site_v7"
    left = {"configs": {"x": None, "y": {"external": False}}, "secrets": None}
    assert resolved(left, "web", current, {}) == left


def test_each_content_of_a_config_has_a_name_of_its_own() -> None:
    compose = rendered(RENDERED, FOLDER).compose
    one = resolved(compose, "web", {}, {"stacks/conf.txt": b"one"})["configs"]["conf"]
    other = resolved(compose, "web", {}, {"stacks/conf.txt": b"two"})["configs"]["conf"]
    assert one["name"] != other["name"]
    assert one["name"] == f"web_conf_{hashlib.sha256(b'one').hexdigest()[:10]}"
    missing = resolved(compose, "web", {}, {})["configs"]["conf"]
    assert missing["name"] == f"web_conf_{hashlib.sha256(b'').hexdigest()[:10]}"
    named = {"configs": {"c": {"file": "x", "name": "mine"}}, "secrets": {"s": {"file": "y"}}}
    assert resolved(named, "web", {}, {"x": b"one", "y": b"two"}) == named
    long = {**compose, "configs": {"c" * 80: {"file": "x"}}}
    [(_, entry)] = resolved(long, "web", {}, {"x": b""})["configs"].items()
    assert len(entry["name"]) == 64


DIGEST = "nginx:1.27@sha256:" + "a" * 64


def spec(image: str) -> dict[str, Any]:
    return {
        "Labels": {"com.docker.stack.image": "nginx:1.27"},
        "TaskTemplate": {"ContainerSpec": {"Image": image}},
    }


def test_an_image_that_is_declared_as_it_was_stays_what_it_is() -> None:
    compose = rendered(RENDERED, FOLDER).compose
    made = pinned(compose, compose, {"web_app": spec(DIGEST)}, "web")
    assert made["services"]["app"]["image"] == DIGEST
    newer = json.loads(json.dumps(compose).replace("nginx:1.27", "nginx:1.28"))
    assert pinned(newer, compose, {"web_app": spec(DIGEST)}, "web") == newer
    assert pinned(compose, compose, {"web_app": spec("nginx:1.27")}, "web") == compose
    assert pinned(compose, compose, {}, "web") == compose
    assert pinned(compose, {}, {"web_app": spec(DIGEST)}, "web") == compose
    unlabelled = {**spec(DIGEST), "Labels": None}
    assert pinned(compose, compose, {"web_app": unlabelled}, "web") == compose


def test_an_image_that_has_changed_leaves_the_next_one_as_it_was() -> None:
    before = {"services": {"app": {"image": "app:1"}, "web": {"image": "nginx:1.27"}}}
    after = {"services": {**before["services"], "app": {"image": "app:2"}}}
    specs = {"web_app": spec("app:1@sha256:" + "b" * 64), "web_web": spec(DIGEST)}
    images = [one["image"] for one in pinned(after, before, specs, "web")["services"].values()]
    assert images == ["app:2", DIGEST]


def test_an_image_that_runs_without_a_digest_is_asked_for_as_it_is_declared() -> None:
    compose = {"services": {"app": {"image": "nginx"}}}
    assert pinned(compose, compose, {"web_app": spec("nginx:latest")}, "web") == compose


def test_what_says_nothing_of_an_image_is_left_as_it_is() -> None:
    for compose in ({}, {"services": None}, {"services": {"app": None, "db": {"user": "me"}}}):
        assert pinned(compose, compose, {"web_app": spec(DIGEST), "web_db": {}}, "web") == compose
    image = {"services": {"app": {"image": "nginx:1.27"}}}
    nothings: list[Any] = [{}, {"TaskTemplate": {}}, {"TaskTemplate": {"ContainerSpec": None}}]
    for nothing in nothings:
        assert pinned(image, image, {"web_app": nothing}, "web") == image


def test_a_dollar_that_was_rendered_is_no_variable_once_more() -> None:
    compose = {"services": {"app": {"environment": {"A": "$x ${y} $$"}, "command": ["$z"]}}}
    again = yaml.safe_load(as_yaml(compose))["services"]["app"]
    assert again == {"environment": {"A": "$$x $${y} $$$$"}, "command": ["$$z"]}


def test_what_is_deployed_is_read_by_yaml_as_it_is_meant() -> None:
    compose = rendered(RENDERED, FOLDER).compose
    assert yaml.safe_load(as_yaml(compose)) == compose
    assert "version" not in compose, "one engine's is refused by another"
    assert as_yaml({"b": 1, "a": {"d": [], "c": None}}) == '{"a": {"c": null, "d": []}, "b": 1}'


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True), st.text()))
def test_the_same_inputs_have_the_same_digest_and_another_value_another(
    variables: dict[str, str],
) -> None:
    one = Inputs("web", ("a.yml",), {"a.yml": b"x"}, variables)
    assert one.digest == Inputs("web", ("a.yml",), {"a.yml": b"x"}, dict(variables)).digest
    assert one.digest != Inputs("web", ("a.yml",), {"a.yml": b"y"}, variables).digest
    assert one.digest != Inputs("web", ("a.yml",), {"a.yml": b"x"}, {**variables, "0": ""}).digest


def test_inputs_show_no_value() -> None:
    assert "hunter2" not in repr(Inputs("web", ("a",), {"a": b"hunter2"}, {"A": "hunter2"}))
