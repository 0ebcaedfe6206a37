"""S3 to S6: health checks, updates, memory, images."""

from __future__ import annotations

import pytest

from pyinfra_swarm.stacks.lint import Context, Image
from tests.unit.stacks.stack_examples import GOOD, changed, issues, rules

NOTICE = "notice"
CHECK = """\
    healthcheck:
      test: wget -qO- http://127.0.0.1/
      interval: 10s
      timeout: 3s
      start_period: 10s
"""
UPDATE = "      update_config: { failure_action: rollback, monitor: 30s }\n"
LIMITS = "      resources: { limits: { memory: 64M } }\n"
IMAGE = "image: nginx:1.29.1"


def checked(check: str, context: Context | None = None) -> list[tuple[str, str]]:
    """What is said of the service with another health check."""
    return rules(issues(changed((CHECK, check and f"    healthcheck: {check}\n")), context=context))


# S3
# --


@pytest.mark.parametrize("check", ["", "{}", "{ interval: 10s, timeout: 3s }", "{ test: [] }"])
def test_a_service_without_a_test_is_told(check: str) -> None:
    assert checked(check) == [("S3", NOTICE)]


@pytest.mark.parametrize(
    "check", ["{ disable: true }", "{ test: [NONE] }", "{ disable: '${OFF}' }"]
)
def test_a_check_that_is_switched_off_is_meant(check: str) -> None:
    assert checked(check) == []


def test_a_check_that_is_not_switched_off_is_none() -> None:
    assert checked("{ disable: false }") == [("S3", NOTICE)]


@pytest.mark.parametrize(("has_one", "expected"), [(True, []), (False, [("S3", NOTICE)])])
def test_an_image_may_have_one(has_one: bool, expected: list[tuple[str, str]]) -> None:
    context = Context(images={"nginx:1.29.1": Image(healthcheck=has_one)})
    assert checked("", context) == expected
    assert checked("", Context(images={"nginx:2": Image(healthcheck=True)})) == [("S3", NOTICE)]


GOOD_TIMES = "interval: 10s, timeout: 3s, start_period: 10s"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        *((GOOD_TIMES, 0), ("interval: 10s, timeout: 10s, start_period: 1s", 0)),
        *(("start_period: 1s", 0), ("timeout: 31s, start_period: 1s", 1)),
        *(("interval: 29s, start_period: 1s", 1), ("interval: 5s, timeout: 6s", 2)),
        *(("interval: 0s, timeout: 5s, start_period: 1s", 0), (f"{GOOD_TIMES}, retries: 1", 1)),
        *((f"{GOOD_TIMES}, retries: 2", 0), (f"{GOOD_TIMES}, retries: 0", 0)),
        *(("interval: 10s, timeout: 3s", 1), ("interval: 10s, timeout: 3s, start_period: 0s", 1)),
        *(("interval: '${I}', start_period: 1s", 0), ("timeout: 3s, start_period: '${S}'", 0)),
        *(("timeout: '${T}', start_period: 1s", 0), ("timeout: 30s, start_period: 1s", 0)),
        *(
            ("interval: 30s, start_period: 1s", 0),
            ("interval: 29s, timeout: 0s, start_period: 1s", 1),
        ),
    ],
)
def test_times_that_do_not_fit_are_told(times: str, expected: int) -> None:
    assert checked(f"{{ test: 'true', {times} }}") == [("S3", NOTICE)] * expected


def test_times_of_the_images_own_check_count_too_but_for_the_start() -> None:
    context = Context(images={"nginx:1.29.1": Image(healthcheck=True)})
    assert checked("{ interval: 5s, timeout: 6s }", context) == [("S3", NOTICE)]
    assert checked("{ interval: 6s, timeout: 5s }", context) == []


# S4
# --


@pytest.mark.parametrize(
    ("update", "expected"),
    [
        *(("", 1), ("{}", 1), ("{ monitor: 30s }", 1), ("{ failure_action: pause }", 1)),
        *(("{ failure_action: rollback }", 1), ("{ failure_action: rollback, monitor: 0s }", 1)),
        *(("{ failure_action: rollback, monitor: 1s }", 0), ("{ failure_action: continue }", 0)),
        *(("{ failure_action: '${A}' }", 0), ("{ failure_action: rollback, monitor: '${M}' }", 0)),
    ],
)
def test_an_update_that_would_stop_half_way_is_told(update: str, expected: int) -> None:
    text = changed((UPDATE, update and f"      update_config: {update}\n"))
    assert rules(issues(text)) == [("S4", NOTICE)] * expected


