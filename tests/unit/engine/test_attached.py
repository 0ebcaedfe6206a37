"""Whether an engine is attached to the ingress network, by what it says of that network."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.engine.network import IS_ATTACHED, attached

FIXTURES = Path(__file__).parents[1] / "fixtures"
RECORDED = ("docker-ingress-28.5.2.txt", "engines/29.7.2/manager/facts.docker.IngressNetwork.txt")


def answered(name: str) -> dict[str, Any]:
    """The engine's own answer, out of what the fact prints."""
    text = (FIXTURES / name).read_text()
    found: dict[str, Any] = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return found


def by_the_host(answer: dict[str, Any]) -> bool:
    said = json.dumps(answer, separators=(",", ":"))
    script = f'{IS_ATTACHED}is_attached "$1"'
    return subprocess.run(["sh", "-c", script, "sh", said], check=False).returncode == 0


@pytest.mark.parametrize("name", RECORDED)
def test_an_end_without_peers_is_left_over_from_before_a_new_cluster_was_forced(name: str) -> None:
    whole = answered(name)
    without_peers = {key: value for key, value in whole.items() if key != "Peers"}
    without_end = {**whole, "Containers": {}}
    for answer, expected in (
        (whole, True),
        (dict(reversed(whole.items())), True),
        (without_peers, False),
        ({**whole, "Peers": []}, False),
        ({**whole, "Peers": None}, False),
        (without_end, False),
        ({**whole, "Containers": None}, False),
    ):
        assert attached(answer) is expected
        assert by_the_host(answer) is expected
