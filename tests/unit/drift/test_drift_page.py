"""The report as a picture and a page, without a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.drift import page
from pyinfra_swarm.drift.cli import _write, parser
from pyinfra_swarm.drift.history import DAYS, History, hour, learn
from pyinfra_swarm.drift.report import Host, Report
from pyinfra_swarm.drift.run import Operation
from pyinfra_swarm.drift.svg import CARD_HEIGHT, CARD_WIDTH, picture
from tests.unit.drift.drift_examples import (
    AT,
    HOSTS,
    all_looked,
    busy,
    failed,
    found,
    looked,
    measure,
    reported,
    run_of,
)


def node(role: str = "manager", **more: object) -> dict[str, object]:
    return {
        "role": role,
        "leader": False,
        "state": "ready",
        "availability": "active",
        "reachability": "reachable" if role == "manager" else "",
        "engine": "28.5.2",
        "declared": True,
        **more,
    }


def cluster(**nodes: dict[str, object]) -> Report:
    known = {"rk1": node(), "rk2": node(leader=True), "rk3": node("worker"), **nodes}
    return reported(run_of([*all_looked(), measure("nodes", known)]))


def words(report: Report, name: str) -> str:
    return next(" / ".join(card.words) for card in picture(report).cards if card.name == name)


def test_each_node_says_its_engine_and_condition() -> None:
    report = cluster(rk3=node("worker", availability="drain"))
    assert words(report, "rk1") == "Docker 28.5.2 / ready"
    assert words(report, "rk2") == "leader, Docker 28.5.2 / ready"
    assert words(report, "rk3") == "Docker 28.5.2 / availability drain"
    assert [card.name for card in picture(report).cards if card.leader] == ["rk2"]


def test_who_gets_in_is_only_said_to_be_so_where_every_host_keeps_to_it() -> None:
    said = measure("exposure", "80, 443 from Cloudflare only", part="firewall")
    firewall: list[dict[str, object]] = [
        {"host": host.name, "part": "firewall", "kind": "looked", "what": "Firewall"}
        for host in HOSTS
    ]

    def words(*records: dict[str, object]) -> str:
        run = run_of([*all_looked(), said, *records])
        plan = (*(run.operations or ()), Operation("Firewall"))
        return picture(reported(replace(run, operations=plan))).exposure

    assert words(*firewall) == "80, 443 from Cloudflare only"
    assert words(*firewall, found("rk2", "firewall", "INPUT")).startswith("declared: 80, 443")
    assert words(*firewall[1:]).startswith("declared: 80, 443")


def test_a_role_that_is_not_the_declared_one_is_written_on_the_node() -> None:
    assert "is a manager" in words(cluster(rk3=node()), "rk3")


def test_a_node_that_nobody_declared_is_in_the_picture() -> None:
    report = cluster(oldie=node("worker", declared=False))
    [card] = [card for card in picture(report).cards if card.name == "oldie"]
    assert card.style == "stranger"
    assert picture(report).lanes[-1].title == "In the swarm, but not declared"


def test_encryption_is_said_only_where_it_is_known() -> None:
    def said(networks: dict[str, bool]) -> tuple[bool | None, str]:
        made = picture(reported(run_of([*all_looked(), measure("networks", networks)])))
        return made.encrypted, made.network

    assert said({}) == (None, "encryption not known")
    assert said({"ingress": True, "web": True}) == (True, "2 overlay networks, encrypted")
    assert said({"ingress": True, "web": False}) == (False, "in clear text: web")


def test_the_quorum_is_told_with_what_may_still_fail() -> None:
    def said(reachable: int, margin: int) -> str:
        value = {"managers": 3, "reachable": reachable, "needed": 2, "margin": margin}
        return picture(reported(run_of([*all_looked(), measure("managers", value)]))).quorum

    assert said(3, 1) == "3 of 3 managers reachable, 1 more may fail"
    assert said(2, 0) == "2 of 3 managers reachable, none may fail"
    assert said(1, -1) == "1 of 3 managers reachable, the quorum is lost"


@given(st.integers(1, 40), st.integers(0, 60))
def test_no_card_lies_on_another_or_outside(managers: int, workers: int) -> None:
    hosts = [Host(f"m{n}", "manager") for n in range(managers)]
    hosts += [Host(f"w{n}", "worker") for n in range(workers)]
    made = picture(reported(run_of([]), hosts=hosts))
    places = {(card.x, card.y) for card in made.cards}
    assert len(places) == managers + workers
    for x, y in places:
        assert 0 <= x <= made.width - CARD_WIDTH
        assert 0 <= y <= made.height - CARD_HEIGHT
        for other_x, other_y in places - {(x, y)}:
            assert abs(x - other_x) >= CARD_WIDTH or abs(y - other_y) >= CARD_HEIGHT


# The page
# --------

EVERYTHING = reported(
    run_of(
        [
            *looked("rk1"),
            *looked("rk2"),
            found("rk1", "ssh", "sshd", found="<b>yes</b>", expected="no"),
            found("rk2", "swarm", "label", "notice", remedy="type `docker node ls`"),
            failed("rk3", "Could not connect <timed out>"),
            measure("certificate expires", AT.timestamp() + 30 * 86_400, host="rk1"),
        ],
        status=1,
    ),
    source="cluster.toml (/home/ada)",
)


def test_what_hosts_say_is_text_and_never_markup() -> None:
    text = page.render(EVERYTHING, History())
    assert "<b>yes</b>" not in text
    assert "&lt;b&gt;yes&lt;/b&gt;" in text
    assert "Could not connect &lt;timed out&gt;" in text


def test_the_page_loads_nothing_and_runs_nothing() -> None:
    text = page.render(EVERYTHING, History())
    assert "<script" not in text
    assert not re.search(r"""(?:src|href)\s*=|url\((?!#)|@import|https?://""", text)
    assert "default-src 'none'" in text


def test_the_page_holds_every_difference_with_the_way_to_mend_it() -> None:
    text = page.render(EVERYTHING, History())
    assert "fixed by deploys/ssh.py" in text
    assert "type <code>docker node ls</code>" in text
    assert "pyinfra --limit rk1 inventory.py deploys/ssh.py" in text
    assert "30 days left" in text


def test_the_picture_is_well_formed_and_described_in_words() -> None:
    text = page.render(EVERYTHING, History())
    [drawn] = re.findall(r'<svg class="cluster".*?</svg>', text, re.DOTALL)
    ElementTree.fromstring(drawn)
    assert "rk3, unknown" in drawn


def test_a_check_that_measured_nothing_says_so() -> None:
    text = page.render(busy(), History())
    assert "a run is in progress, nothing was measured: held by ada" in text
    assert "<svg" not in text


def test_the_page_lists_the_published_ports_and_who_reaches_them() -> None:
    ports = [
        {
            **{"port": 8080, "protocol": "tcp", "service": "blog", "mesh": True},
            **{"who": "nobody", "hosts": ["rk2"], "lacking": ["rk1", "rk3"]},
        },
        {
            **{"port": 443, "protocol": "tcp", "service": "web", "mesh": True},
            **{"who": "Cloudflare", "hosts": ["rk1", "rk2", "rk3"], "lacking": []},
        },
        {
            **{"port": 9000, "protocol": "udp", "service": "", "mesh": False},
            **{"who": "anybody", "hosts": ["rk1"], "lacking": []},
        },
        "nonsense",
    ]
    report = reported(run_of([*all_looked(), measure("published", ports, part="firewall")]))
    assert [(one.number, one.by, one.who, one.where) for one in page.published(report)] == [
        ("8080/tcp", "blog", "nobody", "everywhere but on rk1, rk3"),
        ("443/tcp", "web", "Cloudflare", "on every node"),
        ("9000/udp", "a container", "anybody", "rk1"),
    ]
    text = page.render(report, History())
    assert "<td>blog</td>" in text
    assert "Published ports" in text
    assert "Published ports" not in page.render(EVERYTHING, History())


@pytest.mark.parametrize(
    ("hosts", "lacking", "nodes", "limit", "where"),
    [
        ("rk1 rk2 rk3", "", "", (), "on every node"),
        ("rk1", "", "", (), "rk1; of rk2, rk3 it is not known"),
        ("rk1 rk2", "", "", (), "rk1, rk2; of rk3 it is not known"),
        ("rk1", "rk2", "", (), "rk1; not on rk2; of rk3 it is not known"),
        ("rk1", "rk2 rk3", "", (), "everywhere but on rk2, rk3"),
        ("", "rk2", "", (), "not on rk2; of rk1, rk3 it is not known"),
        ("", "", "", (), "of rk1–rk3 it is not known"),
        ("rk1 rk2", "", "rk1 rk2", (), "on every node"),
        ("rk1 rk2 rk3", "", "rk1 rk2 rk3 old", (), "rk1–rk3; of old it is not known"),
        ("rk1", "", "rk1 rk2 rk3", ("rk1",), "rk1; of rk2, rk3 it is not known"),
        ("rk1", "", "", ("rk1",), "rk1; of the others it is not known"),
        ("rk1", "rk2", "", ("rk[12]",), "rk1; not on rk2; of the others it is not known"),
        ("rk1 rk2 rk3", "", "rk1 rk2 rk3", ("rk*",), "on every node"),
    ],
)
def test_of_a_node_that_was_not_asked_the_page_does_not_say_that_a_port_answers(
    hosts: str, lacking: str, nodes: str, limit: tuple[str, ...], where: str
) -> None:
    port = {
        **{"port": 443, "protocol": "tcp", "service": "web", "mesh": True, "who": "anybody"},
        **{"hosts": hosts.split(), "lacking": lacking.split()},
    }
    records = [*all_looked(), measure("published", [port], part="firewall")]
    if nodes:
        records.append(measure("nodes", {name: {} for name in nodes.split()}))
    [one] = page.published(reported(run_of(records), limit=limit))
    assert one.where == where


def test_the_page_is_written_while_a_run_is_in_progress(tmp_path: Path) -> None:
    """One that went on showing yesterday would look as if all were well."""
    path = tmp_path / "drift.html"
    path.write_text("every host is as declared")
    _write(parser().parse_args(["--html", str(path)]), busy(), History())
    assert "a run is in progress" in path.read_text()
    assert "as declared" not in path.read_text()


def test_while_a_run_is_in_progress_the_page_shows_what_was_known_and_says_so() -> None:
    history, _, _ = learn(History(), EVERYTHING)
    history, report, _ = learn(history, busy(seconds=3 * 3600))
    text = page.render(report, history)
    assert "not checked for 3 h: every check has met a run in progress: held by ada" in text
    assert "end it where it was started" in text
    assert "What differed when last looked" in text
    assert EVERYTHING.differences[0].what in text
    assert "The last 14 days" in text
    assert "every host is as declared" not in text
    assert 'class="verdict unknown"' in text


# History
# -------


def test_the_last_days_are_shown_only_where_they_are_remembered() -> None:
    text = page.render(EVERYTHING, History())
    assert "The last 14 days" not in text
    assert "no check" not in text
    assert "Table of hosts" in text
    assert "The last 14 days" in page.render(EVERYTHING, learn(History(), EVERYTHING)[0])


states = st.sampled_from(["in sync", "drifted", "unknown"])


@given(st.dictionaries(st.integers(0, DAYS * 24 - 1), states))
def test_a_strip_is_the_history_and_nothing_else(known: dict[int, str]) -> None:
    hours = {hour(AT - timedelta(hours=DAYS * 24 - 1 - at)): state for at, state in known.items()}
    report = reported(run_of([]), hosts=HOSTS[:1])
    [strip] = page.strips(History(hours={"rk1": hours}), report)  # type: ignore[dict-item]
    drawn = {span.start + n: span.state for span in strip.spans for n in range(span.length)}
    assert drawn == known
    ends = [span.start + span.length for span in strip.spans]
    for end, after in zip(ends, strip.spans[1:], strict=False):
        assert after.start >= end


def test_a_host_that_was_never_checked_has_an_empty_strip() -> None:
    [strip, *_] = page.strips(History(), reported(run_of([])))
    assert strip.spans == ()
    assert strip.summary == "never checked"


def test_each_day_is_named_where_it_begins() -> None:
    named = page.days(AT)
    assert len(named) == DAYS
    first = AT - timedelta(hours=DAYS * 24 - 1)
    for start, name in named:
        at = first + timedelta(hours=start)
        assert at.hour == 0
        assert name == f"{at:%-d %b}"