FIRST = "      update_config: { failure_action: rollback, monitor: 30s, order: start-first }\n"
VOLUMES = "volumes:\n  data: { driver_opts: { type: nfs } }\n"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        *(("volumes: ['data:/data']", 1), ("volumes: ['data:/data:ro']", 0)),
        *(("volumes: ['/etc/x:/data']", 1), ("volumes: ['/data']", 0)),
        *(("volumes: [{ type: tmpfs, target: /x }]", 0), ("user: me", 0)),
        *(("ports: [{ target: 1, published: 80, mode: host }]", 1), ("ports: ['80:80']", 0)),
        ("volumes: ['data:/data']\nports: [{ target: 1, published: 80, mode: host }]", 2),
    ],
)
def test_start_first_with_what_one_alone_can_have_is_told(more: str, expected: int) -> None:
    place = (LIMITS, f"{LIMITS}      placement: {{ constraints: [node.hostname == rk1] }}\n")
    text = changed((UPDATE, FIRST), place, more=more) + VOLUMES
    assert rules(issues(text)) == [("S4", NOTICE)] * expected
    back = FIRST.replace("update", "rollback").replace("rollback, ", "pause, ", 1)
    text = changed((UPDATE, UPDATE + back), place, more=more) + VOLUMES
    assert rules(issues(text)) == [("S4", NOTICE)] * expected


def test_a_port_that_the_node_chooses_is_held_by_nobody() -> None:
    port = "ports: [{ target: 1, mode: host }]"
    assert rules(issues(changed((UPDATE, FIRST), more=port))) == [("S2", NOTICE)]


MESH = "ports: ['80:80']"


@pytest.mark.parametrize(
    ("update", "deploy", "more", "expected"),
    [
        *(("parallelism: 0", "replicas: 2", MESH, 1), ("parallelism: 1", "replicas: 2", MESH, 0)),
        *(("parallelism: 2", "replicas: 2", MESH, 1), ("parallelism: 2", "replicas: 3", MESH, 0)),
        *(("parallelism: 3", "replicas: 2", MESH, 1), ("monitor: 9s", "replicas: 2", MESH, 0)),
        *(("parallelism: 0", "replicas: 1", MESH, 0), ("parallelism: 0", "replicas: 0", MESH, 0)),
        *(("parallelism: 0", "mode: global", MESH, 1), ("parallelism: 2", "mode: global", MESH, 0)),
        *(("parallelism: 0", "replicas: '${R}'", MESH, 1), ("parallelism: 0", "", MESH, 0)),
        *(("parallelism: 2", "replicas: '${R}'", MESH, 0),),
        *(("parallelism: '${P}'", "replicas: 2", MESH, 0),),
        *(("parallelism: 0", "replicas: 2", "user: me", 0),),
        ("parallelism: 0", "mode: global", "ports: [{ target: 1, published: 80, mode: host }]", 1),
    ],
)
def test_start_first_of_all_tasks_at_once_is_told_of_what_the_mesh_serves(
    update: str, deploy: str, more: str, expected: int
) -> None:
    deploy = deploy and f"      {deploy}\n"
    now = f"      update_config: {{ failure_action: rollback, order: start-first, {update}"
    now += " }\n" if "monitor" in update else ", monitor: 30s }\n"
    found = issues(changed((UPDATE, now + deploy), more=more))
    assert rules(found) == [("S4", NOTICE)] * expected
    back = f"      rollback_config: {{ order: start-first, {update} }}\n"
    found = issues(changed((UPDATE, UPDATE + back + deploy), more=more))
    assert rules(found) == [("S4", NOTICE)] * expected
    stops = issues(changed((UPDATE, now.replace("start-", "stop-") + deploy), more=more))
    assert rules(stops) == []


def test_it_is_told_at_the_number_that_says_so() -> None:
    now = "      update_config:\n        failure_action: rollback\n        monitor: 30s\n"
    now += "        order: start-first\n        parallelism: 0\n      replicas: 2\n"
    text = changed((UPDATE, now), more=MESH)
    (found,) = issues(text)
    assert found.path == "services.web.deploy.update_config.parallelism"
    assert "parallelism: 0" in text.splitlines()[found.line - 1]


@pytest.mark.parametrize("mode", ["replicated-job", "global-job"])
def test_a_job_is_neither_checked_nor_updated(mode: str) -> None:
    text = changed((CHECK, ""), (UPDATE, f"      mode: {mode}\n"))
    assert issues(text) == ()


