"""Telling people, against a real server on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.drift.history import History, News, learn
from pyinfra_swarm.drift.notify import (
    PING_RETRIES,
    Channels,
    Message,
    channels,
    event,
    message,
    ping,
    send,
)
from pyinfra_swarm.drift.report import Report
from pyinfra_swarm.drift.target import Unusable
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked
from tests.unit.drift.drift_examples import (
    AT,
    BOARDS,
    all_looked,
    busy,
    failed,
    found,
    looked,
    reported,
    run_of,
)

SECRET = "tk-very-secret"


class Server:
    """Takes whatever is sent, and answers with ``first``, one by one, and then with ``status``."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str]] = []
        self.first: list[int] = []
        self.status = 200
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                server.got.append((self.command, self.path, body))
                self.send_response(server.first.pop(0) if server.first else server.status)
                self.send_header("Retry-After", "3600")
                self.end_headers()
                self.wfile.write(b"{}")

            do_POST = do_PUT = do_GET  # noqa: N815 (the names are http.server's)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.http.server_port}"

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.got]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def said() -> list[str]:
    return []


MESSAGE = Message("home: 1 new difference", "New:\n- rk2: sshd")


@pytest.mark.parametrize("scheme", ["json", "ntfy", "mmost", "gotify", "form"])
def test_every_kind_of_channel_takes_the_message(
    server: Server, said: list[str], scheme: str
) -> None:
    path = {"mmost": "/3ccdd113474722377935511fc85d3dd4", "gotify": "/abcdefghijklmno"}
    url = f"{scheme}://{server.address}{path.get(scheme, '/topic')}"
    send(Channels((url,)), MESSAGE, said.append)
    assert said == []
    [(method, _, body)] = server.got
    assert method == "POST"
    assert "rk2" in body
    assert "sshd" in body


def test_a_channel_that_fails_does_not_keep_the_others_from_being_told(
    server: Server, said: list[str]
) -> None:
    urls = (
        f"json://user:{SECRET}@127.0.0.1:1/{SECRET}",
        f"nonsense://{SECRET}",
        f"json://{server.address}/last",
    )
    send(Channels(urls), MESSAGE, said.append)
    assert server.paths == ["/last"]
    assert said == [
        "channel 1 (JSON) did not take the notification",
        "channel 2 is not a URL that apprise knows; see docs/drift.md",
    ]


def test_a_channel_that_is_none_is_said_where_messages_are_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    where = Channels((f"nonsense://{SECRET}",))
    assert not send(where, MESSAGE, lambda text: print(text, file=sys.stderr))
    assert (
        capsys.readouterr().err == "channel 1 is not a URL that apprise knows; see docs/drift.md\n"
    )


def test_a_channel_that_refuses_is_said_without_its_secret(
    server: Server, said: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    server.status = 403
    send(Channels((f"json://{server.address}/{SECRET}",)), MESSAGE, said.append)
    assert said == ["channel 1 (JSON) did not take the notification"]
    assert SECRET not in "".join(capfd.readouterr())


def test_channels_do_not_show_themselves() -> None:
    where = Channels((f"ntfy://{SECRET}",), f"https://hc-ping.com/{SECRET}")
    assert SECRET not in f"{where} {where!r}"


# Where to
# --------


def test_channels_come_from_the_environment_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text("# the phone\nntfy://one\n\nmailto://two\n")
    assert channels({"DRIFT_NOTIFY": "ntfy://one  mailto://two"}).urls == (
        "ntfy://one",
        "mailto://two",
    )
    assert channels({"DRIFT_NOTIFY_FILE": str(file)}).urls == ("ntfy://one", "mailto://two")
    assert channels({}) == Channels()


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"DRIFT_NOTIFY": SECRET, "DRIFT_NOTIFY_FILE": "/x"}, "both set"),
        ({"DRIFT_NOTIFY_FILE": "/nowhere/at/all"}, "cannot be read: No such file"),
        ({"DRIFT_PING": f"hc-ping.com/{SECRET}"}, "is not an http:// or https:// URL"),
        ({"DRIFT_PING": f"https://[{SECRET}"}, "is not an http:// or https:// URL"),
        ({"DRIFT_PING": f"https:///{SECRET}"}, "is not an http:// or https:// URL"),
        ({"DRIFT_PING": f"https://a/{SECRET} https://b"}, "more than one URL"),
        ({"DRIFT_PING": f"https://hc-ping.com/{SECRET}#home"}, "has a fragment"),
    ],
)
def test_what_cannot_be_a_channel_is_said_without_showing_it(
    environment: dict[str, str], complaint: str
) -> None:
    with pytest.raises(Unusable) as error:
        channels(environment)
    assert complaint in str(error.value)
    assert SECRET not in str(error.value)


