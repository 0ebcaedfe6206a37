"""Sessions at a terminal, recorded: what a person reads from the first line to the last.

The real pyinfra on pretended hosts. ``tests/recordings/README.md`` says how they are renewed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.drift.report import Host, report
from pyinfra_swarm.drift.terminal import render
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked
from tests.tools.answers import encoded
from tests.tools.terminal import Terminal
from tests.unit.drift.drift_examples import AT, found, looked, run_of

RECORDINGS = ROOT / "tests/recordings/pretended"

SUBJECT = '''
"""Parts of a job, as a host's word wants them."""
from dataclasses import dataclass

import gevent

from pyinfra_swarm.docker.daemon import RestartDaemon
from pyinfra_swarm.run.converge import (
    call, converges, observe, progress, report, script
)
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.findings import Change, Notice, Refusal, Whole
from pyinfra_swarm.run.observation import Observation


@dataclass(frozen=True)
class Word(Observation):
    words: tuple[str, ...]


class Said(SubjectFact[Word]):
    def script(self):
        return "say the word"

    def parse(self, said):
        return Word(tuple(said["word"][0].split()))


KEYS = Change("sshd PasswordAuthentication", "passwords can be guessed", "no", "yes")
OVERRULED = Refusal(
    "sshd PasswordAuthentication",
    "another setting wins over the managed one: /etc/ssh/sshd_config.d/00-cloud.conf, line 1",
    "no", "yes", "Remove that line",
)
PORT = Whole("8080/tcp from 203.0.113.10", "is to be opened")
PIECES = [
    Change("SWARM-INPUT (IPv4)", "lacks a rule", "-s 203.0.113.10/32 -j ACCEPT", within=PORT),
    Change("SWARM-PUBLISHED (IPv4)", "lacks a rule", "-s 203.0.113.10/32 -j RETURN", within=PORT),
    Change("/etc/pyinfra-swarm/firewall.ipv4", "is not as declared", within=PORT),
]
DAEMON = RestartDaemon("the running Docker daemon", "works with another configuration")
STRANGER = Notice("node rk9", "is in the swarm, but not declared", remedy="Declare it")


@converges("preflight")
def checked():
    report("preflight", [])
    yield from ()


@converges("ssh")
def hardened():
    words = observe(Said).words
    findings = [KEYS] * ("keys" in words) + [OVERRULED] * ("overruled" in words)
    if report("ssh", findings):
        yield script("harden sshd")


@converges("docker")
def daemon():
    if report("docker", [DAEMON] * ("restart" in observe(Said).words)):
        progress("restarting Docker")
        yield script("restart docker")
        if "slow" in observe(Said).words:
            yield call(wait)


def wait(state, host):
    progress("waiting for the node to be back")
    gevent.sleep(60)
    return True


@converges("firewall")
def applied():
    if report("firewall", PIECES * ("port" in observe(Said).words)):
        progress("firewall: a new login has to work before the change is kept")
        yield script("load the rules")


@converges("swarm")
def joined():
    if report("swarm", [STRANGER] * ("stranger" in observe(Said).words)):
        yield script("never")