# S5, S6
# ------


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        *(("", 1), ("resources: {}", 1), ("resources: { limits: { cpus: '1' } }", 1)),
        *(("resources: { reservations: { memory: 1G } }", 1),),
        *(
            ("resources: { limits: { memory: '0' } }", 1),
            ("resources: { limits: { memory: '' } }", 1),
        ),
        *(
            ("resources: { limits: { memory: '${M}' } }", 0),
            ("resources: { limits: { memory: 10M } }", 0),
        ),
        ("resources: { limits: { memory: '100' } }", 0),
    ],
)
def test_a_service_without_a_memory_limit_is_told(limits: str, expected: int) -> None:
    text = changed((LIMITS, limits and f"      {limits}\n"))
    assert rules(issues(text)) == [("S5", NOTICE)] * expected


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        *(("nginx", 1), ("nginx:latest", 1), ("registry:5000/nginx", 1), ("a/b/c", 1)),
        *(("nginx:1", 0), ("registry:5000/nginx:1", 0), ("nginx:stable", 0)),
        *((f"nginx@sha256:{'0' * 64}", 0), (f"nginx:latest@sha256:{'0' * 64}", 0)),
        *(("nginx:${TAG}", 0), ("nginx:${TAG:-latest}", 1), ("nginx:${TAG:-1}", 0)),
        ("${IMAGE}", 0),
    ],
)
def test_an_image_that_may_change_is_told(image: str, expected: int) -> None:
    found = issues(changed((IMAGE, f"image: {image}")))
    assert rules(found) == [("S6", NOTICE)] * expected


def test_a_service_without_an_image_is_what_docker_refuses() -> None:
    for image in ("user: me", "image: ''"):
        found = issues(changed((f"    {IMAGE}\n", f"    {image}\n")))
        assert rules(found) == [("S0", "refusal")]
        assert found[0].path == "services.web.image"
    found = issues(changed((f"    {IMAGE}\n", ""), (CHECK, "")))
    assert rules(found) == [("S0", "refusal"), ("S3", NOTICE)]


def test_an_image_is_told_as_the_file_has_it() -> None:
    (found,) = issues(changed((IMAGE, "image: nginx:${TAG}")), env={"TAG": "latest"})
    assert found.reason == "nginx:${TAG} is latest"
    assert found.path == "services.web.image"


def test_each_service_is_looked_at() -> None:
    body = GOOD.partition("services:\n")[2].partition("networks:\n")[0]
    second = body.replace("web:", "api:").replace(LIMITS, "")
    (issue,) = issues(GOOD.replace("\nnetworks:\n", f"\n{second}networks:\n"))
    assert issue.path == "services.api.deploy.resources.limits.memory"


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ((CHECK, ""), "healthcheck", "if its image has none either"),
        (
            (CHECK, "    healthcheck: { test: x, interval: 29s, start_period: 1s }\n"),
            *("healthcheck.interval", "every 29 s"),
        ),
        (
            (CHECK, "    healthcheck: { test: x, timeout: 31s, start_period: 1s }\n"),
            *("healthcheck.timeout", "may take 31 s and is to come every 30 s"),
        ),
        ((UPDATE, ""), "deploy", "is not given"),
        (
            (UPDATE, "      update_config: { failure_action: pause }\n"),
            *("deploy.update_config.failure_action", "failure_action is pause: an update"),
        ),
        ((IMAGE, "image: nginx"), "image", "nginx has no tag"),
        ((IMAGE, "image: nginx:latest"), "image", "nginx:latest is latest"),
    ],
)
def test_a_notice_says_where_and_what(change: tuple[str, str], path: str, words: str) -> None:
    (found,) = issues(changed(change))
    assert found.path.startswith(f"services.web.{path}")
    assert words in found.reason


def test_the_image_s_own_words_are_told_where_they_are_known() -> None:
    without = Context(images={"nginx:1.29.1": Image(healthcheck=False)})
    (found,) = issues(changed((CHECK, "")), context=without)
    assert "neither this service nor its image has one" in found.reason


def test_docker_s_socket_is_no_data_that_two_tasks_write() -> None:
    socket = "volumes: ['/var/run/docker.sock:/var/run/docker.sock']"
    found = issues(changed((UPDATE, FIRST), more=socket))
    assert ("S4", NOTICE) not in rules(found)
