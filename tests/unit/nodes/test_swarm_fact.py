"""The swarm as hosts tell it, in the engine's own answers.

The outputs under ``fixtures/`` are those of Docker Engine 28.5.2, unedited: the manager's from a
swarm of the lab, the rarer states' from three engines on one machine (``rk1`` … ``rk3``).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.engine.unlock_key import fingerprint
from pyinfra_swarm.keys.facts import UnlockKey
from pyinfra_swarm.nodes.facts import JoinState, Nodes, Services, State, parse_on_disk
from pyinfra_swarm.nodes.membership import Membership, Service
from tests.tools.answers import encoded, sections
from tests.tools.facts_page import answer

FIXTURES = Path(__file__).parents[1] / "fixtures"


def lines(name: str) -> list[str]:
    return (FIXTURES / f"{name}.txt").read_text().splitlines()


def told(condition: str) -> Membership:
    return State().process(encoded(lines(f"swarm-state-{condition}")))


def test_a_host_without_docker_is_in_no_swarm_for_certain() -> None:
    membership = told("absent")
    assert membership == Membership(engine="absent")
    assert membership.in_none
    assert not membership.in_swarm


def test_an_engine_in_no_swarm_is_in_none_for_certain() -> None:
    membership = told("no-swarm-28.5.2")
    assert membership.in_none
    assert (membership.hostname, membership.nodes, membership.error) == ("rk1", None, "")


def test_a_manager_tells_of_the_whole_swarm() -> None:
    membership = told("manager-28.5.2")
    assert membership.controls
    assert membership.cluster == "rv0rt98ojiu31b8ko94jw1fvo"
    assert membership.address == "192.168.77.11"
    nodes = {node.hostname: node for node in membership.nodes or ()}
    assert sorted(nodes) == ["node1", "node2", "node3", "node4"]
    assert [node.hostname for node in nodes.values() if node.leader] == ["node1"]
    assert nodes["node1"].id == membership.node
    assert nodes["node3"].address == "192.168.77.13"
    assert {name: (node.role, node.reachability) for name, node in nodes.items()} == {
        "node1": ("manager", "reachable"),
        "node2": ("manager", "reachable"),
        "node3": ("manager", "reachable"),
        "node4": ("worker", ""),
    }
    assert {(node.os, node.architecture) for node in nodes.values()} == {("linux", "x86_64")}
    [ingress] = membership.overlays or ()
    assert ingress.ingress
    assert ingress.encrypted
    assert ingress.subnets == ("10.201.0.0/24",)


VERBOSE = """
{"Name":"backend","Id":"x","Services":{"db":{"VIP":"10.0.1.2","Tasks":[{"Name":"db.1.a"}]},
 "idle":{"VIP":"10.0.1.9","Tasks":[]},"":{"Tasks":[{"Name":"alone"}]},
 "api":{"Tasks":[{"Name":"api.1.b"},{"Name":"api.2.c"}]}}}
{"Name":"quiet","Id":"z"}
{"Name":"ingress","Ingress":true,"Services":{"db":{"Tasks":[{"Name":"db.1.a"}]}}}
{"message":"network lb not found"}
"""


def test_an_engine_tells_which_names_it_knows_in_each_network_but_the_ingress() -> None:
    said = [*lines("swarm-state-manager-28.5.2"), "#> names"]
    assert State().process(encoded([*said, *VERBOSE.splitlines()])).names == {
        "backend": ("api", "db"),
        "quiet": (),
    }
    assert State().process(encoded([*said, "curl: (28) timed out"])).names == {}
    assert told("manager-28.5.2").names == {}


@pytest.mark.parametrize(
    ("lists", "there"),
    [
        ([], ()),
        (["[]", "[]", "[]"], ()),
        (["[{", "[]", "[]"], ("stacks",)),
        (["[]", "[{", "[{"], ("secrets", "configs")),
        (["[]", "cu", "[]"], ("secrets",)),
        (["[]"], ("secrets", "configs")),
    ],
)
def test_a_manager_tells_what_is_there_of_ours_and_what_it_cannot_tell_may_be(
    lists: list[str], there: tuple[str, ...]
) -> None:
    said = lines("swarm-state-manager-28.5.2")
    assert State().process(encoded([*said, *(["#> ours", *lists] if lists else [])])).ours == there


def test_a_manager_tells_what_the_managers_agree_on() -> None:
    membership = told("manager-28.5.2")
    spec = membership.spec
    assert spec is not None
    assert (spec.certificate_expiry, spec.autolock, spec.rotating) == (90 * 86400, False, False)
    assert {node.issuer for node in membership.nodes or ()} == {spec.issuer}
    assert len(spec.issuer) == 12
    assert spec.root_expires is not None
    assert time.gmtime(spec.root_expires).tm_year == 2046


def test_whoever_is_no_manager_that_can_answer_tells_of_no_terms() -> None:
    for condition in ("worker-28.5.2", "no-swarm-28.5.2", "locked-28.5.2", "pending-28.5.2"):
        assert told(condition).spec is None


@pytest.mark.parametrize(("host", "role"), [("facts", "manager"), ("facts-worker", "worker")])
def test_a_node_tells_of_its_certificate(host: str, role: str) -> None:
    text = (FIXTURES / host / "facts.swarm.State.txt").read_text()
    membership = State().process(encoded(text))
    assert membership.certificate_role == role
    issued, expires = membership.certificate_issued, membership.certificate_expires
    assert issued is not None
    assert expires is not None
    assert expires - issued == 90 * 86400 + 3600  # swarm dates it back by an hour


UNLOCK_KEY = "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8"


def unlock_key(answer: str, *, state: str = "running", status: int = 0) -> str:
    """The engine's answer in, and all that leaves the host out."""
    shell = str(UnlockKey().command()).replace(
        ENGINE_STATE, f"engine_state() {{ echo {state}; }}\nask() {{ cat; return {status}; }}\n"
    )
    done = subprocess.run(
        ["/bin/sh", "-c", shell], input=answer, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert "SWMKEY" not in base64.b64decode("".join(lines[2:])).decode()
    return UnlockKey().process(lines)


def test_an_unlock_key_is_told_by_its_fingerprint_as_the_file_s_is() -> None:
    assert unlock_key(f'{{"UnlockKey":"{UNLOCK_KEY}"}}\n') == fingerprint(UNLOCK_KEY)
    assert unlock_key('{"UnlockKey":""}\n') == ""


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (
            '{"message":"rpc error: code = Unknown desc = The swarm does not have a leader."}',
            0,
            "The swarm does not have a leader",
        ),
        ('{"message":"This node is not a swarm manager."}', 0, "is not a swarm manager"),
        ("curl: (28) Operation timed out after 25001 milliseconds", 28, "Operation timed out"),
        ("", 7, "the engine gave no answer"),
        (f'{{"UnlockKey":"{UNLOCK_KEY[:20]}', 0, "is not whole"),
        (f'{{"UnlockKey":"{UNLOCK_KEY[:20]}\ncurl: (18) "unlock" ended', 18, "is not whole"),
        (f'{{"UnlockKey":"{UNLOCK_KEY}"}}\ncurl: (18) more was expected', 18, "is not whole"),
        ('{"UnlockKey":"of another form"}', 0, "is not whole"),
    ],
)
def test_an_unlock_key_that_could_not_be_asked_for_is_not_none(
    answer: str, status: int, words: str
) -> None:
    with pytest.raises(FactProcessError, match=words):
        unlock_key(answer, status=status)