'''

INVENTORY = """
from pyinfra_swarm.run import screen as _screen
from pyinfra_swarm.run import start as _start

_screen.HOLD = 1  # also on a machine on which one host comes long after another
hosts = {hosts!r}
managers = {managers!r}
_start.install()
"""

DEPLOY = """
import subject

subject.checked(name="Preflight | every host can be part of the swarm")
subject.hardened(name="SSH | keys only, judged by the effective configuration")
subject.daemon(name="Docker | the daemon as declared, one host at a time", _serial={serial})
subject.applied(name="Firewall | default deny, the web ports for declared sources")
subject.joined(name="Swarm | all hosts in it")
"""

FOUR = ("node1", "node2", "node3", "node4")
FORTY = tuple(f"node{number}" for number in range(1, 41))

Sessions = Callable[..., Terminal]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Sessions]:
    started: list[Terminal] = []

    def begin(
        words: dict[str, str],
        *arguments: str,
        failing: tuple[str, ...] = (),
        alone: bool = False,
        serial: bool = True,
    ) -> Terminal:
        entries = []
        for name, word in words.items():
            answers: dict[str, object] = {"say the word": encoded(["", "#> word", word])}
            if name in failing:
                answers["load the rules"] = {
                    "success": False,
                    "stderr": "iptables-restore: line 9 failed",
                }
            data = {"fake_responses": answers, "fake_delay": 0.01, "fake_delay_jitter": 0}
            entries.append((f"@fake/{name}", data))
        managers = [name for name, _ in entries[:3]]
        (tmp_path / "subject.py").write_text(SUBJECT)
        (tmp_path / "deploy.py").write_text(DEPLOY.format(serial=serial))
        (tmp_path / "inventory.py").write_text(INVENTORY.format(hosts=entries, managers=managers))
        python = sys_executable() if alone else forked.python()
        argv = [python, "-P", "-m", "pyinfra", *arguments, "inventory.py", "deploy.py"]
        env = {
            **os.environ,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
            "PYINFRA_PROGRESS": "off",
            "XDG_STATE_HOME": str(tmp_path / "state"),
        }
        env.pop("SWARM_REASONS", None)
        started.append(Terminal(argv, cwd=tmp_path, env=env))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()


def sys_executable() -> str:
    import sys

    return sys.executable


def steady(text: str) -> str:
    """What was shown, without what differs from time to time."""
    text = re.sub(r"\x1b\[[0-9;]*[mK]", "", text).replace("\r\n", "\n").replace("\r", "")
    text = text.replace("@fake/", "")
    text = re.sub(r"\b\d+:\d\d\b", "0:00", text)
    return "\n".join(line.rstrip() for line in text.strip("\n").split("\n")) + "\n"


def same_as_recorded(name: str, shown: str) -> None:
    path = RECORDINGS / f"{name}.txt"
    if os.environ.get("RENEW_RECORDINGS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown)
    assert shown == path.read_text(), f"renew it as tests/recordings/README.md says: {path}"


def test_a_first_run(session: Sessions) -> None:
    terminal = session(dict.fromkeys(FOUR, "keys restart port") | {"node2": "keys stranger port"})
    terminal.wait_for("Do it?")
    terminal.type("\n")
    assert terminal.finish() == 0
    same_as_recorded("first-run", steady(terminal.shown))


@pytest.mark.parametrize("yes", ["y", "YES"])
def test_y_and_yes_mean_what_they_say(session: Sessions, yes: str) -> None:
    terminal = session(dict.fromkeys(FOUR, "keys"))
    terminal.wait_for("Do it?")
    terminal.type(f"{yes}\n")
    assert terminal.finish() == 0
    assert "All 4 hosts are done after" in terminal.words


@pytest.mark.parametrize("no", ["n\n", "\x04"], ids=["n", "^D"])
def test_anything_else_is_a_no(session: Sessions, no: str) -> None:
    terminal = session(dict.fromkeys(FOUR, "keys"))
    terminal.wait_for("Do it?")
    terminal.type(no)
    assert terminal.finish() == 0
    assert "1 to change, on 4 of 4 hosts; nothing was changed yet." in terminal.words
    assert "harden" not in terminal.words


def test_a_rerun_asks_nothing(session: Sessions) -> None:
    terminal = session(dict.fromkeys(FOUR, "fine"))
    assert terminal.finish() == 0
    same_as_recorded("rerun", steady(terminal.shown))


@pytest.mark.parametrize("arguments", [("-y",), ("--dry",)], ids=["-y", "--dry"])
def test_a_run_without_changes_on_forty_hosts_is_short(
    session: Sessions, arguments: tuple[str, ...]
) -> None:
    terminal = session(dict.fromkeys(FORTY, "fine"), *arguments)
    assert terminal.finish() == 0
    shown = steady(terminal.shown)
    assert len(shown.splitlines()) <= 25
    if arguments == ("--dry",):
        same_as_recorded("forty-hosts", shown)


def test_a_refusal(session: Sessions) -> None:
    words = dict.fromkeys(FOUR, "port") | {"node2": "overruled port"}
    terminal = session(words)
    terminal.wait_for("Do it on @fake/node1")
    terminal.type("y\n")
    assert terminal.finish() == 1
    same_as_recorded("refusal", steady(terminal.shown))


def test_a_refusal_of_the_whole_cluster_is_told_once(session: Sessions) -> None:
    terminal = session(dict.fromkeys(FOUR, "overruled"))
    assert terminal.finish() == 1
    shown = steady(terminal.shown)
    same_as_recorded("refusal-everywhere", shown)
    assert shown.count("another setting wins") == 1
    assert ".py line" not in shown  # where pyinfra has raised that no host is left


def test_a_failure(session: Sessions) -> None:
    terminal = session(dict.fromkeys(FOUR, "port"), failing=("node3",))
    terminal.wait_for("Do it?")
    terminal.type("\n")
    terminal.wait_for("node3 failed, and nothing more is done there.")
    terminal.type("\n")
    assert terminal.finish() == 1
    same_as_recorded("failure", steady(terminal.shown))


def test_ctrl_c_in_the_middle_of_a_change(session: Sessions) -> None:
    words = dict.fromkeys(FOUR, "restart slow")
    terminal = session(words, "-y", alone=True, serial=False)
    terminal.wait_for("node4] waiting for the node to be back")
    terminal.interrupt()
    terminal.wait_for("Ending: what hosts are in the middle of may take", timeout=3)
    terminal.interrupt()
    assert terminal.finish(20) == 130
    same_as_recorded("ctrl-c", steady(terminal.shown).replace("^C", ""))


def test_verbose_shows_every_piece(session: Sessions) -> None:
    terminal = session(dict.fromkeys(FOUR, "port"), "--dry", "-v")
    assert terminal.finish() == 0
    assert "SWARM-PUBLISHED (IPv4): lacks a rule" in terminal.words
    assert "8080/tcp from 203.0.113.10: is to be opened" in terminal.words


def test_a_drift_check() -> None:
    records = [record for name in FOUR for record in looked(name)]
    for name in FOUR:
        for what in ("SWARM-INPUT (IPv4)", "SWARM-PUBLISHED (IPv4)"):
            piece = found(name, "firewall", what, reason="lacks a rule")
            records.append(piece | {"within": "8080/tcp from 203.0.113.10: is to be opened"})
    records.append(found("node2", "ssh", "sshd PasswordAuthentication", found="yes", expected="no"))
    records.append(found("node4", "swarm", "availability", "notice", remedy="docker node update …"))
    hosts = [Host(name, "manager" if name != "node4" else "worker") for name in FOUR]
    deploys = ("deploys/firewall.py", "deploys/site.py", "deploys/ssh.py")
    made = report(
        run_of(records), hosts, at=AT, cluster="home", deploy="deploys/site.py", deploys=deploys
    )
    same_as_recorded("drift", render(made))
    assert len(render(made, pieces=True).splitlines()) > len(render(made).splitlines())
