"""``pyinfra-swarm COMMAND``: what becomes of its words, and what a slip is answered with."""

from __future__ import annotations

import os
import re
import signal
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
import pytest

from pyinfra_swarm import cli
from pyinfra_swarm.commands import fact as facts
from pyinfra_swarm.commands.lab import WORDS
from pyinfra_swarm.run import own_words
from pyinfra_swarm.run.command_line import OPTIONS
from pyinfra_swarm.settings import Settings, forget
from pyinfra_swarm.settings import lab as lab_source
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.project.test_inventory import BOARDS

README = (ROOT / "README.md").read_text(encoding="utf-8")


class Became(Exception):
    """What the process would be from then on."""

    def __init__(self, command: Sequence[str], variables: dict[str, str]) -> None:
        self.words = [*command[4:]]
        self.variables = variables
        self.folder = Path.cwd()


@pytest.fixture(autouse=True)
def _boards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BOARDS)
    monkeypatch.setenv("SWARM_SETTINGS", str(path))
    monkeypatch.chdir(ROOT)
    forget()

    def become(path: str, command: Sequence[str], variables: dict[str, str]) -> NoReturn:
        raise Became(command, variables)

    monkeypatch.setattr(os, "execve", become)


def became(*words: str) -> Became:
    with pytest.raises(Became) as caught:
        cli.main(words)
    return caught.value


Said = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Said:
    def said(*words: str) -> str:
        assert cli.main(words) == 1
        return capsys.readouterr().err

    return said


# pyinfra's own command line
# --------------------------


def test_the_table_says_what_each_command_becomes() -> None:
    rows = re.findall(
        r"^\| `pyinfra-swarm (plan|apply)[^|]*\| `(pyinfra [^`]*)`", README, re.MULTILINE
    )
    assert len(rows) == 2
    for command, base in rows:
        assert became(command).words == base.split()[1:]


@pytest.mark.parametrize(
    ("words", "pyinfra"),
    [
        ("plan ssh --limit rk1", "--limit rk1 inventory.py deploys/ssh.py --dry"),
        ("plan deploys/ssh.py docker.py", "inventory.py deploys/ssh.py deploys/docker.py --dry"),
        ("apply -y", "inventory.py deploys/site.py -y"),
        (
            "apply remove --data host=rk4",
            "inventory.py deploys/remove.py --data host=rk4",
        ),
        ("apply -vv --limit a --limit b", "-vv --limit a --limit b inventory.py deploys/site.py"),
        ("plan -- --debug-facts --json", "inventory.py deploys/site.py --dry --debug-facts --json"),
        ("fact swarm.Nodes --limit rk1", "--limit rk1 inventory.py fact facts.swarm.Nodes"),
        ("fact Nodes", "inventory.py fact facts.swarm.Nodes"),
        ("fact server.Uptime --json", "--json inventory.py fact server.Uptime"),
        ("fact ssh.Effective users=ada", "inventory.py fact facts.ssh.Effective users=ada"),
    ],
)
def test_a_command_becomes_a_run_of_pyinfra(words: str, pyinfra: str) -> None:
    assert became(*words.split()).words == pyinfra.split()


def test_the_run_says_what_to_type_in_the_language_it_was_typed_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = became("plan", "--limit", "rk1", "ssh", "--", "--debug-facts")
    monkeypatch.setenv(own_words.TYPED, run.variables[own_words.TYPED])
    assert own_words.command() == "pyinfra-swarm plan --limit rk1 ssh -- --debug-facts"
    run = became("fact", "Nodes", "--limit", "rk1")
    monkeypatch.setenv(own_words.TYPED, run.variables[own_words.TYPED])
    assert own_words.command() == "pyinfra-swarm fact swarm.Nodes --limit rk1"


def test_a_deploy_outside_of_the_project_is_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "own.py").touch()
    assert became("plan", str(tmp_path / "own.py")).words[1] == str(tmp_path / "own.py")


def test_it_works_from_another_folder_with_paths_as_they_are_meant_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SWARM_SETTINGS", "mine.toml")
    forget()
    run = became(
        *("apply", "restore", "--data", "file=a.age", "--data", "identity=~/key"),
        *("--data", "host=rk1"),
    )
    assert run.folder == ROOT
    assert run.variables["SWARM_SETTINGS"] == str(tmp_path / "mine.toml")
    assert f"file={tmp_path / 'a.age'}" in run.words
    assert "identity=~/key" in run.words
    assert "host=rk1" in run.words


