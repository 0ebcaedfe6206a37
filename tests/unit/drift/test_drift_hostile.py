"""What a host calls itself reaches a terminal, a page, a mail, a metric: as a text, never more.

The walks find what shows a report by its types, so a new place is tried as well.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import smtplib
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, example, given, settings
from markdown import markdown  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families
from requests.adapters import HTTPAdapter

from pyinfra_swarm import drift
from pyinfra_swarm.drift import metrics, notify, page
from pyinfra_swarm.drift.history import History, News, from_json, learn, load, remember, to_json
from pyinfra_swarm.drift.report import Difference, HostReport, Report
from tests.tools import hostile
from tests.unit.drift.drift_examples import all_looked, busy, found, measure, reported, run_of


def saying(text: str) -> Report:
    """A report of hosts that say a text wherever they can say anything."""
    texts = {"reason": text, "expected": text, "found": text, "remedy": f"do `it` {text}"}
    node = {"role": text, "state": text, "availability": text, "engine": text, "declared": False}
    records = [
        *all_looked(),
        found("rk1", "ssh", f"change {text}", **texts),
        found("rk2", "swarm", f"node {text}", "notice", **texts),
        found("rk3", "swarm", text, "refusal", **texts),
        measure("nodes", {text: node, "rk1": {**node, "declared": True}}),
        measure("networks", {text: False}),
        measure("exposure", text),
        measure(text, 7, host="rk1"),
    ]
    return reported(run_of(records))


def all_of(text: str) -> dict[str, Report]:
    return {
        "differences": saying(text),
        "unknown": replace(
            saying(text), hosts=(HostReport("rk1", unknown=text), HostReport("rk2", role=text))
        ),
        "busy": replace(busy(), busy=text),
        "stuck": replace(busy(seconds=9000), busy=text),
        "problem": replace(saying(text), problem=text),
    }


def modules() -> Iterator[Any]:
    for module in pkgutil.iter_modules(drift.__path__):
        if module.name != "__main__":
            yield importlib.import_module(f"pyinfra_swarm.drift.{module.name}")


def shows() -> list[Callable[..., Any]]:
    """Every function of the check that is given a report or a difference and makes a text of it."""
    made: list[Callable[..., Any]] = []
    for module in modules():
        for name, one in vars(module).items():
            if not inspect.isfunction(one) or one.__module__ != module.__name__:
                continue
            if name.startswith("_"):
                continue
            hints = typing.get_type_hints(one)
            takes = [hint for key, hint in hints.items() if key != "return"]
            if takes and takes[0] in (Report, Difference) and hints.get("return") is not type(None):
                made.append(one)
    return made


def test_the_walk_finds_what_shows_a_report() -> None:
    names = {f"{one.__module__}.{one.__name__}" for one in shows()}
    assert names >= {
        "pyinfra_swarm.drift.terminal.render",
        "pyinfra_swarm.drift.terminal.verdict",
        "pyinfra_swarm.drift.page.render",
        "pyinfra_swarm.drift.metrics.render",
        "pyinfra_swarm.drift.notify.message",
        "pyinfra_swarm.drift.report.as_json",
        "pyinfra_swarm.drift.svg.picture",
    }


def shown(one: Callable[..., Any], report: Report) -> Any:
    """What a function makes of a report; whatever else it wants to have is news, or a history."""
    history, learnt, news = learn(History(), report)
    other = {History: history, News: news, str: "2026-11-24T06:12:30Z"}
    hints = {key: hint for key, hint in typing.get_type_hints(one).items() if key != "return"}
    (first, kind), *rest = hints.items()
    made = []
    for value in [learnt] if kind is Report else learnt.differences:
        more = {key: other[hint] for key, hint in rest if hint in other}
        made.append(one(**{first: value}, **more))
    return [list(value) if isinstance(value, Iterator) else value for value in made]


def texts_in(value: Any) -> Iterator[str]:
    """All texts in a value, of whatever type."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from texts_in(key)
            yield from texts_in(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from texts_in(one)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from texts_in(getattr(value, name))


@pytest.mark.parametrize("one", shows(), ids=lambda one: f"{one.__module__}.{one.__name__}")
@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(text=hostile.texts())
@example("\x1b]0;owned\x07\x1b[2J")
@example("\u202e\u2028\x85")
@example("\ud800")
@example("A" * 100_000)
def test_nothing_raw_is_shown(one: Callable[..., Any], text: str) -> None:
    for report in all_of(text).values():
        for said in texts_in(shown(one, report)):
            for line in said.split("\n"):
                hostile.assert_plain(line)
                assert len(line) < 30_000


@given(hostile.texts())
def test_what_is_remembered_is_read_again_and_plain(text: str) -> None:
    """A history of before may hold anything; it is made plain where it is read."""
    history, _, _ = learn(History(), saying(text))
    data = json.loads(json.dumps(to_json(history)))
    assert from_json(data) == history
    for one in data["differences"]:
        one["found"] = one["reason"] = text
    for difference in from_json(data).differences:
        hostile.assert_plain([difference.found, difference.reason])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(text=hostile.texts())
def test_it_can_be_written(text: str, tmp_path: Path) -> None:
    history, report, _ = learn(History(), saying(text))
    remember(tmp_path / "state.json", history)
    assert load(tmp_path / "state.json") == history
    (tmp_path / "page.html").write_text(page.render(report, history), encoding="utf-8")
    (tmp_path / "m.prom").write_text(metrics.render(report), encoding="utf-8")


# The page
# --------


class Tags(HTMLParser):
    """The tags of a page, and their attributes' names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "code":  # what stands between backticks
            self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


@settings(max_examples=20)
@given(hostile.words())
@hostile.each_of("<", "`")
def test_a_page_has_the_tags_that_it_has_for_harmless_words(text: str) -> None:
    for name, report in all_of(text).items():
        history, learnt, _ = learn(History(), report)
        page_of = Tags(page.render(learnt, history))
        history, learnt, _ = learn(History(), all_of("word")[name])
        assert page_of.tags == Tags(page.render(learnt, history)).tags
        assert not {a for a in page_of.attributes if a.startswith("on") or a in ("href", "src")}


# Metrics
# -------


@settings(max_examples=40)
@given(hostile.texts())
@hostile.each_of('"', "\n", "\\")
def test_metrics_are_read_as_so_many_and_no_more(text: str) -> None:
    families = list(text_string_to_metric_families(metrics.render(saying(text))))
    harmless = list(text_string_to_metric_families(metrics.render(saying("word"))))
    assert [one.name for one in families] == [one.name for one in harmless]
    assert sum(len(one.samples) for one in families) == sum(len(one.samples) for one in harmless)


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e308, float("inf"), float("nan"), True])
def test_a_number_that_is_none_is_left_out(number: float) -> None:
    records = [
        measure("certificate expires", number, host="rk1"),
        measure("range list fetched", number, host="rk1"),
        measure("height", number, host="rk1"),
    ]
    report = reported(run_of([*all_looked(), *records]))
    assert "swarm_certificate_days_left" not in metrics.render(report)
    assert 'what="height"' not in metrics.render(report)
    assert "not known" in page.render(report, History())


# Notifications, as the real channels send them
# ---------------------------------------------

TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"
CHANNELS = {
    "mail": "mailto://user:pass@example.com?to=a@example.com&smtp=127.0.0.1",
    "mail as HTML": "mailto://user:pass@example.com?to=a@example.com&smtp=127.0.0.1&format=html",
    "Telegram": "tgram://123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi/12345/",
    "Telegram as Markdown": (
        "tgram://123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi/12345/?format=markdown"
    ),
    "Slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#chan",
    "Slack as Markdown": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#c?format=markdown",
    "Discord": f"discord://123456789012345678/{TOKEN}",
    "Discord as Markdown": f"discord://123456789012345678/{TOKEN}?format=markdown",
    "ntfy": "ntfy://127.0.0.1/topic",
    "ntfy as Markdown": "ntfy://127.0.0.1/topic?format=markdown",
    "Mattermost": "mmost://127.0.0.1/3ccdd113474722377935511fc85d3dd4",
    "Webex": f"wxteams://{'a' * 80}",
    "Google Chat": "gchat://workspace/key/token",
}


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the channels hand to the network."""
    told: list[str] = []

    def send(self: object, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        body = request.body or b""
        told.append(body.decode() if isinstance(body, bytes) else body)
        answer = requests.Response()
        answer.status_code, answer.request = 200, request
        answer._content = b'{"ok": true, "result": {"message_id": 1}, "id": "1"}'
        return answer

    class Mail:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def sendmail(self, sender: str, to: Any, text: str, *_: Any, **__: Any) -> dict[str, Any]:
            told.append(text)
            return {}

        def __getattr__(self, name: str) -> Callable[..., Any]:
            return lambda *_, **__: (250, b"")

    monkeypatch.setattr(HTTPAdapter, "send", send)
    monkeypatch.setattr(smtplib, "SMTP", Mail)
    monkeypatch.setattr(smtplib, "SMTP_SSL", Mail)
    return told


HOSTILE = [text for text in hostile.KNOWN if hostile.CANARY in text or "[" in text or "@" in text]


def message_saying(text: str) -> notify.Message:
    _, report, news = learn(History(), saying(text))
    return notify.message(report, news)


@pytest.mark.parametrize("name", CHANNELS)
def test_no_channel_makes_anything_but_text_of_a_hosts_words(name: str, sent: list[str]) -> None:
    said: list[str] = []
    for text in HOSTILE:
        what = message_saying(text)
        sent.clear()
        notify.send(notify.Channels((CHANNELS[name],)), what, said.append)
        assert "is not a URL that apprise knows" not in "".join(said)
        assert sent
        for payload in map(_decoded, sent):
            assert "<a " not in payload
            assert "<script" not in payload
            assert "<img" not in payload
            assert "<!channel" not in payload
            assert not re.search(r"(?<!\\)\]\(", payload), payload
            assert not re.search(r"(?<![\w.\\])@everyone", payload)


def _decoded(payload: str) -> str:
    """Without the transport's own encoding, which is undone before anybody looks."""
    if payload.startswith("{"):
        return "\n".join(texts_in(json.loads(payload)))
    from email import message_from_string

    mail = message_from_string(payload)
    parts = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    return "\n".join(part.decode() for part in parts if isinstance(part, bytes))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_message_makes_no_link_and_no_tag_where_it_is_taken_for_markdown(text: str) -> None:
    """Some services do, whatever format they are told."""
    rendered = markdown(str(message_saying(text)))
    assert not re.search(r"<(a|img|script|b)\b", rendered), rendered


def test_a_channel_for_html_gets_a_hosts_words_escaped(sent: list[str]) -> None:
    """Told of no format, apprise sends a text as it is, and these take it for HTML."""
    what = notify.Message("home", "a & b")
    assert notify.send(notify.Channels((CHANNELS["Telegram"],)), what, print)
    assert json.loads(sent[-1])["parse_mode"] == "HTML"
    assert "a &amp; b" in json.loads(sent[-1])["text"]


@settings(max_examples=40)
@given(hostile.texts())
def test_a_message_that_waited_is_what_it_was(text: str) -> None:
    """It is kept as text, and read from it."""
    what = message_saying(text)
    assert notify.Message.parse(str(what)) == what
    hostile.assert_plain(str(what).split("\n"))
