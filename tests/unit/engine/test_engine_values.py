"""What an engine says is judged where it comes in: by its shape, or by the list that it is from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.engine import values as judged
from pyinfra_swarm.networks.facts import Attachments
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.nodes.membership import Membership
from tests.tools import hostile
from tests.tools.answers import encoded

FIXTURES = Path(__file__).parents[1] / "fixtures"
MANAGER = (FIXTURES / "swarm-state-manager-28.5.2.txt").read_text().splitlines()
ENDS = (FIXTURES / "overlay-ends-28.5.2.txt").read_text().splitlines()

SHAPES: dict[Callable[[object], str], list[str]] = {
    judged.swarm_id: ["1toy4axua3o43paa4benpl4bd", "0" * 25],
    judged.network_id: ["7oefzdivor0l63sibfa4ombby", "a0" * 32],
    judged.sandbox: ["ingress_sbox", "lb_ff9kc35ht"],
    judged.host_name: ["rk1", "node_1.home-lan.example", "A" * 64, ""],
    judged.mac: ["02:42:0a:c9:00:02"],
    judged.address: ["192.168.1.11", "fd00::1", ""],
    judged.endpoint: ["192.168.1.11:2377", "[fd00::1]:2377", "manager-1.example.org:2377"],
}
SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:[]-")


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_what_engines_say_is_taken_as_it_is(shape: Callable[[object], str]) -> None:
    for text in SHAPES[shape]:
        assert shape(text) == text


@given(
    st.sampled_from([*SHAPES]), hostile.texts() | st.none() | st.integers() | st.lists(st.text())
)
def test_what_none_of_them_says_is_not_taken(shape: Callable[[object], str], said: object) -> None:
    taken, why = "", ""
    try:
        taken = shape(said)
    except ValueError as refused:
        why = str(refused)
    assert why.isascii()
    assert why.isprintable() or not why
    assert len(why) < 300
    assert set(taken) <= SAFE
    assert not taken.startswith("-")


@given(hostile.texts())
def test_words_of_others_are_taken_or_left_out(said: str) -> None:
    for taken in (judged.others_name(said), judged.others_version(said)):
        assert taken in (said, "")
        assert taken == "" or taken.isascii()


def test_the_zone_of_an_address_is_left_out() -> None:
    assert judged.address("fe80::1%eth0") == "fe80::1"
    assert judged.endpoint("[fe80::1%$(reboot)]:2377") == "[fe80::1]:2377"


@pytest.mark.parametrize(
    "text", ["", "10.0.0.1", "10.0.0.1:", "10.0.0.1:99999", "10.0.0.1:２", ":1", "10.0.0:1", "-x:1"]
)
def test_an_endpoint_is_both(text: str) -> None:
    with pytest.raises(ValueError, match="not an address"):
        judged.endpoint(text)


# In what the facts read
# ----------------------


def changed(change: Callable[[Any, Any, Any], object]) -> list[str]:
    """A manager's answers with something else in them."""
    lines = list(MANAGER)
    at = [n for n, line in enumerate(lines) if line.startswith(("{", "["))][:3]
    documents = [json.loads(lines[n]) for n in at]
    change(*documents)
    for n, document in zip(at, documents, strict=True):
        lines[n] = json.dumps(document)
    return lines


EVIL = "x;touch owned;#"

LIES: dict[str, Callable[[Any, Any, Any], object]] = {
    "its node": lambda info, nodes, nets: info["Swarm"].update(NodeID=EVIL),
    "its address": lambda info, nodes, nets: info["Swarm"].update(NodeAddr=EVIL),
    "its name": lambda info, nodes, nets: info.update(Name=EVIL),
    "its state": lambda info, nodes, nets: info["Swarm"].update(LocalNodeState="fine"),
    "its swarm": lambda info, nodes, nets: info["Swarm"]["Cluster"].update(ID=EVIL),
    "a manager's node": lambda info, nodes, nets: info["Swarm"]["RemoteManagers"][0].update(
        NodeID=EVIL
    ),
    "a manager's address": lambda info, nodes, nets: info["Swarm"]["RemoteManagers"][0].update(
        Addr=f"{EVIL}:2377"
    ),
    "a node's id": lambda info, nodes, nets: nodes[1].update(ID=EVIL),
    "a node's role": lambda info, nodes, nets: nodes[1]["Spec"].update(Role=EVIL),
    "a node's availability": lambda info, nodes, nets: nodes[1]["Spec"].update(Availability=EVIL),
    "a node's state": lambda info, nodes, nets: nodes[1]["Status"].update(State=EVIL),
    "a node's address": lambda info, nodes, nets: nodes[3]["Status"].update(Addr=EVIL),
    "a manager's reachability": lambda info, nodes, nets: nodes[0]["ManagerStatus"].update(
        Reachability=EVIL
    ),
    "a network's id": lambda info, nodes, nets: nets[0].update(Id=EVIL),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_host_that_says_what_no_engine_does_has_said_nothing(lie: str) -> None:
    with pytest.raises(FactProcessError, match="ValueError"):
        State().process(encoded(changed(LIES[lie])))


@given(hostile.texts(), hostile.texts())
def test_what_another_calls_itself_does_not_silence_the_manager(name: str, version: str) -> None:
    """Every node chooses its own name, and the managers repeat it."""

    def change(info: Any, nodes: Any, nets: Any) -> None:
        nodes[3]["Description"]["Hostname"] = name
        nodes[3]["Description"]["Engine"]["EngineVersion"] = version

    told: Membership = State().process(encoded(changed(change)))
    assert told.controls
    by_id = {node.id: node for node in told.nodes or ()}
    assert len(by_id) == 4
    names = {node.hostname for node in by_id.values()}
    assert names - {"node1", "node2", "node3"} == {judged.others_name(name)}


@pytest.mark.parametrize(
    ("what", "instead"),
    [("lb_ff9kc35ht", "lb_../../../x"), ("10.200.0.4/24", f"{EVIL}/24")],
)
def test_an_end_of_a_network_that_no_engine_makes_is_none(what: str, instead: str) -> None:
    text = "\n".join(ENDS)
    assert what in text
    with pytest.raises(FactProcessError, match="ValueError"):
        Attachments().process(encoded(text.replace(what, instead)))
