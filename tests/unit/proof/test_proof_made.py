"""One proof for all hosts of an operation, and another one for the next operation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm.proof import operations
from pyinfra_swarm.proof.verdict import Proof
from pyinfra_swarm.run import records
from tests.builders import SETTINGS


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
