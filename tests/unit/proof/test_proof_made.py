"""One proof for all hosts of an operation, and another one for the next operation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.networks.attachments import Attachments
from pyinfra_swarm.nodes.membership import Observed
from pyinfra_swarm.proof import operations
from pyinfra_swarm.proof.names import Lookup, query
from pyinfra_swarm.proof.verdict import Pair, Proof
from pyinfra_swarm.run import records, reporting
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.findings import Notice
from tests.builders import SETTINGS
from tests.unit.proof.test_proof_names import knowing, reply
from tests.unit.proof.test_proof_plan import FOUR, declared, end


def test_a_deploy_that_proves_again_after_a_change_gets_another_proof(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Proof] = []
    reported: list[Proof] = []

    def prove(*of_what: Any, focus: Any) -> Proof:
        made.append(Proof(watched=(f"proof {len(made)}",)))
        return made[-1]

    def report(host: Any, proof: Proof, focus: Any) -> bool:
        reported.append(proof)
        return True

    monkeypatch.setattr(operations, "prove", prove)
    monkeypatch.setattr(operations, "_report", report)
    monkeypatch.setattr(records, "measure", lambda *words: None)
    state: Any = SimpleNamespace()
    for operation in ("before the change", "after it"):
        for name in ("rk1", "rk2", "rk3"):
            host: Any = SimpleNamespace(name=name, current_op_hash=operation)
            assert operations._proven(state, host, SETTINGS, ())
    assert len(made) == 2
    assert reported == [made[0]] * 3 + [made[1]] * 3


WEB = {name: Lookup(name, "apps", "lb_apps", "web") for name in ("rk1", "rk2")}
FOUND = f"lb_apps web {reply(query('web'), '10.200.1.5').hex()}"


def with_names(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, list[str]], *, later: Observed | None = None
) -> Proof:
    """What becomes of the names that two hosts have asked for. later: what is seen afterwards."""
    monkeypatch.setattr(operations, "observe_all", lambda fact: FOUR)
    monkeypatch.setattr(operations, "forget_observations", lambda: None)
    in_apps = {"rk1": (end(1, "apps"),), "rk2": (end(2, "apps"),)}
    seen = knowing(rk1={"apps": ("web",)}) if later is None else later
    monkeypatch.setattr(operations, "_look", lambda: (seen, in_apps))
    asked = {name: [lookup] for name, lookup in WEB.items()}
    told = {name: sections(names=lines, end=[]) for name, lines in said.items()}
    return operations._with_names(declared(), Proof(), asked, told)


def sections(**found: list[str]) -> Sections:
    made = Sections()
    made.update(found)
    return made


def test_names_that_are_found_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = with_names(monkeypatch, {"rk1": [FOUND], "rk2": [FOUND]})
    assert (proof.names, proof.unresolved) == (2, {})


def test_a_host_that_has_not_found_a_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = with_names(monkeypatch, {"rk1": [FOUND], "rk2": ["lb_apps web "]})
    assert proof.names == 2
    [(host, [notice])] = proof.unresolved.items()
    assert (host, notice.what) == ("rk2", "service web")


def test_an_address_is_held_against_the_networks_of_the_swarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    abroad = f"lb_apps web {reply(query('web'), '203.0.113.9').hex()}"
    [notice] = with_names(monkeypatch, {"rk1": [abroad]}).unresolved["rk1"]
    assert "leads out of the swarm's networks" in notice.reason


def test_a_service_that_has_gone_meanwhile_is_not_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"rk1": [FOUND], "rk2": ["lb_apps web "]}
    proof = with_names(monkeypatch, said, later=FOUR)
    assert (proof.names, proof.unresolved) == (1, {})


def test_a_host_that_did_not_do_its_share_has_not_been_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert with_names(monkeypatch, {"rk1": [FOUND]}).names == 1
    assert with_names(monkeypatch, {}).names == 0


def test_each_able_host_asks_and_with_a_focus_these_alone() -> None:
    observed = knowing(rk3={"apps": ("web",)})
    ends: Attachments = {f"rk{n}": (end(n, "apps"),) for n in range(1, 5)}
    asked = operations._lookups(declared(), observed, ends, ["rk2"], ())
    assert {*asked} == {"rk1", "rk3", "rk4"}
    assert [*operations._lookups(declared(), observed, ends, (), ["rk4"])] == ["rk4"]


@pytest.mark.parametrize("lost", ["rk1", "rk2"])
def test_a_name_that_is_not_found_fails_the_proof_of_the_host_that_asked(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    monkeypatch.setattr(
        reporting, "report", lambda host, part, found: reported.extend(map(str, found))
    )
    monkeypatch.setattr(reporting, "failed", lambda *words, **more: None)
    host: Any = SimpleNamespace(name="rk1")
    proof = Proof(unresolved={lost: (Notice("service web", "its name is not found"),)})
    assert operations._report(host, proof, ()) == (lost != "rk1")
    assert bool(reported) == (lost == "rk1")


def test_a_name_that_is_not_found_is_told_where_a_node_comes_back_and_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    notice = Notice("service web", "its name is not found")
    pair = Pair("ingress", "rk1", "rk2", "yes", "1424", "ESP 2 out, 2 in", "dropped")
    reported: list[Notice] = []
    monkeypatch.setattr(reporting, "report", lambda host, part, found: reported.extend(found))
    made = Proof((pair,), names=1, unresolved={"rk1": (notice,)})
    monkeypatch.setattr(operations, "prove", lambda *of_what, **focus: made)
    state: Any = SimpleNamespace()
    host: Any = SimpleNamespace(name="rk1", log=lambda line: None)
    assert operations._gate(state, host, declared(), "rk1")
    assert reported == [notice]
