"""The project that a command works on where it is typed in a folder within the project."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from pyinfra_swarm import cli
from pyinfra_swarm.drift import cli as drift_cli
from pyinfra_swarm.drift import run as drift_run
from pyinfra_swarm.drift import schedule
from pyinfra_swarm.settings import forget, load, paths
from pyinfra_swarm.stacks.reading import read_stacks
from tests.unit.project.test_inventory import BOARDS

STACK = """\
services:
  web:
    image: nginx:1.28
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose settings have a relative path; this clone is a project, too."""
    made = tmp_path / "home"
    for name in ("deploys", "stacks/more"):
        (made / name).mkdir(parents=True)
    for name in ("inventory.py", "deploys/site.py", "deploys/own.py"):
        (made / name).touch()
    stacks = '[[stacks]]\nname = "web"\nfiles = ["stacks/web.yml"]\n'
    (made / "cluster.toml").write_text(BOARDS + stacks)
    (made / "stacks/web.yml").write_text(STACK)
    monkeypatch.delenv("SWARM_SETTINGS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    forget()
    return made


@pytest.fixture
def within(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder within it, in which commands are typed."""
    monkeypatch.chdir(folder / "stacks/more")
    return folder / "stacks/more"


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Path, list[str]]]:
    """Where pyinfra would run, and with which words."""

    class Became(Exception):
        pass

    def become(path: str, command: list[str], variables: dict[str, str]) -> NoReturn:
        raise Became(Path.cwd(), command[4:])

    def run(*words: str) -> tuple[Path, list[str]]:
        with pytest.raises(Became) as caught:
            cli.main(words)
        where, given = caught.value.args
        return where, given

    monkeypatch.setattr(os, "execve", become)
    return run


Run = Callable[..., tuple[Path, list[str]]]


def test_pyinfra_runs_in_the_project_above_and_that_is_told_in_one_line(
    folder: Path, within: Path, became: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert became("plan", "own") == (folder, ["inventory.py", "deploys/own.py", "--dry"])
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"Project: {folder}\n")


def test_in_the_project_itself_nothing_is_told(
    folder: Path, became: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert became("plan")[0] == folder
    assert capsys.readouterr().err == ""


def test_a_path_that_is_typed_is_meant_from_where_it_is_typed(
    folder: Path, within: Path, became: Run
) -> None:
    (within / "mine.py").touch()
    _, words = became("apply", "mine.py", "../../deploys/own.py", "--data", "file=a.age")
    assert words[1:] == [
        *("stacks/more/mine.py", "deploys/own.py"),
        *("--data", f"file={within / 'a.age'}"),
    ]


def test_the_nearest_project_counts(folder: Path, within: Path, became: Run) -> None:
    inner = folder / "stacks"
    (inner / "deploys").mkdir()
    for name in ("inventory.py", "deploys/site.py"):
        (inner / name).touch()
    assert became("plan")[0] == inner


def test_relative_paths_in_the_settings_are_meant_from_the_settings(
    folder: Path, within: Path
) -> None:
    settings = load()
    assert settings.folder == folder
    [stack] = read_stacks(settings)
    assert stack.inputs.problem == ""
    assert [one.content for one in stack.sources] == [STACK.encode()]


def test_the_lint_looks_at_the_stacks_of_the_project_above(
    folder: Path, within: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lint", "--json"]) in (0, 2)
    said = capsys.readouterr()
    assert json.loads(said.out)["files"] == ["stacks/web.yml"]
    assert said.err == f"Project: {folder}\n"
    assert cli.main(["lint", "--no-cluster", "--json", "../web.yml"]) in (0, 2)
    assert capsys.readouterr().err == ""


def test_a_timer_checks_the_project_above(folder: Path, within: Path) -> None:
    assert schedule.settings_path({}) == ""
    assert schedule.Schedule().root == str(folder)


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The exit code of a check, whose run has this record besides those of a host in sync."""

    def check(*words: str, record: dict[str, Any] | None = None) -> int:
        records = [{"host": "rk1", "kind": "looked", "part": "ssh", "what": "SSH"}]
        records += [record] if record else []
        ran = drift_run.Run(0, (drift_run.Operation("SSH"),), tuple(records))
        monkeypatch.setattr(drift_cli, "run", lambda request: ran)
        monkeypatch.setattr(signal, "signal", lambda number, what: None)
        return cli.main(["drift", *words])

    return check


DIFFERS = {"host": "rk1", "kind": "change", "part": "ssh", "what": "sshd", "reason": "differs"}


def test_a_quiet_check_tells_the_project_only_with_what_differs(
    folder: Path, within: Path, checked: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked("--quiet", "--limit", "rk1") == 0
    assert capsys.readouterr() == ("", "")
    assert checked("--quiet", "--limit", "rk1", record=DIFFERS) == 2
    said = capsys.readouterr()
    assert said.err == f"Project: {folder}\n"
    assert "sshd" in said.out


@pytest.mark.parametrize("words", [["--quiet", "--json"], ["--json"], []])
def test_every_report_comes_with_its_project_once(
    words: list[str],
    folder: Path,
    within: Path,
    checked: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert checked(*words, "--limit", "rk1") == 0
    said = capsys.readouterr()
    assert said.err == f"Project: {folder}\n"
    assert said.out


def test_a_folder_s_name_moves_no_cursor(
    folder: Path, became: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = folder.rename(folder.with_name("\x1b[2J"))
    monkeypatch.chdir(odd / "stacks")
    assert became("plan")[0] == odd
    assert capsys.readouterr().err == f"Project: {odd.parent}/\\x1b[2J\n"


# Where it is not looked
# ----------------------


def test_a_project_above_the_home_is_not_taken(
    folder: Path, within: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for home, found in ((folder, folder), (folder / "stacks", paths.ROOT), (within, paths.ROOT)):
        monkeypatch.setenv("HOME", str(home))
        assert paths.project() == found


def test_a_project_that_somebody_else_could_have_made_is_not_taken(
    folder: Path, within: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.chmod(0o777)
    assert paths.project() == paths.ROOT
    folder.chmod(0o775)
    assert paths.project() == folder
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert paths.project() == paths.ROOT
    monkeypatch.chdir(folder)
    assert paths.project() == folder


def test_with_sudo_the_project_of_the_user_who_typed_it_is_taken(
    folder: Path, within: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.geteuid() == 0:
        os.chown(folder, 4242, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("SUDO_UID", raising=False)
    assert paths.project() == paths.ROOT
    monkeypatch.setenv("SUDO_UID", str(folder.stat().st_uid))
    assert paths.project() == folder


def test_a_project_on_another_file_system_is_not_taken(
    folder: Path, within: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def stat(path: Path) -> SimpleNamespace:
        seen = real(path)
        mounted = path.is_relative_to(folder / "stacks")
        return SimpleNamespace(
            st_dev=seen.st_dev + mounted, st_uid=seen.st_uid, st_mode=seen.st_mode
        )

    monkeypatch.setattr(Path, "stat", stat)
    assert paths.project() == paths.ROOT


def test_without_a_project_it_is_said_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWARM_SETTINGS", raising=False)
    forget()
    assert cli.main(["plan"]) == 1
    assert capsys.readouterr().err.startswith(
        f"pyinfra-swarm plan: {tmp_path} is not a project: it has no inventory.py"
    )
