"""What the newest engine that was at hand answers, as the facts read it.

``fixtures/engines/29.7.2`` was recorded from four real engines (``tests/tools/engine_answers.py``):
three managers and a worker, with an encrypted ingress network, a network of each kind, a service
and a container of its own. The kernel of these hosts had no IPVS, so the routing mesh has no rules.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.nodes.membership import Membership
from tests.tools.answers import encoded
from tests.tools.facts_page import ARGUMENTS, facts

ENGINE = "29.7.2"
FOLDER = Path(__file__).parents[1] / "fixtures/engines" / ENGINE


def said(state: str, name: str) -> list[str]:
    return encoded((FOLDER / state / f"{name}.txt").read_text(encoding="utf-8"))


def told(state: str, name: str) -> Any:
    fact = facts()[name]()
    fact.command(**ARGUMENTS.get(name, {}))
    return json.loads(
        json.dumps(fact.process(said(state, name)), default=lambda one: one.to_json())
    )


def membership(state: str) -> Membership:
    found = State().process(said(state, "facts.swarm.State"))
    assert isinstance(found, Membership)
    return found


def test_an_engine_in_no_swarm() -> None:
    assert membership("no-swarm").in_none


def test_a_manager_tells_of_the_whole_swarm() -> None:
    manager = membership("manager")
    assert manager.controls
    assert {node.hostname: (node.role, node.address) for node in manager.nodes or ()} == {
        "rk1": ("manager", "10.99.0.11"),
        "rk2": ("manager", "10.99.0.12"),
        "rk3": ("manager", "10.99.0.13"),
        "rk4": ("worker", "10.99.0.14"),
    }
    assert {node.engine_version for node in manager.nodes or ()} == {ENGINE}
    assert {one.name: (one.encrypted, one.ingress) for one in manager.overlays or ()} == {
        "ingress": (True, True),
        "sealed": (True, False),
        "clear": (False, False),
    }
    assert manager.spec is not None
    assert (manager.spec.certificate_expiry, manager.spec.autolock) == (90 * 86400, False)
    assert (manager.in_ingress, manager.ours) == (True, ("secrets",))
    assert manager.names == {"sealed": ("web",), "clear": ("web",)}


def test_a_worker_is_in_the_swarm_and_tells_of_itself() -> None:
    worker = membership("worker")
    assert (worker.in_swarm, worker.manager, worker.nodes, worker.spec) == (True, False, None, None)
    assert worker.certificate_role == "worker"
    assert {*(worker.remote_managers or {}).values()} == {f"10.99.0.1{n}:2377" for n in (1, 2, 3)}


def test_a_locked_manager_and_one_without_a_leader_tell_of_no_terms() -> None:
    locked, alone = membership("locked"), membership("quorum-lost")
    assert (locked.state, locked.spec) == ("locked", None)
    assert (alone.manager, alone.controls, alone.nodes) == (True, False, None)
    assert "does not have a leader" in alone.error
    # It describes a swarm without an id that has autolock off. This one has it on.
    assert alone.spec is None


@pytest.mark.parametrize(("state", "encrypted"), [("manager", True), ("ingress-in-clear", False)])
def test_the_ingress_network_and_its_encryption(state: str, encrypted: bool) -> None:
    ingress = told(state, "facts.docker.IngressNetwork")
    assert (ingress["exists"], ingress["joined"]) == (True, True)
    assert ingress["encrypted"] is encrypted


@pytest.mark.parametrize("host", ["manager", "worker"])
def test_every_node_tells_of_its_networks_and_what_they_can_carry(host: str) -> None:
    assert {
        one["network"]: (one["encrypted"], one["mtu"])
        for one in told(host, "facts.networks.Attachments")
    } == {"ingress": (True, 1424), "sealed": (True, 1424), "clear": (False, 1450)}
    assert told(host, "facts.docker.OverlayNetworks")["clear"]["encrypted"] is False
    assert told(host, "facts.swarm.StateOnDisk")["engine"] == ENGINE


def test_images_lie_in_containerd_s_store() -> None:
    info = told("manager", "facts.docker.Info")
    assert info["DriverStatus"] == [["driver-type", "io.containerd.snapshotter.v1"]]
    assert info["ServerVersion"] == ENGINE


def test_a_service_its_ports_and_the_secret_that_it_was_given_anew() -> None:
    [web] = told("manager", "facts.swarm.Services")
    assert (web["name"], web["mesh_ports"]) == ("web", [8080])
    assert len(web["networks"]) == 2
    assert told("manager", "facts.rolling.Replicas") == [
        {"name": "web", "wanted": 4, "running": 4, "stuck": 0}
    ]
    objects = told("manager", "facts.secrets.Objects")
    assert [one["name"] for one in objects["objects"]] == ["db_password_v1", "db_password_v2"]
    [service] = objects["services"]
    assert (service["uses"], service["used"]) == (
        ["secret db_password_v2"],
        ["secret db_password_v1"],
    )
    assert service["update"] == "completed"
    [containers] = told("manager", "facts.docker.StandaloneContainers").values()
    assert containers == ["alone"]
    assert len(told("manager", "facts.swarm.Tasks")) == 1


def test_what_docker_publishes_is_read_from_its_chains() -> None:
    state = told("manager", "facts.firewall.State")
    assert state["published by containers"] == ["7000/tcp", "9000/tcp"]
    tables = told("manager", "facts.firewall.Tables")
    assert tables["ipv4"]["filter"]["FORWARD (policy DROP)"] == [
        "-j DOCKER-USER",
        "-j DOCKER-FORWARD",
    ]