# What is said
# ------------

IN_SYNC = reported(run_of(all_looked()))
DRIFTED = reported(
    run_of(
        [
            *all_looked(),
            found("rk2", "ssh", "sshd PasswordAuthentication", found="yes", expected="no"),
            found("rk3", "swarm", "availability", "notice", remedy="docker node update …"),
        ]
    )
)
SILENT = reported(run_of([*looked("rk1"), *looked("rk3"), failed("rk2", "timed out")], status=1))


def news(*reports: Report) -> Message:
    history, said, report = History(), News(), reports[0]
    for report in reports:
        history, report, said = learn(history, report)
    return message(report, said)


def test_a_new_difference_is_told_with_the_reason_and_what_to_do() -> None:
    said = news(IN_SYNC, DRIFTED)
    assert said.title == "home: 2 new differences"
    assert said.body.splitlines() == [
        "New:",
        "- rk2, ssh: sshd PasswordAuthentication: is not as declared (yes → no)",
        "  fixed by deploys/ssh.py",
        "- rk3, swarm: availability: is not as declared",
        "  docker node update …",
        "",
        "Now: 1 to change, 1 for you, on 2 of 3 hosts.",
        "To fix what is marked ~:",
        "  pyinfra --limit rk2 inventory.py deploys/ssh.py",
    ]


def test_what_is_the_same_on_several_hosts_is_told_once() -> None:
    alike = [found(name, "ssh", "8080/tcp", remedy="close it") for name in ("rk1", "rk3")]
    drifted = reported(run_of([*all_looked(), *alike]))
    said = news(IN_SYNC, drifted)
    assert said.title == "home: 1 new difference"
    assert "- rk1, rk3, ssh: 8080/tcp: is not as declared" in said.body
    assert said.body.count("8080/tcp") == 1
    again = news(drifted, IN_SYNC)
    assert again.title == "home: 1 fixed"
    assert "- rk1, rk3, ssh: 8080/tcp" in again.body


def test_what_was_mended_is_told() -> None:
    said = news(DRIFTED, IN_SYNC)
    assert said.title == "home: 2 fixed"
    assert "- rk2, ssh: sshd PasswordAuthentication" in said.body
    assert said.body.endswith("Now: 3 hosts in sync.")


def test_a_silent_host_is_told_and_its_return() -> None:
    assert news(IN_SYNC, SILENT).title == "home: cannot check rk2"
    assert "- rk2: timed out" in news(IN_SYNC, SILENT).body
    assert news(IN_SYNC, SILENT, IN_SYNC).title == "home: can check rk2 again"


# The dead man's switch
# ---------------------


def test_the_switch_hears_of_the_end(server: Server, said: list[str]) -> None:
    where = Channels(ping=f"http://{server.address}/{SECRET}/")
    for happening in ("success", "fail"):
        ping(where, happening, said.append)
    assert server.paths == [f"/{SECRET}", f"/{SECRET}/fail"]
    assert said == []


