"""S9, S11 and S12: a node for each task, and what it finds there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.stacks.lint import Context, Image, Node, Platform, bind_paths
from pyinfra_swarm.stacks.lint.placement import fits, image_names, parsed
from tests.unit.stacks.stack_examples import changed, issues, rules, stack

ARM, AMD = Platform("linux", "aarch64"), Platform("linux", "x86_64")
LIMITS = "resources: { limits: { memory: 64M } }"


def node(name: str = "rk1", **options: object) -> Node:
    known: dict[str, object] = {
        "id": f"{name}-id",
        "hostname": name,
        "address": "192.168.1.11",
        "role": "worker",
        "availability": "active",
        "platform": ARM,
        "engine_labels": {},
    }
    return Node(name, **{**known, **options})  # type: ignore[arg-type]


# What constraints mean
# ---------------------


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        *(("node.id == rk1-id", True), ("node.id==RK1-ID", True), ("node.id != rk1-id", False)),
        *(
            ("node.hostname == rk1", True),
            ("node.hostname == rk2", False),
            ("node.hostname!=rk2", True),
        ),
        *(("node.ip == 192.168.1.11", True), ("node.ip == 192.168.1.0/24", True)),
        *(("node.ip != 192.168.1.0/24", False), ("node.ip == 10.0.0.1", False)),
        *(("node.ip != 10.0.0.1", True), ("node.ip == rk1", False), ("node.ip != rk1", False)),
        *(
            ("node.role == worker", True),
            ("node.role == Worker", True),
            ("node.role == manager", False),
        ),
        *(("node.role != manager", True), ("NODE.ROLE == worker", True)),
        *(("node.platform.os == linux", True), ("node.platform.arch == aarch64", True)),
        *(("node.platform.arch == arm64", False), ("node.platform.arch != x86_64", True)),
        *(("node.labels.disk == nvme", True), ("node.labels.Disk == nvme", False)),
        *(("node.labels.disk == NVME", True), ("node.labels.other == nvme", False)),
        *(("node.labels.name == rk", True), ("node.labels.name != rk", False)),
        *(("node.labels.other != nvme", True), ("node.labels.disk != nvme", False)),
        *(("engine.labels.rack == 1", False), ("engine.labels.rack != 1", True)),
        *(
            ("node.colour == red", False),
            ("node.colour != red", False),
            ("node.labels. == x", False),
        ),
    ],
)
def test_a_constraint_means_what_it_means_to_swarm(constraint: str, expected: bool) -> None:
    assert fits(parsed(constraint), node(labels={"disk": "nvme", "name": "RK"})) is expected


@pytest.mark.parametrize(
    "constraint",
    [
        *("node.id == x", "node.hostname == x", "node.ip == 10.0.0.1", "node.role != x"),
        *("node.platform.os == x", "node.platform.arch == x", "node.labels.a == x"),
        "engine.labels.a == x",
    ],
)
def test_what_is_unknown_of_a_node_neither_fits_nor_fails(constraint: str) -> None:
    assert fits(parsed(constraint), Node("rk1", others=True)) is None


def test_a_known_label_decides_though_others_are_unknown() -> None:
    some = Node("rk1", labels={"a": "b"}, others=True)
    assert fits(parsed("node.labels.a == b"), some) is True
    assert fits(parsed("node.labels.a == c"), some) is False


@pytest.mark.parametrize(
    "text",
    [
        *("node.role = manager", "node.role", "== manager", "node.role ==", "node.role == "),
        *("a == b", "node role == x", "node.role == a,b", "node.hostname == rkä", "", "1a == b"),
        *("node.labels.a > 3", "node.role == ma~"),
    ],
)
def test_what_the_engine_refuses_is_no_constraint(text: str) -> None:
    if text == "a == b":
        with pytest.raises(ValueError, match="no key"):
            parsed(text)  # a key has two letters or more
        return
    with pytest.raises(ValueError, match=r"."):
        parsed(text)


def test_what_has_no_operator_is_told_as_that() -> None:
    with pytest.raises(ValueError, match="has neither == nor !="):
        parsed("node.role")


# S12: somewhere to run
# ---------------------

CLUSTER = Context(
    nodes=(
        node("rk1", role="manager", labels={"disk": "nvme"}),
        node("rk2"),
        node("rk3", platform=AMD, availability="drain"),
    )
)


def placed(placement: str, context: Context = CLUSTER, deploy: str = "") -> list[tuple[str, str]]:
    more = f"{LIMITS}\n      placement: {placement}" + (f"\n      {deploy}" if deploy else "")
    return rules(issues(changed((LIMITS, more)), context=context))


REFUSED, TOLD = [("S12", "refusal")], [("S12", "notice")]


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        *(("[node.role == manager]", []), ("[node.role == manger]", REFUSED), ("[]", [])),
        *(("[node.labels.disk == nvme]", []), ("[node.labels.disk == sata]", REFUSED)),
        *(("[node.role == worker, node.labels.disk == nvme]", REFUSED),),
        *(("[node.role == worker, node.hostname == rk2]", []),),
        *(("[node.hostname == rk3]", TOLD), ("[node.role = manager]", REFUSED)),
        *(("[node.label.disk == nvme]", REFUSED), ("['${C}']", []), ("['${C}', a]", REFUSED)),
        *(("[a, b]", REFUSED * 2), ("[NODE.ROLE == manager]", [])),
        *(("['${C}', node.role == manger]", REFUSED),),
    ],
)
def test_a_service_needs_a_node(constraints: str, expected: list[tuple[str, str]]) -> None:
    assert placed(f"{{ constraints: {constraints} }}") == expected


def test_without_nodes_only_what_can_never_be_is_refused() -> None:
    assert placed("{ constraints: [node.role == manger] }", Context()) == []
    assert placed("{ constraints: [node.rule == manager] }", Context()) == REFUSED
    assert placed("{ constraints: [node.role = manager] }", Context()) == REFUSED
    label = "{ constraints: [node.labels.disk == nvme] }"
    assert placed(label, Context(alone=True)) == []


def test_a_node_that_pauses_takes_no_tasks_either() -> None:
    for availability in ("pause", "drain"):
        assert placed("{}", Context(nodes=(node(availability=availability),))) == TOLD


def test_declared_hosts_may_have_more_labels_than_are_declared() -> None:
    declared = Context(nodes=(Node("rk1", role="manager", others=True),))
    assert placed("{ constraints: [node.labels.disk == nvme] }", declared) == []
    assert placed("{ constraints: [node.hostname == rk9] }", declared) == []
    assert placed("{ constraints: [node.role == worker] }", declared) == REFUSED


def test_a_label_that_no_declared_host_has_is_told_where_nothing_else_is_known() -> None:
    hosts = (Node("rk1", labels={"disk": "nvme"}, others=True), Node("rk2", others=True))
    alone = Context(nodes=hosts, alone=True)
    assert placed("{ constraints: [node.labels.disk == nvme] }", alone) == []
    assert placed("{ constraints: [node.labels.disk == sata] }", alone) == TOLD
    assert placed("{ constraints: [node.labels.disk == sata] }", Context(nodes=hosts)) == []
    only = Context(nodes=hosts[:1], alone=True)
    assert placed("{ constraints: [node.labels.disk == sata] }", only) == REFUSED


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        *(("[node.hostname == rk1]", []), ("[node.hostname == RK2]", [])),
        *(("[node.hostname == rk9]", TOLD), ("[Node.Hostname == rk9]", TOLD)),
        *(("[node.hostname != rk9]", []), ("[node.hostname != x, node.hostname == rk9]", TOLD)),
        *(("['${C}', node.hostname == rk9]", TOLD), ("[NODE.LABELS.disk == sata]", TOLD)),
        *(("[node.role == worker, node.hostname == rk9]", TOLD), ("[node.id == x]", [])),
    ],
)
def test_a_name_or_label_that_no_declared_host_has_is_told(
    constraints: str, expected: list[tuple[str, str]]
) -> None:
    hosts = Node("rk1", labels={"disk": "nvme"}, others=True), Node("Rk2", others=True)
    assert placed(f"{{ constraints: {constraints} }}", Context(nodes=hosts, alone=True)) == expected


def remedy(constraints: str, context: Context) -> tuple[str, str]:
    """Where the only issue is, and what to do."""
    more = f"{LIMITS}\n      placement: {{ constraints: {constraints} }}"
    (issue,) = issues(changed((LIMITS, more)), context=context)
    return issue.path.removeprefix("services.web.deploy.placement."), issue.remedy


LABELLED = Context(
    nodes=tuple(
        Node(f"rk{number}", hostname=f"rk{number}", labels={"disk": disk, "rack": "a"})
        for number, disk in enumerate(("nvme", "ssd", "emmc", "hdd", "ssd"))
    )
)
GIVE_IT = "correct it, or give a host the label in cluster.toml (hosts.labels), and run the site"


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("node.labels.disk == x", f"the hosts have disk = emmc, hdd, nvme or ssd; {GIVE_IT}"),
        ("Node.Labels.disk == x", f"the hosts have disk = emmc, hdd, nvme or ssd; {GIVE_IT}"),
        ("node.labels.dsik == x", f"did you mean disk? Else {GIVE_IT}"),
        ("node.labels.zone == x", GIVE_IT),
        ("node.hostname == zoo", "name one of rk0, rk1, rk2, rk3 and rk4"),
        ("Node.Hostname == zoo", "name one of rk0, rk1, rk2, rk3 and rk4"),
        ("node.hostname == rk22", "did you mean rk2? Else name one of rk0, rk1, rk2, rk3 and rk4"),
        ("node.id == rk1", GIVE_IT),
    ],
)
def test_what_is_meant_is_told_where_a_node_has_it(constraint: str, expected: str) -> None:
    known = replace(LABELLED, nodes=tuple(replace(one, id="x") for one in LABELLED.nodes or ()))
    assert remedy(f"[{constraint}]", known) == ("constraints", expected)


def test_without_a_node_there_is_no_name_to_choose() -> None:
    empty = Context(nodes=())
    assert remedy("[node.hostname == rk1]", empty)[1].startswith("correct it, or give a host")


def test_where_a_constraint_stands_is_told() -> None:
    assert remedy("[node.role == worker, a]", Context())[0] == "constraints[1]"
    assert remedy("[node.role == worker, node.rule == x]", Context())[0] == "constraints[1]"
    alone = Context(nodes=(Node("rk1", others=True),), alone=True)
    assert remedy("[node.role == worker, node.hostname == x]", alone)[0] == "constraints[1]"


def test_the_constraint_that_nobody_satisfies_is_named() -> None:
    text = "[node.role == worker, node.labels.disk == sata]"
    more = f"{LIMITS}\n      placement: {{ constraints: {text} }}"
    (issue,) = issues(changed((LIMITS, more)), context=CLUSTER)
    assert "“node.labels.disk == sata”" in issue.reason
    assert issue.remedy.startswith("the hosts have disk = nvme; correct it, or give a host")
    text = "[node.role == worker, node.labels.disk == nvme]"
    more = f"{LIMITS}\n      placement: {{ constraints: {text} }}"
    (issue,) = issues(changed((LIMITS, more)), context=CLUSTER)
    assert "all constraints together" in issue.reason


@pytest.mark.parametrize(
    ("most", "deploy", "expected"),
    [
        *((1, "replicas: 3", []), (1, "replicas: 4", REFUSED), (2, "replicas: 6", [])),
        *((2, "replicas: 7", REFUSED), (0, "replicas: 99", []), (1, "", [])),
        *((1, "replicas: '${N}'", []), (1, "mode: global", []), ("'${N}'", "replicas: 9", [])),
        (1, "mode: global\n      replicas: 9", []),
    ],
)
def test_replicas_need_room(most: object, deploy: str, expected: list[tuple[str, str]]) -> None:
    assert placed(f"{{ max_replicas_per_node: {most} }}", deploy=deploy) == expected


def test_too_many_replicas_are_told_at_the_number() -> None:
    more = f"{LIMITS}\n      replicas: 4\n      placement: {{ max_replicas_per_node: 1 }}"
    (issue,) = issues(changed((LIMITS, more)), context=CLUSTER)
    assert issue.path == "services.web.deploy.placement.max_replicas_per_node"


def test_an_empty_swarm_is_a_swarm_without_a_node() -> None:
    assert placed("{}", Context(nodes=())) == REFUSED


# S11
# ---


@pytest.mark.parametrize(
    ("platforms", "constraints", "expected"),
    [
        ((Platform("linux", "amd64"), Platform("linux", "arm64")), "[]", []),
        ((Platform("linux", "amd64"),), "[]", [("S11", "notice")]),
        ((Platform("linux", "amd64"),), "[node.hostname == rk2]", [("S11", "refusal")]),
        ((Platform("linux", "s390x"),), "[]", [("S11", "refusal")]),
        ((Platform("windows", "arm64"),), "[node.hostname == rk2]", [("S11", "refusal")]),
        ((Platform("", "arm64"),), "[node.hostname == rk2]", []),
        ((Platform("linux", ""),), "[]", []),
        ((), "[]", []),
        (None, "[]", []),
    ],
)
def test_an_image_is_for_the_nodes_that_are_to_run_it(
    platforms: tuple[Platform, ...] | None, constraints: str, expected: list[tuple[str, str]]
) -> None:
    context = Context(
        nodes=(node("rk1"), node("rk2"), node("rk3", platform=AMD)),
        images={"nginx:1.29.1": Image(platforms)},
    )
    assert placed(f"{{ constraints: {constraints} }}", context) == expected


def test_nodes_of_an_unknown_platform_are_left_alone() -> None:
    context = Context(
        nodes=(node(platform=None),), images={"nginx:1.29.1": Image((Platform("linux", "s390x"),))}
    )
    assert placed("{}", context) == []


def test_a_node_of_an_unknown_platform_may_be_the_one_that_runs_it() -> None:
    """So that the stack is not refused: nothing is known against it."""
    images = {"nginx:1.29.1": Image((Platform("linux", "s390x"),))}
    some = Context(nodes=(node("rk1"), node("rk2", platform=None)), images=images)
    assert placed("{}", some) == [("S11", "notice")]
    assert placed("{}", Context(images=images)) == []


@pytest.mark.parametrize(("architecture", "who"), [("s390x", "rk1 and rk3"), ("arm64", "rk3")])
def test_what_an_image_is_not_made_for_is_told_with_who_that_is(
    architecture: str, who: str
) -> None:
    images = {"nginx:1.29.1": Image((Platform("linux", architecture),))}
    nodes = node("rk1"), node("rk3", platform=AMD)
    (issue,) = issues(changed(), context=Context(nodes=nodes, images=images))
    assert issue.path == "services.web.image"
    assert who in issue.reason
    kinds = "amd64 or arm64" if architecture == "s390x" else "amd64"
    assert f"is not made for {kinds}, " in issue.reason


def test_which_images_are_needed_can_be_asked() -> None:
    services = "a: { image: nginx:1 }, b: { image: '${I}' }, c: { user: me }, d: { image: nginx:2 }"
    assert image_names(stack(f"services: {{ {services} }}")) == {"nginx:1", "nginx:2"}
    (issue,) = issues(changed(("    image: nginx:1.29.1\n", "")), context=CLUSTER)
    assert issue.rule == "S0"


# S9
# --


def mounted(
    mounts: str, constraints: str = "", context: Context | None = None
) -> list[tuple[str, str]]:
    place = f"{LIMITS}\n      placement: {{ constraints: [{constraints}] }}"
    text = changed((LIMITS, place), more=f"volumes: {mounts}")
    return rules(issues(text + VOLUMES, context=context or Context()))


VOLUMES = """\
volumes:
  data: {}
  named: { name: other, driver: local }
  shared: { driver_opts: { type: nfs4 } }
  plugin: { driver: rclone }
  unknown: { driver: "${D}" }
  external: { external: true }
  empty: { driver: "" }
  disk: { driver_opts: { type: ext4, device: /dev/sda1 } }
  some: { driver_opts: { type: "${T}" } }