# Slips
# -----


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("plan sit", "pyinfra-swarm plan: there is no deploy sit\n    instead: site\n"),
        ("apply deploys/sit.py", "there is no deploy deploys/sit.py\n    instead: site\n"),
        ("apply rk2", "there is no deploy rk2\n    instead: --limit rk2\n"),
        ("apply upgrade wait=900", "no deploy wait=900\n    instead: --data wait=900\n"),
        ("apply upgrade wait", "there is no deploy wait\n    instead: one of "),
        ("apply remove rk2", "there is no deploy rk2\n    instead: --data host=rk2\n"),
        ("apply ssh rk2", "there is no deploy rk2\n    instead: --limit rk2\n"),
        ("fact swarm", "    instead: swarm."),
        ("fact", "    instead: one of "),
        ("plan xyzxyz", "instead: one of access, backup, "),
        ("plan --check", "plan: --check: a plan changes nothing anyway\n    instead: leave it out"),
        ("apply --check", "instead: pyinfra-swarm plan, which changes nothing"),
        ("apply --tags ssh", "a part of the job is a deploy of its own"),
        ("plan --limt rk1", "No such option"),
        ("aply", "pyinfra-swarm: aply is not a command\n    instead: pyinfra-swarm apply\n"),
        ("int", "instead: pyinfra-swarm init\n"),
        ("help", "instead: pyinfra-swarm --help\n"),
        ("deploy", "instead: pyinfra-swarm plan, then pyinfra-swarm apply\n"),
        (
            "init --hosts 192.168.1.11, 192.168.1.12",
            "192.168.1.12: is an address, where the folder belongs\n"
            "    instead: --hosts 192.168.1.11,192.168.1.12, with commas between\n",
        ),
        ("init home --hosts 10.0.0.1 10.0.0.2 10.0.0.3", "--hosts 10.0.0.1,10.0.0.2,10.0.0.3, wi"),
        ("init 192.168.1.11", "instead: --hosts 192.168.1.11, with commas"),
        (
            "init one two",
            "two: is a second folder\n    instead: one folder, or none for this one\n",
        ),
        ("init --hosts 10.0.0.1 --managers 2", "--managers 2: there is only 1 board\n"),
        (
            "reset",
            "pyinfra-swarm: reset is a deploy, not a command\n"
            "    instead: pyinfra-swarm plan reset, then pyinfra-swarm apply reset\n",
        ),
        ("firewal", "instead: pyinfra-swarm plan firewall, then pyinfra-swarm apply firewall\n"),
        ("plan remove host=rk2", "there is no deploy host=rk2\n    instead: --data host=rk2\n"),
        ("apply _sudo_pasword=x", "    instead: --data _sudo_pasword=…\n"),
        ("init x --port", "pyinfra-swarm init: Option '--port' requires an argument."),
        ("fact swarm.Node", "swarm.Node is not a fact\n    instead: swarm.Nodes\n"),
        ("fact facts.swarm.Nods", "instead: swarm.Nodes\n"),
        ("fact facts.docker.Infos", "is not a fact"),
        ("status --timeout soon", "soon"),
        ("completion tcsh", "tcsh"),
        ("init --hosts 192.168.1.1 --port 0", "0"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(words: str, said: str, refused: Said) -> None:
    answer = refused(*words.split())
    assert said in answer
    assert answer.count("instead:") == 1
    assert "Traceback" not in answer


def test_without_a_project_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Said
) -> None:
    monkeypatch.setattr("pyinfra_swarm.settings.paths.ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWARM_SETTINGS")
    forget()
    for words in ("plan", "apply", "fact", "fact swarm.Nodes", "lint"):
        answer = refused(*words.split())
        assert f"{tmp_path} is not a project: it has no inventory.py, or no deploys/site.py" in (
            answer
        )
        assert "`pyinfra-swarm init FOLDER` makes one" in answer


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory has been deleted."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SWARM_SETTINGS")
    monkeypatch.setattr(signal, "signal", lambda number, what: None)
    folder.rmdir()
    forget()


@pytest.mark.parametrize(
    "words",
    [
        *("status", "plan", "apply", "init", "drift", "drift schedule install", "lint"),
        *("fact", "fact swarm.Nodes", "wireguard add me", "reset", "init x"),
    ],
)
def test_in_a_folder_that_is_gone_it_says_so_in_one_line(
    words: str, gone: None, refused: Said
) -> None:
    assert refused(*words.split()) == (
        "pyinfra-swarm: the folder you are in is gone. cd to your project, and try again\n"
    )


def test_completion_says_nothing_of_a_folder_that_is_gone(
    gone: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "_PYINFRA_SWARM_COMPLETE": "bash_complete",
        "COMP_WORDS": "pyinfra-swarm plan ",
        "COMP_CWORD": "2",
    }.items():
        monkeypatch.setenv(name, value)
    assert cli.main([]) == 1
    assert capsys.readouterr() == ("", "")


def test_another_file_that_is_missing_is_no_folder_that_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> list[str]:
        raise FileNotFoundError("another")

    monkeypatch.setattr("pyinfra_swarm.commands.completing.deploy_files", missing)
    with pytest.raises(FileNotFoundError, match="another"):
        cli.main(["plan"])


# Help
# ----


def commands() -> list[click.Command]:
    return [command for command in cli.group.commands.values() if command.params]