@pytest.mark.parametrize("state", ["absent", "stopped", "unreachable"])
def test_an_engine_that_does_not_run_has_not_said_that_there_is_no_unlock_key(state: str) -> None:
    with pytest.raises(FactProcessError, match=f"the engine is {state}"):
        unlock_key("", state=state)


def test_labels_availability_and_clear_networks_are_told() -> None:
    membership = told("clear-overlays-28.5.2")
    [drained] = [node for node in membership.nodes or () if node.hostname == "rk3"]
    assert drained.labels == {"disk": "nvme ssd"}
    assert drained.availability == "drain"
    assert {overlay.name: overlay.encrypted for overlay in membership.overlays or ()} == {
        "ingress": False,
        "backend": False,
        "sealed": True,
    }


def test_networks_that_single_containers_may_join_are_told() -> None:
    overlays = told("clear-overlays-28.5.2").overlays or ()
    assert {overlay.name: overlay.attachable for overlay in overlays} == {
        "ingress": False,
        "backend": False,
        "sealed": True,
    }


def test_a_worker_tells_of_itself_and_of_the_managers_it_talks_to() -> None:
    membership = told("worker-28.5.2")
    assert membership.in_swarm
    assert not membership.manager
    assert not membership.controls
    assert membership.nodes is None
    assert membership.overlays is None
    assert list((membership.remote_managers or {}).values()) == ["10.99.0.1:2377"]