@pytest.mark.parametrize(
    ("given", "success", "fail"),
    [
        ("/key/home?create=1", "/key/home?create=1", "/key/home/fail?create=1"),
        ("/key/home/?create=1", "/key/home?create=1", "/key/home/fail?create=1"),
        ("/key?to=/a/", "/key?to=/a/", "/key/fail?to=/a/"),
        (
            "/api/push/key?status=up&msg=OK&ping=",
            "/api/push/key?status=up&msg=OK&ping=",
            "/api/push/key?status=down&msg=no+result&ping=",
        ),
    ],
)
def test_a_failure_is_none_of_the_urls_that_mean_success(
    given: str, success: str, fail: str, server: Server, said: list[str]
) -> None:
    where = channels({"DRIFT_PING": f"http://{server.address}{given}"})
    for happening in ("success", "fail"):
        ping(where, happening, said.append)
    assert server.paths == [success, fail]
    assert said == []


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, without having been."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def test_a_ping_that_fails_once_arrives(
    server: Server, said: list[str], pauses: list[float]
) -> None:
    server.first = [503, 502]
    ping(Channels(ping=f"http://{server.address}/{SECRET}"), "success", said.append)
    assert server.paths == [f"/{SECRET}"] * 3
    assert said == []
    assert sum(pauses) <= 2


def test_a_switch_that_does_not_answer_is_said_without_its_address(
    server: Server, said: list[str], pauses: list[float]
) -> None:
    ping(Channels(ping=f"http://127.0.0.1:1/{SECRET}"), "success", said.append)
    assert sum(pauses) == 6
    for server.status in (500, 503):
        ping(Channels(ping=f"http://{server.address}/{SECRET}"), "success", said.append)
    assert said == [
        "the dead man's switch could not be notified of “success”: ConnectionError",
        "the dead man's switch answered 500 to “success”",
        "the dead man's switch answered 503 to “success”",
    ]
    assert len(server.paths) == 1 + 1 + PING_RETRIES