@pytest.mark.parametrize("command", commands(), ids=lambda command: str(command.name))
def test_help_fits_a_screen_and_tells_exit_codes(
    command: click.Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.main([str(command.name), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 36
    assert max(map(len, lines)) <= 80
    if command.name != "completion":
        assert any(line.lstrip().startswith("Exit codes:") for line in lines)


def test_all_commands_are_in_one_list_and_in_the_readme(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    listed = [line.split()[0] for line in lines if re.match(r"  [a-z]+ {2,}\S", line)]
    assert listed == list(cli.group.commands)
    named = re.findall(r"^\| `pyinfra-swarm ([a-z]+)(?:`| \[)", README, re.MULTILINE)
    assert named == listed


def test_without_a_word_it_shows_its_help_as_an_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main([]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("Usage: pyinfra-swarm ")
    assert shown.err == ""


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


# Others
# ------


def test_every_fact_there_is_can_be_named_without_its_folder() -> None:
    from tests.tools.facts_page import facts as there

    assert sorted(facts.names()) == sorted(there())
    for name in there():
        assert facts.fact(name.removeprefix("facts.")) == name


BROKEN: dict[str, tuple[bytes, str]] = {
    "a slip": (b"import os\nclass Slip(:\n", "facts/mine.py, line 2: invalid syntax"),
    "no text": (b"\xff\xfe = 1\n", "facts/mine.py"),
    "a zero": (b"a = 1\0\n", "facts/mine.py"),
    "too deep": (b"a = " + b"(" * 50_000 + b"\n", "facts/mine.py"),
    "a sum": (b'\n__all__ = ["A"] + more\n', "facts/mine.py, line 2: __all__ is not a list of"),
    "a call": (b"__all__ = names()\n", "facts/mine.py, line 1: __all__ is not a list of"),
    "a name": (b"__all__ = (Slip,)\n", "facts/mine.py, line 1: __all__ is not a list of"),
}


@pytest.fixture(params=[*BROKEN, "a folder"])
def broken(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said of a file of facts that cannot be read; a good one is beside it."""
    for folder in ("deploys", "facts"):
        (tmp_path / folder).mkdir()
    for name in ("inventory.py", "deploys/site.py"):
        (tmp_path / name).touch()
    (tmp_path / "facts/swarm.py").write_text('__all__ = ["Nodes"]\n')
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "facts/mine.py"
    if request.param == "a folder":
        path.mkdir()
        return "facts/mine.py: cannot be read: "
    content, said = BROKEN[request.param]
    path.write_bytes(content)
    return said


def test_a_broken_file_of_facts_keeps_no_other_fact_from_being_asked_for(broken: str) -> None:
    assert became("fact", "swarm.Nodes").words[-1] == "facts.swarm.Nodes"
    assert became("fact", "Nodes").words[-1] == "facts.swarm.Nodes"
    assert became("fact", "server.Uptime").words[-1] == "server.Uptime"


@pytest.mark.parametrize("given", ["mine.Slip", "facts.mine.Slip", "mine", "Slip"])
def test_a_fact_of_a_broken_file_is_refused_with_the_place(
    given: str, broken: str, refused: Said
) -> None:
    answer = refused("fact", given)
    assert answer.startswith(f"pyinfra-swarm fact: {given}")
    assert broken in answer
    assert answer.endswith("\n    instead: correct that file, and ask again\n")


def test_a_mistyped_fact_beside_a_broken_file_is_answered_as_ever(
    broken: str, refused: Said
) -> None:
    assert "instead: swarm.Nodes\n" in refused("fact", "Nods")


def test_every_option_of_a_deploy_says_what_it_means() -> None:
    assert all(option.means for option in OPTIONS)


def lab(**more: Any) -> dict[str, Any]:
    return {
        "cluster": {"name": "lab"},
        "hosts": [
            {"name": f"node{n}", "address": f"192.168.77.1{n}", "role": "manager", "ssh_port": 22}
            for n in (1, 2)
        ],
        "ssh": {"user": "debian", "key": '/tmp/a "b"\\ü/key', "strict_host_keys": "yes"},
        **more,
    }


def test_the_labs_settings_are_a_settings_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab_source, "running", lab)
    assert cli.main(["lab", "settings"]) == 0
    read = tomllib.loads(capsys.readouterr().out)
    assert read == lab()
    assert [host.name for host in Settings(**read).hosts] == ["node1", "node2"]


def test_without_a_lab_it_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, refused: Said
) -> None:
    monkeypatch.setattr(lab_source, "running", lambda: None)
    assert "instead: pyinfra-swarm lab up" in refused("lab", "settings")


def test_the_labs_words_are_those_that_it_takes() -> None:
    from lab.cli import _parser

    there = set(re.findall(r"^ {4}([a-z-]+)(?: |$)", _parser().format_help(), re.MULTILINE))
    assert {*WORDS} == there
