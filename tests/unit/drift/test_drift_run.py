"""The check from end to end: the real pyinfra command line, hosts that are only pretended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import paramiko
import pytest
from hypothesis import given

from pyinfra_swarm.drift import notify
from pyinfra_swarm.drift.report import Host, Report, report
from pyinfra_swarm.drift.run import Request, Run, run
from pyinfra_swarm.drift.target import deploy
from pyinfra_swarm.run import records
from pyinfra_swarm.run.findings import Notice
from pyinfra_swarm.run.own_process import environment
from pyinfra_swarm.run.own_process import records as records_in
from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked, hostile
from tests.unit.drift.drift_examples import AT, BOARDS, host_in

INVENTORY = """
from pyinfra_swarm.run import start as _start
_start.install()
_nobody = {"ssh_hostname": "127.0.0.1", "ssh_port": 1, "ssh_user": "ada"}
_nobody |= {"ssh_connect_retries": 0}
boards = ["@fake/rk1", "@fake/rk2", ("rk3", _nobody)]
"""

PREAMBLE = """
import time
from pyinfra.api import FactBase, StringCommand
from pyinfra_swarm.run.findings import Change, Notice, Refusal
from pyinfra_swarm.run import records
from pyinfra_swarm.run.converge import converges, current_host, observe, report

class Silent(FactBase):
    def command(self): return "true"
    @staticmethod
    def default(): return None

@converges("ssh")
def nothing_differs():
    report("ssh", [])
    yield from ()

@converges("docker")
def differs_on_rk2():
    mine = current_host().name == "@fake/rk2"
    records.measure("docker", "height", 12, host=current_host().name)
    if report("docker", [Change("daemon.json", "is another", "a", "b")] if mine else []):
        yield StringCommand("never")
        raise AssertionError("a plan goes no further than the first command")

@converges("swarm")
def noticed_on_rk1():
    mine = current_host().name == "@fake/rk1"
    report("swarm", [Notice("label", "is set by hand", remedy="rm")] if mine else [])
    yield from ()

@converges("swarm")
def refused_on_rk1():
    report("swarm", [Refusal("esp4", "is blocked")] if current_host().name == "@fake/rk1" else [])
    yield from ()

@converges("swarm")
def does_not_answer_on_rk2():
    if current_host().name == "@fake/rk2":
        observe(Silent)
    report("swarm", [])
    yield from ()

@converges("swarm")
def changes_without_a_word():
    if current_host().name == "@fake/rk1":
        yield StringCommand("boo")

@converges("firewall")
def the_same_on_rk2_by_another_part():
    mine = current_host().name == "@fake/rk2"
    if report("firewall", [Change("daemon.json", "is another", "a", "b")] if mine else []):
        yield StringCommand("never")

@converges("silent")
def silent_on_rk2():
    if current_host().name == "@fake/rk2":
        yield StringCommand("boo")

@converges("swarm")
def meets_another_run():
    # The record that whoever finds the cluster's lock held has to write.
    records.record({"host": current_host().name, "part": "lock", "phase": "plan", "kind": "busy",
                   "what": "cluster lock", "reason": "held by ada from desk since 06:00"})
    report("swarm", [Change("label", "differs")])
    yield StringCommand("never")

WORDS = ""

@converges("swarm")
def tells_what_a_host_says():
    mine = current_host().name == "@fake/rk1"
    report("swarm", [Notice(f"node {WORDS}", "is in the swarm", found=WORDS)] if mine else [])
    records.measure("swarm", "nodes", {WORDS: {"state": WORDS}})
    yield from ()

@converges("swarm")
def breaks():
    raise RuntimeError("a mistake of ours")
    yield
