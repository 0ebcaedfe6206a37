"""Declared stacks read from this computer's files, with what they refer to, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinfra_swarm.settings import Settings
from pyinfra_swarm.stacks.reading import Declared, read_stacks

HOSTS = [{"name": "rk1", "address": "192.168.1.11", "role": "manager"}]

WEB = """\
services:
  app:
    image: nginx:${TAG}
    env_file: ./env/app.env
    configs: [conf]
    secrets: [own]
configs: { conf: { file: ../conf.txt } }
secrets: { own: { file: ./own.txt } }
"""


def read(folder: Path, *files: str, **env: object) -> Declared:
    stacks = [{"name": "web", "files": list(files or ("stacks/web.yml",)), "env": env}]
    settings = Settings(hosts=HOSTS, stacks=stacks).read_from(folder, ())  # type: ignore[arg-type]
    [one] = read_stacks(settings)
    return one


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stacks/env").mkdir(parents=True)
    (tmp_path / "stacks/web.yml").write_text(WEB)
    (tmp_path / "stacks/env/app.env").write_text("A=1\n")
    (tmp_path / "stacks/own.txt").write_text("hunter2")
    (tmp_path / "conf.txt").write_text("conf")
    return tmp_path


def test_what_the_files_refer_to_is_read_from_the_first_one_s_folder(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other/over.yml").write_text("services: { app: { environment: { B: '2' } } }")
    one = read(folder, "stacks/web.yml", "other/over.yml", TAG="1.27")
    assert one.inputs.compose == ("stacks/web.yml", "other/over.yml")
    assert {*one.inputs.files} == {
        *("stacks/web.yml", "other/over.yml", "stacks/env/app.env"),
        *("conf.txt", "stacks/own.txt"),
    }
    assert one.inputs.secret == {"stacks/own.txt"}
    assert one.inputs.variables == {"TAG": "1.27"}
    assert one.inputs.problem == ""


def test_the_digest_follows_the_content_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    before = read(folder, TAG="1.27").inputs.digest
    elsewhere = tmp_path / "elsewhere"
    folder.joinpath("stacks").rename(folder / "moved")
    elsewhere.mkdir()
    (folder / "moved").rename(elsewhere / "stacks")
    (folder / "conf.txt").rename(elsewhere / "conf.txt")
    assert read(elsewhere, TAG="1.27").inputs.digest == before
    assert read(elsewhere, TAG="1.28").inputs.digest != before
    (elsewhere / "stacks/own.txt").write_text("hunter3")
    assert read(elsewhere, TAG="1.27").inputs.digest == before, "a secret is in the hash"
    (elsewhere / "conf.txt").write_text("other")
    assert read(elsewhere, TAG="1.27").inputs.digest != before


def test_a_variable_of_this_computer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_TAG", raising=False)
    assert "MY_TAG" in read(folder, TAG={"env": "MY_TAG"}).inputs.problem
    (folder / ".env").write_text("MY_TAG=from the file\n")
    assert read(folder, TAG={"env": "MY_TAG"}).inputs.variables == {"TAG": "from the file"}
    monkeypatch.setenv("MY_TAG", "from here")
    assert read(folder, TAG={"env": "MY_TAG"}).inputs.variables == {"TAG": "from here"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("./env/app.env", "./none.env", "none.env cannot be read: No such file"),
        ("./env/app.env", "/etc/app.env", "relative to the first compose file"),
        ("../conf.txt", "/etc/conf.txt", "relative to the first compose file"),
        ("./own.txt", "./env", "cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_read_is_a_problem_of_its_stack(
    folder: Path, old: str, new: str, words: str
) -> None:
    (folder / "stacks/web.yml").write_text(WEB.replace(old, new))
    one = read(folder, TAG="1.27")
    assert words in one.inputs.problem
    assert not one.sources


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    assert "stacks/none.yml cannot be read" in read(folder, "stacks/none.yml").inputs.problem
