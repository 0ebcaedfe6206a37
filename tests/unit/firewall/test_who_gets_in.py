"""The table of who gets in, and what a mode means in it."""

from __future__ import annotations

import pytest

from tests.models.firewall.who_gets_in import DOORS, MODES, PAGE, Try, tries, with_table

PUBLISHED = DOORS["80, 443"]
WEB = (*PUBLISHED, *DOORS["the host's own 80, 443"])
OUTSIDE = {"Cloudflare", "203.0.113.0/24", "anybody else"}


def let_in(mode: str) -> list[Try]:
    return [one for one in tries(mode) if one.let_in]


def test_the_page_shows_it() -> None:
    text = PAGE.read_text()
    assert with_table(text) == text, "python -m tests.models.firewall.who_gets_in"


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.startswith(("tunnel", "none"))])
def test_nobody_from_the_internet_gets_in_beside_a_tunnel_but_by_ssh(mode: str) -> None:
    assert {one.door.port for one in let_in(mode) if one.source in OUTSIDE} <= {22}


@pytest.mark.parametrize("mode", MODES)
def test_a_door_is_open_in_both_families_or_in_none(mode: str) -> None:
    by_family: dict[tuple[str, object], set[bool]] = {}
    for one in tries(mode):
        if one.source != "the cluster's hosts":
            by_family.setdefault((one.source, one.door), set()).add(one.let_in)
    assert all(len(said) == 1 for said in by_family.values())


def test_with_ports_cloudflare_gets_in_to_the_web_and_nobody_else_does() -> None:
    there = {(one.source, one.door) for one in let_in("ports") if one.door in WEB}
    assert there == {("the cluster's hosts", door) for door in PUBLISHED} | {
        ("Cloudflare", door) for door in WEB
    }