"""


@pytest.mark.parametrize("path", ["./conf", "..", "~/conf", "../a", "./a/../b"])
def test_a_path_beside_the_file_is_refused(path: str) -> None:
    assert mounted(f"['{path}:/x:ro']") == [("S9", "refusal")]


MISSING = {"/srv/web": frozenset({"rk1", "rk3"}), "/srv/none": frozenset({"rk1", "rk2", "rk3"})}


@pytest.mark.parametrize(
    ("path", "constraints", "expected"),
    [
        ("/srv/web", "", [("S9", "notice")]),
        ("/srv//web/", "", [("S9", "notice")]),
        ("/srv/web", "node.hostname == rk2", []),
        ("/srv/web", "node.hostname == rk1", [("S9", "refusal")]),
        ("/srv/none", "", [("S9", "refusal")]),
        ("/srv/other", "", []),
    ],
)
def test_a_path_must_be_on_the_nodes(
    path: str, constraints: str, expected: list[tuple[str, str]]
) -> None:
    context = Context(nodes=CLUSTER.nodes, missing_paths=MISSING)
    assert mounted(f"['{path}:/x:ro']", constraints, context) == expected


def test_each_mount_is_looked_at() -> None:
    several = "['shared:/a:ro', './c:/b:ro', '/srv/other:/c:ro', '/srv/none:/d:ro']"
    context = Context(nodes=CLUSTER.nodes, missing_paths=MISSING)
    assert mounted(several, "", context) == [("S9", "refusal")] * 2
    assert mounted("['/srv/none:/d:ro']", "", Context(missing_paths=MISSING)) == []
    nowhere = mounted("['/srv/none:/d:ro']", "node.hostname == rk9", context)
    assert nowhere == REFUSED
    assert mounted("['data:/a:ro', 'shared:/b', 'data:/c']") == TOLD


def test_a_mount_without_a_source_is_none_of_a_path() -> None:
    said = {rule for rule, _ in mounted("[{ type: bind, target: /x }]")}
    assert not said & {"S9", "S12"}


def test_a_path_that_is_called_as_a_volume_is_a_path() -> None:
    text = changed(more="volumes: [{ type: bind, source: data, target: /x }]") + VOLUMES
    assert "the folder data is another one" in [issue.reason[:30] for issue in issues(text)]


def test_which_paths_are_needed_can_be_asked() -> None:
    text = changed(more="volumes: ['/srv//web:/a', 'data:/b', './c:/c', '/x:/d', '${D}:/e']")
    assert bind_paths(stack(text)) == {"/srv/web", "/x"}
    volume = changed(more="volumes: [{ type: volume, source: /y, target: /z }]")
    assert bind_paths(stack(volume)) == set()


# S12: data that stays behind
# ---------------------------


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        *(("data:/x", TOLD), ("named:/x", TOLD), ("external:/x", TOLD), ("data:/x:ro", [])),
        *(("shared:/x", []), ("plugin:/x", []), ("unknown:/x", []), ("/x", [])),
        *(("/srv/web:/x", TOLD), ("/srv/web:/x:ro", []), ("/etc/x:/x", []), ("/proc:/x", [])),
        *(("/etcetera:/x", TOLD), ("/var/log/x:/x", []), ("/var/logs:/x", TOLD)),
        *(("empty:/x", TOLD), ("disk:/x", TOLD), ("some:/x", []), ("/sys/x:/x", [])),
        *(("/dev/x:/x", []), ("/run/x:/x", []), ("/var/run/x:/x", []), ("/var/lib/docker:/x", [])),
    ],
)
def test_data_on_one_node_needs_the_task_there(mount: str, expected: list[tuple[str, str]]) -> None:
    assert mounted(f"['{mount}']") == expected


def test_the_whole_disk_is_no_folder_of_data() -> None:
    assert mounted("['/:/x']") == [("S8", "notice")]


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb", "sshfs", "ceph", "glusterfs", "ext4", "tmpfs"]
)
def test_a_file_system_that_nodes_share_holds_no_task(kind: str) -> None:
    declared = f"volumes: {{ media: {{ driver_opts: {{ type: {kind} }} }} }}\n"
    text = changed(more="volumes: ['media:/x']") + declared
    assert rules(issues(text)) == (TOLD if kind in ("ext4", "tmpfs") else [])


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        *(("node.hostname == rk1", []), ("node.hostname != rk1", TOLD), ("node.id == x", [])),
        *(("Node.Hostname == rk1", []), ("Node.Labels.data == yes", [])),
        ("a, node.hostname == rk1", REFUSED),
        *(("node.ip == 10.0.0.1", []), ("node.role == manager", TOLD), ("'${C}'", [])),
        *(("node.labels.data == yes", []), ("node.labels.data != yes", TOLD)),
    ],
)
def test_a_constraint_to_one_node_holds_it_there(
    constraints: str, expected: list[tuple[str, str]]
) -> None:
    assert mounted("['data:/x']", constraints) == expected


@pytest.mark.parametrize(
    ("constraints", "nodes", "expected"),
    [
        ("", (node("rk1"),), []),
        ("", (node("rk1"), node("rk2")), TOLD),
        ("node.labels.d == y", (node("rk1", labels={"d": "y"}), node("rk2")), []),
        (
            "node.labels.d == y",
            (node("rk1", labels={"d": "y"}), node("rk2", labels={"d": "y"})),
            TOLD,
        ),
        ("node.labels.d == y", (Node("rk1", others=True), Node("rk2", others=True)), []),
        ("node.labels.d == y", (node("rk1", labels={"d": "y"}), node("rk2", others=True)), []),
        (
            "node.labels.d == y, node.role == worker",
            (node("rk1", labels={"d": "y"}), node("rk2", others=True)),
            [],
        ),
    ],
)
def test_the_nodes_say_whether_there_is_but_one(
    constraints: str, nodes: tuple[Node, ...], expected: list[tuple[str, str]]
) -> None:
    assert mounted("['data:/x']", constraints, Context(nodes=nodes)) == expected


@pytest.mark.parametrize("mode", ["global", "replicated-job", "global-job"])
def test_a_task_on_each_node_and_a_job_stay_where_they_are(mode: str) -> None:
    text = changed((LIMITS, f"{LIMITS}\n      mode: {mode}"), more="volumes: ['data:/x']")
    assert issues(text + VOLUMES) == ()