def test_a_manager_without_quorum_is_in_the_swarm_and_controls_nothing() -> None:
    membership = told("quorum-lost-28.5.2")
    assert membership.in_swarm
    assert membership.manager
    assert not membership.controls
    assert membership.overlays is None
    assert "does not have a leader" in membership.error


def test_a_host_that_is_still_joining_is_in_a_swarm() -> None:
    membership = told("pending-28.5.2")
    assert membership.in_swarm
    assert (membership.state, membership.node) == ("pending", "")


def test_a_locked_manager_is_in_a_swarm() -> None:
    membership = told("locked-28.5.2")
    assert membership.in_swarm
    assert membership.state == "locked"


def test_an_engine_that_gives_no_answer_has_not_said_whether_it_is_in_a_swarm() -> None:
    membership = told("no-answer-28.5.2")
    assert membership.engine == (
        "unreachable: curl: (28) Operation timed out after 20005 milliseconds with 0 bytes received"
    )
    assert not membership.in_none
    assert not membership.in_swarm


def test_of_an_answer_that_breaks_off_the_reason_is_kept_and_not_the_answer() -> None:
    output = lines("swarm-state-manager-28.5.2")
    broken = "curl: (28) Operation timed out after 25001 milliseconds with 0 bytes received"
    membership = State().process(encoded([*output[:-2], broken]))
    assert membership.engine == f"unreachable: {broken}"


def test_a_stopped_engine_has_not_said_whether_it_is_in_a_swarm() -> None:
    membership = State().process(encoded(["", "#> state", "stopped"]))
    assert not membership.in_none
    assert not membership.in_swarm


@pytest.mark.parametrize(
    "output",
    [
        ["nonsense"],
        ["#> state"],
        ["#> state", "running"],
        ["#> state", "running", "#> answers"],
        ["#> state", "running", "#> answers", '{"message":"page not found"}', "[]", "[]"],
        ["#> state", "running", "#> answers", '{"Swarm":{}}', "[]"],
        ["#> state", "running", "#> state", "absent"],
    ],
)
def test_output_that_makes_no_sense_fails_the_fact_and_not_the_run(output: list[str]) -> None:
    try:
        membership = State().process(encoded(output))
    except FactProcessError:
        return
    assert membership.engine.startswith("unreachable")


def test_any_output_cut_off_anywhere_is_an_error_of_the_fact_or_no_answer() -> None:
    whole = (FIXTURES / "swarm-state-manager-28.5.2.txt").read_text()
    for end in range(0, len(whole) - 2, 397):
        try:
            membership = State().process(encoded(whole[:end]))
        except FactProcessError:
            continue
        assert not membership.in_none
        assert not membership.in_swarm


def test_join_tokens_and_keys_are_in_no_answer() -> None:
    for fixture in FIXTURES.glob("*.txt"):
        assert "SWMTKN" not in fixture.read_text()
        assert "PRIVATE KEY" not in fixture.read_text()


def test_services_with_the_ports_of_the_mesh_and_their_networks() -> None:
    services = Services().process(encoded(lines("swarm-services-28.5.2")))
    assert services == (
        Service("alone", networks=(), mesh_ports=()),
        Service(
            "web",
            networks=("jaenxuvtq8fk9ps9s1586savf", "jlxmeflgmwy7idr83m2hxqqw5"),
            mesh_ports=(8080, 8443),  # 9000 is published in mode host
            protocols=("tcp", "udp"),
        ),
    )


