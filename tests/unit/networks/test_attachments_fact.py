"""A node's own ends of overlay networks, in the engine's and the kernel's own answers.

``overlay-ends-28.5.2.txt`` was printed by a node with a service's task in a network of its own,
``fixtures/facts`` and ``fixtures/facts-worker`` by nodes of the lab.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyinfra_swarm.networks.attachments import Attachment
from pyinfra_swarm.networks.facts import Attachments
from tests.tools.answers import encoded

FIXTURES = Path(__file__).parents[1] / "fixtures"
TEXT = (FIXTURES / "overlay-ends-28.5.2.txt").read_text()

INGRESS = Attachment(
    network="ingress",
    ingress=True,
    encrypted=True,
    vni=4097,
    sandbox="ingress_sbox",
    address="10.201.0.2",
    mac="02:42:0a:c9:00:02",
    mtu=1424,
)


def read(text: str) -> tuple[Attachment, ...]:
    return Attachments().process(encoded(text))


def test_a_node_has_an_end_of_the_ingress_and_of_every_network_that_something_here_uses() -> None:
    app = Attachment(
        "app", False, True, 4098, "lb_ff9kc35ht", "10.200.0.4", "02:42:0a:c8:00:04", 1424
    )
    assert read(TEXT) == (INGRESS, app)


@pytest.mark.parametrize("folder", ["facts", "facts-worker"])
def test_managers_and_workers_say_it_alike(folder: str) -> None:
    ends = read((FIXTURES / folder / "facts.networks.Attachments.txt").read_text())
    assert [(end.network, end.ingress, end.encrypted, end.mtu) for end in ends] == [
        ("ingress", True, True, 1424),
        ("notes", False, True, 1424),
    ]


def test_a_network_without_the_option_is_not_encrypted() -> None:
    assert not read(TEXT.replace(',"encrypted":""', ""))[0].encrypted


@pytest.mark.parametrize("state", ["absent", "stopped", "unreachable: curl is not installed"])
def test_without_a_running_engine_there_are_none(state: str) -> None:
    assert read(f"#> state\n{state}\n") == ()


def test_an_end_that_is_coming_or_going_is_left_out() -> None:
    assert read(TEXT.replace('"ingress-sbox"', '"other"'))[0].network == "app"
    assert read(TEXT.replace("link/ether 02:42:0a:c9:00:02", "link/none"))[0].network == "app"
    gone = '{"message":"network ff9kc35ht not found"}'
    lines = [gone if '"Name":"app"' in line else line for line in TEXT.splitlines()]
    assert read("\n".join(lines)) == (INGRESS,)


def test_it_is_plain_data_for_whoever_asks_by_hand() -> None:
    assert json.dumps(INGRESS.to_json())