"""

HOSTS = (Host("@fake/rk1", "manager"), Host("@fake/rk2", "manager"), Host("rk3", "worker"))


class Site:
    """A pretended project: some deploy for three hosts, of which rk3 cannot be reached."""

    def __init__(self, folder: Path) -> None:
        self.inventory, self.deploy = folder / "inventory.py", folder / "deploy.py"
        self.inventory.write_text(INVENTORY)

    def request(self, *operations: str, deploy: str = "", **more: object) -> Request:
        calls = "".join(f"{name}(name='{name}')\n" for name in operations)
        self.deploy.write_text(PREAMBLE + deploy + calls)
        asked = {"inventory": str(self.inventory), "deploy": str(self.deploy), **more}
        return Request(**asked)  # type: ignore[arg-type]

    def check(
        self, *operations: str, limit: tuple[str, ...] = ("@fake/*",), words: str = ""
    ) -> Report:
        with patch("pyinfra_swarm.run.own_process.sys.executable", forked.python()):
            ran = run(self.request(*operations, limit=limit, deploy=f"WORDS = {words!a}\n"))
        hosts = [host for host in HOSTS if not limit or fnmatch(host.name, limit[0])]
        return report(ran, hosts, at=AT, deploy="deploys/site.py", deploys=("deploys/docker.py",))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_cluster_as_declared_is_in_sync(site: Site) -> None:
    found = site.check("nothing_differs")
    assert found.exit_code == 0
    assert [host.state for host in found.hosts] == ["in sync", "in sync"]


def test_changes_and_notices_arrive_with_host_part_and_reason(site: Site) -> None:
    found = site.check("nothing_differs", "differs_on_rk2", "noticed_on_rk1")
    assert {one.identity: one.mended_by for one in found.differences} == {
        ("@fake/rk2", "docker", "daemon.json"): "deploys/docker.py",
        ("@fake/rk1", "swarm", "label"): "",
    }
    assert found.exit_code == 2
    assert host_in(found, "@fake/rk1").parts == ("ssh", "docker", "swarm")
    assert host_in(found, "@fake/rk2").parts == ("ssh", "docker", "swarm")
    assert host_in(found, "@fake/rk1").measures == {"height": 12}


def test_a_host_that_cannot_be_reached_is_unknown_and_the_others_are_looked_at(site: Site) -> None:
    found = site.check("nothing_differs", limit=())
    assert [host.state for host in found.hosts] == ["in sync", "in sync", "unknown"]
    assert "Could not connect" in host_in(found, "rk3").unknown
    assert found.exit_code == 1


def test_when_no_host_can_be_reached_each_says_why(site: Site) -> None:
    found = site.check("nothing_differs", limit=("rk3",))
    assert "Could not connect" in host_in(found, "rk3").unknown
    assert found.exit_code == 1


def test_a_fact_that_is_not_answered_makes_its_host_unknown(site: Site) -> None:
    found = site.check("nothing_differs", "does_not_answer_on_rk2")
    assert "did not answer" in host_in(found, "@fake/rk2").unknown
    assert host_in(found, "@fake/rk2").parts == ("ssh",)
    assert host_in(found, "@fake/rk1").state == "in sync"


def test_a_refused_host_has_drifted_and_its_other_parts_are_checked(site: Site) -> None:
    found = site.check("refused_on_rk1", "noticed_on_rk1", "nothing_differs")
    host = host_in(found, "@fake/rk1")
    assert host.state == "drifted"
    assert host.refused
    assert host.unknown == ""
    assert host.parts == ("swarm", "ssh")
    assert {one.kind for one in host.differences} == {"refusal", "notice"}
    assert found.exit_code == 2


def test_a_change_without_a_reason_is_not_overlooked(site: Site) -> None:
    found = site.check("changes_without_a_word")
    [difference] = found.differences
    assert difference.identity == ("@fake/rk1", "swarm", "changes_without_a_word")


def test_a_change_without_a_reason_is_not_hidden_by_one_of_another_part(site: Site) -> None:
    found = site.check("differs_on_rk2", "the_same_on_rk2_by_another_part", "silent_on_rk2")
    assert [one.identity for one in found.differences] == [
        ("@fake/rk2", "docker", "daemon.json"),
        ("@fake/rk2", "silent", "silent_on_rk2"),
    ]


def test_while_another_run_is_at_work_nothing_is_measured(site: Site) -> None:
    found = site.check("nothing_differs", "meets_another_run", "noticed_on_rk1")
    assert found.busy == "held by ada from desk since 06:00"
    assert found.hosts == ()
    assert found.exit_code == 1


def test_a_mistake_of_ours_is_unknown_and_not_in_sync(site: Site) -> None:
    found = site.check("nothing_differs", "breaks")
    assert {host.state for host in found.hosts} == {"unknown"}
    assert "a mistake of ours" in found.hosts[0].unknown


def test_a_deploy_that_cannot_be_read_is_a_problem_with_its_words(site: Site) -> None:
    ran = run(site.request(deploy="raise NameError('no such thing')\n", limit=("@fake/*",)))
    found = report(ran, HOSTS[:2], at=AT)
    assert found.exit_code == 1
    assert "no such thing" in found.problem


def test_a_check_that_takes_too_long_is_ended(site: Site) -> None:
    begun = time.monotonic()
    ran = run(site.request("nothing_differs", deploy="time.sleep(60)\n", timeout=3.0))
    assert time.monotonic() - begun < 15
    assert ran.status is None


def test_pyinfra_gets_the_users_environment_but_not_the_checks_own(tmp_path: Path) -> None:
    given = {"PATH": "/bin", "DRIFT_NOTIFY": "ntfy://secret", "SWARM_SETTINGS": "cluster.toml"}
    made = environment(given, tmp_path / "reasons", "yes")
    assert "DRIFT_NOTIFY" not in made
    assert made["PATH"] == "/bin"
    assert made["SWARM_SETTINGS"] == str(Path("cluster.toml").absolute())
    assert made["SWARM_REASONS"] == str(tmp_path / "reasons")


LOOKED = {"host": "rk1", "part": "p", "phase": "plan", "kind": "looked", "what": "looks"}


def _read(tmp_path: Path, text: str, *, cut_off: bool = False) -> tuple[list[object], str]:
    path = tmp_path / "reasons"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    records, unreadable = records_in(path, cut_off=cut_off)
    return list(records), unreadable


def test_half_a_line_of_a_run_that_was_killed_is_left_out(tmp_path: Path) -> None:
    """That it was killed is a verdict of its own."""
    text = json.dumps(LOOKED) + '\n{"kind": "chan'
    assert _read(tmp_path, text, cut_off=True) == ([LOOKED], "")
    assert records_in(tmp_path / "none", cut_off=False) == ((), "")


@pytest.mark.parametrize(
    "line", ['{"kind": "chan', "", "3", "[]", "null", '{"kind": "change"}', "{\udcff}", "x" * 9]
)
def test_a_record_that_cannot_be_read_is_not_passed_over(line: str, tmp_path: Path) -> None:
    good = json.dumps(LOOKED)
    for text in (f"{good}\n{line}\n{good}\n", f"{line}\n{good}\n", f"{good}\n{line}\n"):
        for cut_off in (False, True):
            _, unreadable = _read(tmp_path, text, cut_off=cut_off)
            assert "cannot be read" in unreadable
    if line:  # a run that came to its end has ended its lines
        assert "number 2" in _read(tmp_path, f"{good}\n{line}")[1]


@given(text=hostile.texts())
def test_a_difference_is_found_again_whatever_its_words_hold(text: str) -> None:
    """Written as operations write it, read as a check reads it: nothing of it gets lost."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "reasons"
        with patch.dict(os.environ, SWARM_REASONS=str(path)):
            records.record({**LOOKED, "kind": "notice", **Notice(text, text).record()})
            records.record({**LOOKED, "changes": True})
        read, unreadable = records_in(path, cut_off=False)
    assert not unreadable
    assert [record["kind"] for record in read] == ["notice", "looked"]
    assert read[0]["reason"] == plain(text)
    hostile.assert_plain(list(read))