def test_no_services_are_an_answer_too() -> None:
    assert Services().process(encoded(["", "#> services"])) == ()


def test_a_person_asks_for_the_nodes() -> None:
    shown = json.loads(json.dumps(Nodes().process_data(told("manager-28.5.2"))))
    assert shown["nodes"]["node1"]["leader"] is True
    assert shown["nodes"]["node4"]["role"] == "worker"
    assert Nodes().process_data(told("worker-28.5.2"))["nodes"] == {}
    assert "leader" in Nodes().process_data(told("quorum-lost-28.5.2"))["error"]


@pytest.mark.parametrize(
    ("condition", "state", "role"),
    [
        ("manager-28.5.2", "active", "manager"),
        ("worker-28.5.2", "active", "worker"),
        ("no-swarm-28.5.2", "inactive", ""),
        ("locked-28.5.2", "locked", "worker"),
        ("absent", "inactive", ""),
    ],
)
def test_a_person_asks_for_the_join_state(condition: str, state: str, role: str) -> None:
    shown = JoinState().process_data(told(condition))
    assert (shown["state"], shown["role"]) == (state, role)


def test_the_whole_observation_can_be_printed() -> None:
    assert json.dumps(told("manager-28.5.2").to_json())


# The shell that asks
# -------------------


def engine_state(root: Path, *, path: str = os.environ["PATH"]) -> str:
    """Run the fact's own shell function on files of ours."""
    shell = ENGINE_STATE
    for place in ("/run/docker.sock", "/run/docker.pid", "/usr/bin/dockerd"):
        shell = shell.replace(place, f"{root}{place}")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{shell}\nengine_state"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": path},
    )
    return done.stdout.strip()


def installed(root: Path, pid: int | None) -> Path:
    for folder in ("run", "usr/bin"):
        (root / folder).mkdir(parents=True)
    (root / "usr/bin/dockerd").touch(mode=0o755)
    if pid is not None:
        (root / "run/docker.pid").write_text(str(pid))  # without a newline, as dockerd writes it
    return root


def test_without_an_installation_the_engine_is_absent(tmp_path: Path) -> None:
    assert engine_state(tmp_path) == "absent"


def test_an_installed_engine_that_does_not_run_is_stopped(tmp_path: Path) -> None:
    assert engine_state(installed(tmp_path, None)) == "stopped"


def test_a_pid_file_left_behind_by_a_dead_engine_is_no_engine(tmp_path: Path) -> None:
    assert engine_state(installed(tmp_path, 2**22 + 1)) == "stopped"


def test_a_living_engine_runs(tmp_path: Path) -> None:
    assert engine_state(installed(tmp_path, os.getpid())) == "running"


def test_without_curl_nobody_can_ask_the_engine(tmp_path: Path) -> None:
    state = engine_state(installed(tmp_path, os.getpid()), path="/nowhere")
    assert state == "unreachable: curl is not installed"


def test_what_a_host_keeps_of_a_swarm_is_read_off_its_certificate() -> None:
    text = (Path(__file__).parents[1] / "fixtures/facts/facts.swarm.StateOnDisk.txt").read_text()
    kept = parse_on_disk(sections(text))
    assert (kept.state, kept.locked, kept.manager) == (True, False, True)
    asked = answer("facts.swarm.State")  # of the same host, at the same time
    assert (kept.cluster, kept.node) == (asked["cluster"], asked["node"])
    assert kept.engine == "28.5.2"
    assert kept.addresses == ("192.168.77.11", "172.17.0.1", "172.18.0.1")


def test_a_host_without_docker_keeps_nothing() -> None:
    text = (
        "#> state\n#> locked\n#> certificate\n#> engine\n#> addresses\n2: eth0    inet 10.0.0.5/24"
    )
    kept = parse_on_disk(sections(text))
    assert (kept.state, kept.locked, kept.manager) == (False, False, False)
    assert (kept.cluster, kept.node) == ("", "")
    assert (kept.engine, kept.addresses) == ("", ("10.0.0.5",))
