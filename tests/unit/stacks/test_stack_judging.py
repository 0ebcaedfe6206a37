"""What the cluster knows, for the lint; and what the lint says, as findings of a run."""

from __future__ import annotations

from typing import Any

from pyinfra_swarm.nodes.membership import Membership, Node, Overlay
from pyinfra_swarm.run.findings import Notice, Refusal
from pyinfra_swarm.services.service import STACK, Service
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.stacks.judging import context_of, existing_names, judged
from pyinfra_swarm.stacks.lint import Issue
from pyinfra_swarm.stacks.seen import Seen

SETTINGS = Settings(
    hosts=[  # type: ignore[arg-type]
        {
            "name": "rk1",
            "address": "192.168.1.11",
            "role": "manager",
            "labels": {"disk": "nvme"},
        }
    ],
    secrets=[{"name": "db", "env": "DB"}],  # type: ignore[arg-type]
)
NODE = Node(
    id="n" * 25,
    hostname="board1",
    address="192.168.1.11",
    role="manager",
    availability="drain",
    state="ready",
    leader=True,
    reachability="reachable",
    labels={"by": "hand"},
    engine_version="28.5.2",
)
CLUSTER = Membership(
    engine="running",
    nodes=(NODE,),
    overlays=(
        Overlay("o" * 25, "clear", False, False, ()),
        Overlay("i" * 25, "ingress", True, True, ()),
    ),
)


def service(stack: str, *ports: dict[str, Any]) -> Service:
    spec = {
        "Name": f"{stack}_app",
        "Labels": {STACK: stack},
        "TaskTemplate": {},
        "EndpointSpec": {"Ports": list(ports)},
    }
    return Service(stack.ljust(25, "x"), f"{stack}_app", 1, spec)


def test_the_swarm_s_nodes_have_the_labels_that_the_site_is_about_to_give_them() -> None:
    context = context_of(SETTINGS, "web", CLUSTER, Seen("", {}, ()), None)
    assert context.nodes is not None
    [node] = context.nodes
    assert (node.name, node.hostname, node.role, node.availability) == (
        *("board1", "board1", "manager"),
        "drain",
    )
    assert node.labels == {"disk": "nvme", "by": "hand"}
    assert not context.networks["clear"].encrypted
    assert context.networks["ingress"].encrypted


def test_ports_are_taken_by_services_of_other_stacks() -> None:
    seen = Seen(
        "",
        {},
        (
            service("web", {"PublishedPort": 80, "Protocol": "tcp"}),
            service("dns", {"PublishedPort": 53, "Protocol": "udp"}, {"TargetPort": 9}),
        ),
    )
    assert context_of(SETTINGS, "web", CLUSTER, seen, None).taken == {(53, "udp"): "dns_app"}


def test_what_was_not_asked_for_is_unknown() -> None:
    nothing = Seen("", {}, ())
    context = context_of(SETTINGS, "web", None, nothing, None)
    assert context.existing_secrets is None
    assert context.secrets == frozenset({"db"})
    assert context.nodes is not None, "the declared ones"
    known = existing_names([("secret", "old"), ("config", "a")])
    context = context_of(SETTINGS, "web", CLUSTER, nothing, known)
    assert (context.existing_secrets, context.existing_configs) == (
        *(frozenset({"old"}), frozenset({"a"})),
    )


def test_an_issue_is_told_with_its_place_and_without_a_command_of_the_file_s() -> None:
    issue = Issue(
        "S1", "refusal", "web.yml", 7, 3, "networks.a", "is `rm -rf /` clear", "write `x`"
    )
    [found] = judged("web", [issue])
    assert isinstance(found, Refusal)
    assert found.what == "stack web: networks.a"
    assert found.reason == "is 'rm -rf /' clear (web.yml:7, rule S1)"
    assert found.remedy == "Write 'x'"
    [found] = judged("web", [Issue("S5", "notice", "web.yml", 7, 3, "", "no limit", "set one")])
    assert isinstance(found, Notice)
    assert found.what == "stack web"