@given(text=hostile.texts())
@hostile.each_of("\u2028", "\x85", "\n", "\ud800")
def test_a_record_is_one_line_of_ascii_whatever_is_in_it(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "reasons"
        with patch.dict(os.environ, SWARM_REASONS=str(path)):
            records.record({**LOOKED, "kind": "measure", "what": text, "value": {text: [text, 1]}})
        written = path.read_bytes()
    assert written.isascii()
    assert len(written.split(b"\n")) == 2


@pytest.mark.parametrize("letter", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c"])
def test_only_a_line_feed_ends_a_record(letter: str, tmp_path: Path) -> None:
    """Other ends of lines that Python knows may stand in a text."""
    record = json.dumps({**LOOKED, "what": "evil@rk1"}, ensure_ascii=False)
    path = tmp_path / "reasons"
    path.write_text(record.replace("@", letter if letter > "\x20" else f"\\u{ord(letter):04x}"))
    records, unreadable = records_in(path, cut_off=False)
    assert not unreadable
    assert [record["what"] for record in records] == [plain(f"evil{letter}rk1")]


@pytest.mark.parametrize("words", ["evil\u2028", "a\x85b", "\u2029", "\ud800", "\n", '{"kind":'])
def test_a_check_tells_what_a_host_calls_itself(words: str, site: Site) -> None:
    found = site.check("tells_what_a_host_says", words=words)
    assert found.exit_code == 2
    assert [one.what for one in found.hosts[0].differences] == [plain(f"node {words}")]


def test_with_an_unreadable_record_nothing_is_in_sync(site: Site) -> None:
    ran = run(site.request("nothing_differs", limit=("@fake/*",)))
    told = Run(ran.status, ran.operations, ran.records, unreadable="1 of 2 records …")
    known = report(ran, HOSTS[:2], at=AT)
    found = report(told, HOSTS[:2], at=AT)
    assert {host.state for host in known.hosts} == {"in sync"}
    assert {host.state for host in found.hosts} == {"unknown"}
    assert found.exit_code == 1
    assert found.problem == "1 of 2 records …"
    assert not any(host.parts for host in found.hosts)  # or what is remembered would be fixed
    assert notify.event(found) == "fail"


def test_what_pyinfra_prints_without_a_plan_is_no_plan() -> None:
    assert Run(1, None, ()).operations is None


# The command
# -----------


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(BOARDS)
    return path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pyinfra_swarm.drift", *arguments]


def clean(**extra: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SWARM_", "DRIFT_"))
    }
    return {**kept, **extra}


def drift(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return forked.run(command(*arguments), cwd=ROOT, env=clean(**environment), starts_others=True)


def test_an_unreachable_board_is_told_and_ends_with_1(boards: Path, tmp_path: Path) -> None:
    ran = drift("--json", "--since", str(tmp_path / "state.json"), SWARM_SETTINGS=str(boards))
    assert ran.returncode == 1, ran.stderr
    [host] = json.loads(ran.stdout)["hosts"]
    assert host["state"] == "unknown"
    assert "Could not connect" in host["unknown"]
    assert "Could not connect" not in ran.stderr  # said once
    remembered = json.loads((tmp_path / "state.json").read_text())
    assert remembered["lost"] == {"rk1": ["deploys/site.py"]}


@pytest.mark.parametrize(
    ("file", "variables", "message"),
    [
        ("", {}, "log in once by hand, or run the deploy"),
        ("", {"swarm_ssh__strict_host_keys": "accept-new"}, "No host key for"),
        ("", {"SWARM_SSH": '{"strict_host_keys": "accept-new"}'}, "No host key for"),
        ('[ssh]\nstrict_host_keys = "no"\n', {}, "No authentication methods available"),
    ],
    ids=["by default", "lower case", "as a table", "no"],
)
def test_a_check_never_takes_a_host_key_for_good(
    boards: Path, tmp_path: Path, file: str, variables: dict[str, str], message: str
) -> None:
    known = tmp_path / ".ssh/known_hosts"
    known.parent.mkdir()
    known.touch()
    with socket.create_server(("127.0.0.1", 0)) as board:
        threading.Thread(target=greet, args=(board,), daemon=True).start()
        port = board.getsockname()[1]
        boards.write_text(BOARDS.replace("ssh_port = 1", f"ssh_port = {port}") + file)
        ran = drift("--json", SWARM_SETTINGS=str(boards), HOME=str(tmp_path), **variables)
    assert ran.returncode == 1
    [host] = json.loads(ran.stdout)["hosts"]
    assert host["state"] == "unknown"
    assert message in host["unknown"]
    assert known.read_text() == ""


def greet(board: socket.socket) -> None:
    """Show a host key, and let nobody in."""
    key = paramiko.ECDSAKey.generate()
    with suppress(OSError):
        while True:
            transport = paramiko.Transport(board.accept()[0])
            transport.add_server_key(key)
            transport.start_server(threading.Event(), paramiko.ServerInterface())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--limit", "rk7"],
            "--limit rk7: no declared host and no group has that name; did you mean",
        ),
        (["--deploy", "deploys/shh.py"], "there is no such file\n    instead: deploys/ssh.py"),
        (["--deploy", "sit"], "there is no such file\n    instead: deploys/site.py"),
        (["--deploy", "reset"], "is a job ("),
        (["--deploy", "inventory.py"], "is not a deploy\n    instead: one of deploys/access.py, "),
        (
            ["shedule", "install"],
            "instead: pyinfra-swarm drift, with --limit HOST; pyinfra-swarm schedule install",
        ),
        (
            ["schedule"],
            "are required: install|remove|show\n    instead: pyinfra-swarm schedule",
        ),
        (["schedule", "instal"], "invalid choice: 'instal'"),
        (["--limit", "workers"], "--limit workers: there are none; the hosts are rk1"),
        (["--html", "/tmp"], "/tmp: is a folder"),
        (["--since", "/no/such/x.json"], "there is no folder /no to make such in\n    instead: "),
        (["--since", "/proc/nowhere/state"], "/proc/nowhere/state: cannot be used"),
        (["--lab"], "The lab was asked for, but the settings in force are cluster.toml"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_message(
    boards: Path, arguments: list[str], message: str
) -> None:
    ran = drift(*arguments, SWARM_SETTINGS=str(boards))
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("given", ["deploys/ssh.py", "./deploys/ssh.py", f"{ROOT}/deploys/ssh.py"])
def test_a_deploy_has_one_name_wherever_it_was_named_from(given: str) -> None:
    assert deploy(given) == "deploys/ssh.py"


def test_settings_that_cannot_be_used_are_told_before_any_host_is_asked(boards: Path) -> None:
    boards.write_text(BOARDS.replace("manager", "boss"))
    ran = drift(SWARM_SETTINGS=str(boards))
    assert ran.returncode == 1
    assert "drift: The settings cannot be used: 1 problem" in ran.stderr
    assert "Connecting" not in ran.stderr


@pytest.mark.parametrize("seconds", ["0", "-5", "soon", "nan", "1e9"])
def test_a_time_limit_is_a_number_of_seconds(boards: Path, seconds: str) -> None:
    ran = drift("--timeout", seconds, SWARM_SETTINGS=str(boards))
    assert ran.returncode == 1
    assert "not a number of seconds from 1 to 86400" in ran.stderr


def test_the_memory_of_another_cluster_is_left_alone(boards: Path, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    other = (
        '{"version": 1, "cluster": "office", "differences": [], "states": {}, "lost": [],'
        ' "unsent": [], "hours": {}}'
    )
    state.write_text(other)
    ran = drift("--since", str(state), SWARM_SETTINGS=str(boards))
    assert ran.returncode == 1
    assert "holds the history of cluster “office”, and this is “home”" in ran.stderr
    assert state.read_text() == other


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_check_that_is_ended_ends_pyinfra_too(boards: Path, number: int) -> None:
    # The board's SSH port accepts connections and never says a word.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        boards.write_text(BOARDS.replace("ssh_port = 1", f"ssh_port = {port}"))
        process = subprocess.Popen(
            command(),
            cwd=ROOT,
            env=clean(SWARM_SETTINGS=str(boards)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        silent.settimeout(30)
        connection, _ = silent.accept()  # pyinfra is at work
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
        connection.settimeout(5)
        while connection.recv(100):  # its own greeting, then the end of the connection
            pass
        connection.close()
    assert process.returncode == 128 + number
    assert output == ""
    assert "the check was interrupted, so it has no result" in errors
    assert "Traceback" not in errors