def test_a_ping_goes_by_the_proxy_that_the_environment_names(
    server: Server, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://{server.address}")
    ping(Channels(ping=f"http://switch.invalid/{SECRET}"), "success", said.append)
    assert server.paths == [f"http://switch.invalid/{SECRET}"]
    assert said == []


def test_the_switch_hears_of_what_a_check_came_to_and_nothing_of_one_that_measured_nothing(
    server: Server, said: list[str]
) -> None:
    """It alarms when nothing comes; after two hours of that it is told besides."""
    met, stuck = busy(), busy(seconds=3 * 3600)
    assert [event(report) for report in (IN_SYNC, DRIFTED, met, SILENT, stuck)] == [
        *("success", "success", "", "fail", "fail"),
    ]
    ping(Channels(ping=f"http://{server.address}/{SECRET}"), event(met), said.append)
    assert server.paths == said == []


def test_a_run_that_keeps_checks_from_measuring_is_told_and_its_end() -> None:
    stuck = busy(seconds=3 * 3600)
    history, report, found = learn(History(), stuck)
    told = message(report, found)
    assert told.title == "home: not checked for 3 h, a run is in progress"
    assert "held by ada" in told.body
    assert "end it where it was started" in told.body
    _, report, found = learn(history, replace(IN_SYNC, at=AT + timedelta(hours=1)))
    told = message(report, found)
    assert told.title == "home: checked again"
    assert "Nothing was measured since 2026-11-24T03:12:30Z" in told.body


# The command
# -----------


def check(
    folder: Path, *urls: str, ping: str = "", page: str = "page.html"
) -> subprocess.CompletedProcess[str]:
    """A check of a board that cannot be reached."""
    (folder / "cluster.toml").write_text(BOARDS)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SWARM_", "DRIFT_"))}
    return forked.run(
        [
            *(sys.executable, "-m", "pyinfra_swarm.drift", "--json", "--verbose"),
            *("--since", str(folder / "state.json"), "--deploy", "deploys/preflight.py"),
            *("--html", str(folder / page), "--metrics", str(folder / "m.prom")),
        ],
        cwd=ROOT,
        env={
            **clean,
            "SWARM_SETTINGS": str(folder / "cluster.toml"),
            "DRIFT_NOTIFY": " ".join(urls),
            "DRIFT_PING": ping,
        },
        starts_others=True,
    )


def test_a_check_tells_its_channels_once_and_shows_no_secret(
    server: Server, tmp_path: Path
) -> None:
    outputs = ""
    urls = (f"json://{server.address}/{SECRET}", f"json://127.0.0.1:1/{SECRET}")
    for _ in range(2):
        ran = check(tmp_path, *urls, ping=f"http://{server.address}/{SECRET}")
        assert ran.returncode == 1, ran.stderr
        assert json.loads(ran.stdout)["hosts"][0]["state"] == "unknown"
        outputs += ran.stdout + ran.stderr
    assert server.paths == [
        f"/{SECRET}",  # the notification: the state has changed
        f"/{SECRET}/fail",
        f"/{SECRET}/fail",
    ]
    sent = json.loads(server.got[0][2])
    assert sent["title"] == "home: cannot check rk1"
    assert "channel 2 (JSON) did not take the notification" in outputs
    files = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    assert SECRET not in outputs + files


def test_what_nobody_took_is_told_with_the_next_check(server: Server, tmp_path: Path) -> None:
    ran = check(tmp_path, "json://127.0.0.1:1/nobody")
    assert ran.returncode == 1
    assert "channel 1 (JSON) did not take the notification" in ran.stderr
    for _ in range(2):
        check(tmp_path, f"json://{server.address}/topic")
    [(_, _, body)] = server.got
    assert json.loads(body)["title"] == "home: cannot check rk1"


def test_a_page_that_cannot_be_written_costs_neither_the_news_nor_the_report(
    server: Server, tmp_path: Path
) -> None:
    ran = check(tmp_path, f"json://{server.address}/a", page="x" * 250)  # too long with its suffix
    assert ran.returncode == 1
    assert "drift: the report cannot be written: " in ran.stderr
    assert "Traceback" not in ran.stderr
    assert [host["name"] for host in json.loads(ran.stdout)["hosts"]] == ["rk1"]
    assert server.paths == ["/a"]


@pytest.mark.parametrize(
    ("settings", "words", "environment", "complaint"),
    [
        ("hosts = 3\n", [], {}, "hosts"),
        (BOARDS, ["--limit", "nobody"], {}, "nobody"),
        (BOARDS, ["--deploy", "nowhere.py"], {}, "nowhere.py"),
        (BOARDS, ["--html", "/nowhere/at/all.html"], {}, "there is no folder /nowhere/at"),
        (BOARDS, [], {"DRIFT_NOTIFY": f"ntfy://{SECRET}"}, "only a history (--since FILE) tells"),
        (BOARDS, [], {"DRIFT_NOTIFY_FILE": "/nowhere/at/all"}, "cannot be read"),
    ],
)
def test_a_check_that_cannot_begin_has_no_result_and_the_switch_hears_of_it(
    settings: str,
    words: list[str],
    environment: dict[str, str],
    complaint: str,
    server: Server,
    tmp_path: Path,
) -> None:
    (tmp_path / "cluster.toml").write_text(settings)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("SWARM_", "DRIFT_"))}
    ran = forked.run(
        [sys.executable, "-m", "pyinfra_swarm.drift", *words],
        cwd=ROOT,
        env={
            **clean,
            **environment,
            "SWARM_SETTINGS": str(tmp_path / "cluster.toml"),
            "DRIFT_PING": f"http://{server.address}/{SECRET}",
        },
    )
    assert ran.returncode == 1
    assert complaint in ran.stderr
    assert SECRET not in ran.stderr
    assert server.paths == [f"/{SECRET}/fail"]


def test_notifications_without_a_memory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.toml").write_text(BOARDS)
    ran = forked.run(
        [sys.executable, "-m", "pyinfra_swarm.drift"],
        cwd=ROOT,
        env={
            **os.environ,
            "SWARM_SETTINGS": str(tmp_path / "cluster.toml"),
            "DRIFT_NOTIFY": f"ntfy://{SECRET}",
        },
    )
    assert ran.returncode == 1
    assert "only a history (--since FILE) tells" in ran.stderr
    assert SECRET not in ran.stderr
