"""The report that a user sends along: complete, and without who or where."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyinfra_swarm.firewall.state import Host as Firewall
from pyinfra_swarm.firewall.state import Tables
from pyinfra_swarm.host.system import Address, Disk, Route
from pyinfra_swarm.proof.machine_report import Machine, Tools, machine_report
from pyinfra_swarm.proof.verdict import Pair, Proof
from pyinfra_swarm.run.findings import Notice
from tests.unit.preflight.hosts import KERNEL, SOUND

PRIVATE = "kestrel"
"""In everything that would say who or where."""

TOOLS = Tools("0.1.0", "3.10", "3.11.9")
FIREWALL = Firewall(
    tables={
        "ipv4": Tables(backend="nft", mixed=True, chains={f"SWARM-{PRIVATE}": (PRIVATE,)}),
        "ipv6": Tables(installed=False),
    },
    bridges=(f"br-{PRIVATE}",),
    login_from=f"192.0.2.1{PRIVATE}",
    others=(PRIVATE,),
)
HOST = replace(
    SOUND,
    hostname=PRIVATE,
    machine_id=PRIVATE,
    disks=(Disk(f"/{PRIVATE}", 1, 1, PRIVATE),),
    addresses=(Address(PRIVATE, f"{PRIVATE}/24"),),
    routes=(Route(f"{PRIVATE}/24", PRIVATE),),
    firewalls=(PRIVATE,),
    managed_files={f"/{PRIVATE}": PRIVATE},
    packages={"docker-ce": "5:28.5.2", "containerd.io": "1.7"},
    kernel=replace(KERNEL, errors=(PRIVATE,)),
)


def pair(network: str, sender: str, receiver: str, **differing: Any) -> Pair:
    whole = Pair(network, sender, receiver, "yes", "1424", "ESP 2 out, 2 in", "dropped")
    return replace(whole, **differing)


def report(proof: Proof, **machines: Machine) -> dict[str, Any]:
    made = machine_report("2026-11-27", TOOLS, machines, proof, {"proof": 3.14159})
    shown: dict[str, Any] = json.loads(json.dumps(made))
    return shown


ONE, TWO = f"{PRIVATE}1", f"{PRIVATE}2"
WRONG = Notice(f"{PRIVATE} to {PRIVATE}", PRIVATE, remedy=PRIVATE)
PROOF = Proof(
    pairs=(
        pair("ingress", ONE, TWO),
        pair(f"{PRIVATE}_net", TWO, ONE, problem=WRONG, small="none of 30"),
        pair(f"{PRIVATE}_other", ONE, f"{PRIVATE}9"),
        pair(f"{PRIVATE}_net", ONE, TWO),
    ),
    unproven={f"{PRIVATE}3": PRIVATE},
    silent={f"{PRIVATE}4": PRIVATE},
    watched=(ONE,),
    remarks={ONE: (WRONG,)},
    names=5,
    unresolved={ONE: (WRONG,)},
)
MACHINES = {ONE: Machine("manager", HOST, FIREWALL), TWO: Machine("worker", None, None)}


def test_nothing_in_it_says_who_or_where() -> None:
    text = json.dumps(report(PROOF, **MACHINES))
    assert PRIVATE not in text
    assert "192." not in text


def test_hosts_and_networks_are_numbers_that_stay_the_same_throughout() -> None:
    made = report(PROOF, **MACHINES)
    assert [(host["host"], host["role"]) for host in made["hosts"]] == [
        (1, "manager"),
        (2, "worker"),
    ]
    pairs = made["proof"]["pairs"]
    assert [(one["network"], one["from"], one["to"]) for one in pairs] == [
        ("ingress", 1, 2),
        ("overlay 1", 2, 1),
        ("overlay 2", 1, None),
        ("overlay 1", 1, 2),
    ]
    assert [one["proven"] for one in pairs] == [True, False, True, True]
    assert pairs[1]["small"] == "none of 30"


def test_it_says_on_which_machine_what_was_proven() -> None:
    first, second = report(PROOF, **MACHINES)["hosts"]
    assert first["distribution"] == "debian"
    assert first["kernel"] == KERNEL.release
    assert first["modules"]["esp4"] == "loadable"
    assert first["packages"]["docker-ce"] == "5:28.5.2"
    assert first["iptables"] == {"ipv4": {"back end": "nft", "both back ends": True}}
    assert second == {"host": 2, "role": "worker", "answered": False, "iptables": {}}


def test_the_proof_is_summed_up_with_what_was_not_tried() -> None:
    made = report(PROOF, **MACHINES)
    summed = {key: value for key, value in made["proof"].items() if key != "pairs"}
    assert summed == {
        "proven": False,
        "not tried": 1,
        "did not answer": 1,
        "watched by tcpdump": 1,
        "names asked for": 5,
        "names not found": 1,
    }
    assert made["seconds"] == {"proof": 3.1}
    assert made["format"] == 1


def test_every_key_is_described_for_users() -> None:
    made = report(PROOF, **MACHINES)
    text = Path("docs/prove.md").read_text(encoding="utf-8")
    described = text[text.index("## A report to send along") : text.index("## How it works")]
    keys = {*made, *made["hosts"][0], *made["proof"], *made["seconds"]}
    assert [key for key in sorted(keys) if key not in described] == []
