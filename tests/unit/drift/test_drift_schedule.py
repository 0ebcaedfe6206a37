"""The timer: units that systemd itself accepts, and what is refused."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.drift.cli import _sensible, parser, schedule_options
from pyinfra_swarm.drift.schedule import (
    UNIT,
    Schedule,
    environment_file,
    folder,
    refuse_to_lose_settings,
    remove,
    show,
    units,
    words_of_before,
)
from pyinfra_swarm.drift.target import Unusable
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked

BOARDS = """
[[hosts]]
name = "rk1"
address = "192.168.1.11"
role = "manager"
"""


def lines(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")


def service(schedule: Schedule) -> dict[str, str]:
    return lines(units(schedule)[f"{UNIT}.service"])


@pytest.mark.parametrize("user", [False, True], ids=["root", "user"])
def test_systemd_accepts_the_units(user: bool, tmp_path: Path) -> None:
    assert shutil.which("systemd-analyze"), "these units are for systemd: apt-get install systemd"
    made = units(
        Schedule(
            user=user,
            settings="/home/ada/a cluster/100%/cluster.toml",
            arguments=("--limit", "rk*", "--quiet"),
        )
    )
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "--user" if user else "--system", "verify", "--man=no"]
        + [str(tmp_path / name) for name in made],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert UNIT not in done.stderr  # it has nothing to say about them


def test_a_check_has_a_time_limit_within_that_of_its_service() -> None:
    made = service(Schedule(timeout=90))
    assert "--timeout 90" in made["ExecStart"]
    assert int(made["TimeoutStartSec"]) > 90


def test_checks_never_overlap_and_do_not_all_begin_at_once() -> None:
    assert service(Schedule())["Type"] == "oneshot"
    timer = lines(units(Schedule(when="*:0/15", jitter=60))[f"{UNIT}.timer"])
    assert timer["OnCalendar"] == "*:0/15"
    assert timer["RandomizedDelaySec"] == "60"


def test_drift_is_no_failure_of_the_service() -> None:
    assert service(Schedule())["SuccessExitStatus"] == "2"


def test_the_service_holds_no_secret_and_reads_them_from_a_file_of_the_owner() -> None:
    assert service(Schedule())["EnvironmentFile"] == "-/etc/pyinfra-swarm/drift.env"
    assert service(Schedule(user=True))["EnvironmentFile"] == "-%h/.config/pyinfra-swarm/drift.env"


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1))
def test_every_argument_reaches_the_check_as_it_is(word: str) -> None:
    made = service(Schedule(arguments=(word,), python="/bin/python"))["ExecStart"]
    assert as_systemd_reads(made)[-1] == word


def as_systemd_reads(command: str) -> list[str]:
    """The words of an ``ExecStart=`` line (man systemd.service, systemd.syntax)."""
    words, word, inside, escaped, begun = [], "", False, False, False
    for letter in command:
        if escaped:
            word, escaped = word + letter, False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            inside, begun = not inside, True
        elif letter == " " and not inside:
            words.append(word)
            word, begun = "", False
        else:
            word, begun = word + letter, True
    if begun:
        words.append(word)
    assert all("$" not in word.replace("$$", "") for word in words)
    return [word.replace("%%", "%").replace("$$", "$") for word in words]


def test_units_go_where_systemd_looks(tmp_path: Path) -> None:
    assert folder(user=False) == Path("/etc/systemd/system")
    own = folder(user=True, environment={"XDG_CONFIG_HOME": str(tmp_path)})
    assert own == tmp_path / "systemd/user"


# The command
# -----------


def schedule(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SWARM_", "DRIFT_"))}
    return forked.run(
        [sys.executable, "-m", "pyinfra_swarm.drift", "schedule", *words],
        cwd=ROOT,
        env={**clean, **environment},
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["install", "--when", "sometimes"], "systemd does not understand it"),
        (["install", "--", "--limit", "rk7"], "no declared host and no group has that name"),
        (["install", "--", "--colour"], "unrecognized arguments: --colour"),
        (["install", "--", "--limt", "rk1"], "arguments: --limt rk1; did you mean --limit?"),
        (["install", "--", "--html", "nowhere/x.html"], "there is no folder"),
        (["install", "--", "--metrics", "/tmp"], "/tmp: is a folder"),
        (["install", "--", "--since", "/proc/x/y"], "/proc/x/y: cannot be used"),
        (["install", "--", "--timeout", "300"], "pyinfra-swarm schedule install --timeout SECONDS"),
        (["uninstall"], "invalid choice: 'uninstall'"),
    ],
)
def test_a_timer_that_could_only_fail_is_not_made(
    tmp_path: Path, words: list[str], complaint: str
) -> None:
    boards = tmp_path / "cluster.toml"
    boards.write_text(BOARDS)
    done = schedule(*words, SWARM_SETTINGS=str(boards))
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder(user=False) / f"{UNIT}.timer").exists()


def test_settings_that_the_service_would_not_have_are_named_and_not_shown(tmp_path: Path) -> None:
    boards = tmp_path / "cluster.toml"
    boards.write_text(BOARDS)
    set_here = {"SWARM_SSH__USER": "ada-secret", "SWARM_CLUSTER__NAME": "home"}
    done = schedule("install", SWARM_SETTINGS=str(boards), SWARM_REASONS="", **set_here)
    assert done.returncode == 1
    assert "what is set here only: SWARM_CLUSTER__NAME, SWARM_SSH__USER\n" in done.stderr
    assert "ada-secret" not in done.stderr


def test_settings_that_the_service_has_from_its_own_file_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = environment_file(user=True)
    refuse_to_lose_settings({"SWARM_SETTINGS": "/x", "HOME": "/x"}, user=True)
    with pytest.raises(Unusable, match=re.escape(str(path))):
        refuse_to_lose_settings({"SWARM_SSH__USER": "ada"}, user=True)
    path.parent.mkdir(parents=True)
    path.write_text("DRIFT_PING=https://hc-ping.com/x\nSWARM_SSH__USER=ada\n")
    refuse_to_lose_settings({"SWARM_SSH__USER": "ada"}, user=True)


def test_what_the_check_is_given_means_the_same_in_the_folder_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cluster.toml").write_text(BOARDS)
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "pages").mkdir()
    monkeypatch.setenv("SWARM_SETTINGS", str(tmp_path / "cluster.toml"))
    monkeypatch.chdir(tmp_path)
    given = "--limit rk1 --limit=rk* --dep mine.py --since s.json --html pages/x.html --quiet"
    there = {
        "limit": ["rk1", "rk*"],
        "deploy": f"{tmp_path}/mine.py",
        "since": tmp_path / "s.json",
        "html": tmp_path / "pages/x.html",
        "quiet": True,
    }
    words = _sensible(given.split())
    monkeypatch.chdir("/")
    assert vars(parser().parse_args(words)) == {**vars(parser().parse_args([])), **there}
    assert _sensible(["--deploy", "./deploys/site.py"]) == ()


def test_without_a_timer_there_is_nothing_to_show_or_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert "No check is scheduled" in show(user=True)
    assert "There was no timer" in remove(user=True)


BEFORE = """\
[Service]
WorkingDirectory=/home/ada/pyinfra-swarm
ExecStart=/home/ada/.venv/bin/python -m drift --since %S/pyinfra-swarm-drift/state.json \
--html %S/pyinfra-swarm-drift/drift.html --timeout 90 --limit=rk* "--html=/srv/100%% new.html"
"""
TIMER_BEFORE = "[Timer]\nOnCalendar=*:0/15\nRandomizedDelaySec=60\n"


def test_a_timer_of_an_earlier_version_is_recognised_and_renewed_with_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    there = folder(user=True)
    there.mkdir(parents=True)
    (there / f"{UNIT}.service").write_text(BEFORE)
    (there / f"{UNIT}.timer").write_text(TIMER_BEFORE)
    words = words_of_before(user=True)
    assert words == [
        *("--when", "*:0/15", "--jitter", "60", "--timeout", "90"),
        *("--", "--limit=rk*", "--html=/srv/100% new.html"),
    ]
    assert schedule_options(["install", *words]).arguments == words[7:]
    assert "made by an earlier version, whose command is gone" in show(user=True)
    for name, text in units(Schedule(user=True)).items():
        (there / name).write_text(text)
    assert words_of_before(user=True) == []
