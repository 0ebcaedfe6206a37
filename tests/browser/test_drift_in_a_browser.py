"""The drift report as a person meets it: in a real browser, light and dark, wide and narrow."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from pyinfra_swarm.drift import page as report_page
from pyinfra_swarm.drift.history import History, learn
from pyinfra_swarm.drift.report import Host, Report
from tests.unit.drift.drift_examples import AT, failed, found, looked, measure, reported, run_of

FOUR = (
    Host("rk1", "manager", "192.168.1.11"),
    Host("rk2", "manager", "192.168.1.12"),
    Host("rk3", "manager", "192.168.1.13"),
    Host("rk4", "worker", "192.168.1.14"),
)


def nodes() -> dict[str, dict[str, object]]:
    common = {"state": "ready", "availability": "active", "engine": "28.5.2", "declared": True}
    made: dict[str, dict[str, object]] = {
        host.name: {
            **common,
            "role": host.role,
            "leader": host.name == "rk2",
            "reachability": "reachable" if host.role == "manager" else "",
        }
        for host in FOUR
    }
    made["rk3"]["availability"] = "drain"
    made["rk4"]["state"] = "down"
    made["oldie"] = {**made["rk4"], "engine": "26.1.5", "declared": False, "state": "ready"}
    return made


def cluster(hosts: tuple[Host, ...], *records: dict[str, object], status: int = 0) -> Report:
    measures = [
        measure("nodes", nodes()),
        measure("managers", {"managers": 3, "reachable": 3, "needed": 2, "margin": 1}),
        measure("networks", {"ingress": True, "web": True}),
        measure("certificate expires", AT.timestamp() + 61 * 86_400, host="rk1"),
    ]
    found = [record for host in hosts for record in looked(host.name)]
    run = run_of([*found, *measures, *records], status=status)
    return reported(run, hosts=FOUR, source="cluster.toml (/home/ada/pyinfra-swarm)")


IN_SYNC = cluster(FOUR)
DRIFTED = cluster(
    FOUR[:3],
    found("rk2", "ssh", "sshd PasswordAuthentication", expected="no", found="yes"),
    found("rk2", "docker", "package docker-ce", expected="held"),
    found("rk3", "swarm", "availability", "notice", remedy="Put it back: `docker node update`"),
    found("rk1", "docker", "kernel module esp4", "refusal", found="install esp4 /bin/true " * 8),
    failed("rk4", "Could not connect (timed out)"),
    status=1,
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "a browser is needed: apt-get install chromium"
    with sync_playwright() as playwright:
        # Chromium refuses to sandbox for root; all that it opens is our own file.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def after_two_weeks(last: Report) -> str:
    """The page of a report, after two weeks with a quiet and a bad time."""
    history, report = History(), last
    for hours in range(13 * 24, -1, -1):
        then = last if hours < 40 or 200 < hours < 216 else IN_SYNC
        history, report, _ = learn(history, replace(then, at=AT - timedelta(hours=hours)))
    return report_page.render(report, history)


NOBODY = reported(run_of([], status=1, operations=None, log="--> No deploy file: x.py"), hosts=FOUR)
PAGES = {
    "drifted": after_two_weeks(DRIFTED),
    "in sync": after_two_weeks(IN_SYNC),
    "at once": report_page.render(IN_SYNC, History()),
    "problem": after_two_weeks(NOBODY),
}
"""What a page can look like; there is none of a run in progress."""

Look = tuple[Literal["light", "dark"], int]
LOOKS: list[Look] = [("light", 1200), ("dark", 1200), ("light", 390), ("dark", 390)]
Opened = tuple[Page, list[str]]


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def look(request: pytest.FixtureRequest) -> Look:
    """Colour scheme, and the window's width."""
    chosen: Look = request.param
    return chosen


@pytest.fixture(params=PAGES)
def any_page(
    request: pytest.FixtureRequest, browser: Browser, look: Look, tmp_path: Path
) -> Iterator[Opened]:
    """Each page, and whatever went wrong on it."""
    yield from open_page(browser, look, tmp_path, request.param)


@pytest.fixture
def page(browser: Browser, look: Look, tmp_path: Path) -> Iterator[Opened]:
    """The page with most on it, and whatever went wrong on it."""
    yield from open_page(browser, look, tmp_path, "drifted")


def open_page(browser: Browser, look: Look, folder: Path, which: str) -> Iterator[Opened]:
    """A page, opened without a network."""
    file = folder / "drift.html"
    file.write_text(PAGES[which], encoding="utf-8")
    scheme, width = look
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True
    )
    page, trouble = context.new_page(), []

    def said(message: ConsoleMessage) -> None:
        trouble.append(message.text)

    def asked(sent: Request) -> None:
        if sent.url != file.as_uri():
            trouble.append(f"asks for {sent.url}")

    page.on("console", said)
    page.on("request", asked)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.goto(file.as_uri())
    yield page, trouble
    context.close()


def test_everybody_can_read_it(any_page: Opened) -> None:
    result = Axe().run(any_page[0])
    assert len(result.response["passes"]) > 20
    assert result.violations_count == 0, result.generate_report()


def test_it_needs_nothing_but_itself(any_page: Opened) -> None:
    assert any_page[1] == []


def test_nothing_sticks_out_of_the_window(any_page: Opened) -> None:
    opened = any_page[0]
    assert opened.viewport_size
    width = opened.evaluate("document.documentElement.scrollWidth")
    assert width <= opened.viewport_size["width"]


def test_the_picture_shows_every_node_and_no_text_leaves_its_card(page: Opened) -> None:
    cards = page[0].locator("svg.cluster g.node")
    names = [title.split(":")[0] for title in cards.locator("title").all_text_contents()]
    assert names == ["rk1", "rk2", "rk3", "rk4", "oldie"]
    leaving = page[0].evaluate(
        """() => [...document.querySelectorAll("g.node")].flatMap(node => {
          const card = node.querySelector("rect.body").getBoundingClientRect();
          return [...node.querySelectorAll("text")].filter(text => {
            const box = text.getBoundingClientRect();
            return box.right > card.right || box.left < card.left || box.bottom > card.bottom;
          }).map(text => text.textContent);
        })"""
    )
    assert leaving == []


def test_it_is_painted_as_the_reader_has_it(page: Opened, tmp_path: Path) -> None:
    opened = page[0]
    dark = opened.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    paper = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in paper[4:-1].split(",")) / 3
    assert brightness < 60 if dark else brightness > 200
    shot = opened.screenshot(full_page=True, path=tmp_path / "page.png")
    assert len(shot) > 20_000  # an empty page of this size is a tenth of that


def test_the_history_shows_the_bad_times(page: Opened) -> None:
    label = page[0].locator(".strip svg").nth(1).get_attribute("aria-label")
    assert label is not None
    assert label.startswith("rk2: in sync in ")
    assert "drifted in 55 h" in label
