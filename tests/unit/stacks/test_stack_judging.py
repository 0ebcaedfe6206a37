"""What the cluster knows, for the lint; and what the lint says, as findings of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pyinfra_swarm.nodes.membership import Membership, Node, Overlay
from pyinfra_swarm.run.findings import Notice, Refusal
from pyinfra_swarm.services.service import STACK, Service
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.stacks.compose import Source, read
from pyinfra_swarm.stacks.judging import Looked, context_of, existing_names, judged
from pyinfra_swarm.stacks.lint import (
    Issue,
    Network,
    Platform,
    bind_paths,
    declared,
    image_names,
    lint,
)
from pyinfra_swarm.stacks.lint import Node as LintNode
from pyinfra_swarm.stacks.seen import Seen

DECLARED: dict[str, Any] = {
    "hosts": [
        {
            "name": "rk1",
            "address": "192.168.1.11",
            "role": "manager",
            "labels": {"disk": "nvme"},
        }
    ],
    "secrets": [{"name": "db", "env": "DB"}],
}
SETTINGS = Settings(**DECLARED)
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
    os="linux",
    architecture="aarch64",
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


def test_a_port_of_no_protocol_is_one_of_tcp_and_one_without_a_number_is_nobody_s() -> None:
    seen = Seen("", {}, (service("dns", {"PublishedPort": 81}, {"PublishedPort": 0}),))
    assert context_of(SETTINGS, "web", None, seen, None).taken == {(81, "tcp"): "dns_app"}
    portless = Service("x" * 25, "dns_app", 1, {"Name": "dns_app", "TaskTemplate": {}})
    inward = Service("y" * 25, "in_app", 1, {"EndpointSpec": {"Mode": "vip"}})
    seen = Seen("", {}, (portless, inward))
    assert context_of(SETTINGS, "web", None, seen, None).taken == {}


def test_a_node_is_named_as_it_is_known() -> None:
    named = replace(NODE, labels={"disk": "by hand"})
    nameless = replace(NODE, id="m" * 25, hostname="", address="", architecture="")
    cluster = replace(CLUSTER, nodes=(named, nameless))
    context = context_of(SETTINGS, "web", cluster, Seen("", {}, ()), None)
    assert context.nodes == (
        LintNode(
            "board1",
            id="n" * 25,
            hostname="board1",
            address="192.168.1.11",
            role="manager",
            availability="drain",
            platform=Platform("linux", "aarch64"),
            labels={"disk": "nvme"},
        ),
        LintNode(
            "m" * 25, id="m" * 25, role="manager", availability="drain", labels={"by": "hand"}
        ),
    )


def test_a_swarm_without_nodes_is_as_it_is_declared() -> None:
    nothing = Seen("", {}, ())
    alone = context_of(SETTINGS, "web", None, nothing, None)
    assert context_of(SETTINGS, "web", Membership(engine="running"), nothing, None) == alone
    assert alone == replace(declared(SETTINGS, "web"), alone=False)
    assert alone.stack == "web"


def test_declared_networks_are_known_before_they_are_there() -> None:
    settings = Settings(**{**DECLARED, "networks": {"overlays": [{"name": "back"}]}})
    context = context_of(settings, "web", CLUSTER, Seen("", {}, ()), None)
    assert context.networks == {
        "back": Network("overlay", True),
        "clear": Network("overlay", False),
        "ingress": Network("overlay", True),
    }


def test_names_are_kept_apart_by_kind() -> None:
    assert existing_names([]) == {"secret": frozenset(), "config": frozenset()}
    both = existing_names([("secret", "a"), ("config", "b"), ("secret", "c")])
    assert both == {"secret": frozenset({"a", "c"}), "config": frozenset({"b"})}


def test_what_was_not_asked_for_is_unknown() -> None:
    nothing = Seen("", {}, ())
    context = context_of(SETTINGS, "web", None, nothing, None)
    assert not context.alone
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


# What hosts and registries say
# -----------------------------

FILE = """\
services:
  web:
    image: app:1
    volumes: ["/srv/data/:/data", "named:/x", "./here:/y"]
  other: { image: "${IMAGE}" }
"""


def test_what_a_stack_needs_of_hosts_and_registries() -> None:
    stack = read([Source("web.yml", FILE.encode())])
    assert bind_paths(stack) == {"/srv/data"}
    assert image_names(stack) == {"app:1"}, "not what is unknown"


def rules(looked: Looked, cluster: Membership | None = CLUSTER) -> set[tuple[str, str]]:
    context = context_of(SETTINGS, "web", cluster, Seen("", {}, ()), None, looked)
    stack = read([Source("web.yml", FILE.replace(', "./here:/y"', "").encode())])
    return {(one.rule, one.severity) for one in lint(stack, context) if one.rule in ("S9", "S11")}


def test_an_image_for_other_nodes_and_a_path_that_no_node_has_are_refused() -> None:
    assert rules(Looked()) == set()
    foreign = {"app:1": (Platform("linux", "s390x"),)}
    assert rules(Looked(platforms=foreign)) == {("S11", "refusal")}
    fits = {"app:1": (Platform("linux", "amd64"), Platform("linux", "arm64"))}
    assert rules(Looked(platforms=fits)) == set()
    lacking = {"rk1": frozenset({"/srv/data", "/srv/more"})}
    assert rules(Looked(missing=lacking)) == {("S9", "refusal")}
    assert rules(Looked(missing=lacking), None) == {("S9", "refusal")}, "the declared nodes"
    assert rules(Looked(missing={"rk1": frozenset({"/srv/more"})})) == set()
    assert rules(Looked(missing={"rk9": frozenset({"/srv/data"})})) == set()


def test_a_path_that_one_node_of_two_lacks_is_told() -> None:
    other = replace(NODE, id="m" * 25, hostname="board2", address="192.168.1.12")
    cluster = replace(CLUSTER, nodes=(NODE, other))
    lacking = Looked(missing={"rk1": frozenset({"/srv/data"})})
    assert rules(lacking, cluster) == {("S9", "notice")}


def test_a_node_of_unknown_kind_is_no_other_one() -> None:
    unknown = replace(CLUSTER, nodes=(replace(NODE, os="", architecture=""),))
    foreign = {"app:1": (Platform("linux", "s390x"),)}
    assert rules(Looked(platforms=foreign), unknown) == set()
