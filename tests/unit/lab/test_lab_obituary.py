"""A host of the lab that does not come up: what is wrong with it, in one message."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import machine, places
from lab.errors import LabError
from lab.power import Host
from lab.supervisor import Lab, Plan, Size, System

PLAN = Plan(
    size=Size(1, 1, 1536),
    systems=(System("own", "debian", False, "/base.img", "/docker", "/archive"),) * 2,
    iptables=("legacy", "nft"),
    kernel="/linux.uml",
    docker_versions=("28.5.2",),
    busybox="/busybox",
    registry="/registry",
)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose hosts have no power; node1 gave up three times."""
    monkeypatch.setenv("LAB_STATE", str(tmp_path))
    made = Lab(PLAN)
    for node in made.nodes:
        one = made._machine(node)
        made.hosts[node.name] = Host(one, made._ledger)
    made.hosts["node1"].problem = "ended 3 times right after its start"
    return made


def test_a_lost_host_is_named_with_its_state_the_end_of_its_console_and_what_to_do(
    lab: Lab,
) -> None:
    said = [f"\x1b[0;32mline {number}\x1b[0m\r\n" for number in range(40)]
    places.console("node1").write_text("".join(said) + "Kernel panic: out of memory\r\n\r\n")
    with pytest.raises(LabError) as caught:
        lab.wait_for_ssh(["node1"], print)
    first, *lines = str(caught.value).splitlines()
    assert first == (
        "node1 does not answer SSH (ended 3 times right after its start). The end of its console:"
    )
    assert lines[:25] == [
        *(f"    | line {number}" for number in range(16, 40)),
        "    | Kernel panic: out of memory",
    ]
    assert "with a smaller --memory or fewer hosts" in lines[25]


def test_a_host_that_said_nothing_is_named_too(lab: Lab) -> None:
    lab.hosts["node2"].problem = "ended 3 times right after its start"
    with pytest.raises(LabError) as caught:
        lab.wait_for_ssh(["node2", "node1"], print)
    said = str(caught.value)
    assert said.index("node1 does not answer SSH") < said.index("node2 does not answer SSH")
    assert said.count("    | (the console is empty)") == 2


def test_a_host_that_hangs_is_said_to_run_or_to_be_off(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.supervisor.BOOT_TIMEOUT", 0)
    with pytest.raises(LabError, match=r"node2 does not answer SSH \(it is off\)"):
        lab.wait_for_ssh(["node2"], print)
    monkeypatch.setattr(machine.Machine, "is_on", True)
    with pytest.raises(LabError, match=r"node2 does not answer SSH \(it runs\)"):
        lab.wait_for_ssh(["node2"], print)
