"""S3 to S6: whether a service stays up, and whether a failed update leaves it so."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra_swarm.stacks.compose import Merged
from pyinfra_swarm.stacks.lint.context import Context
from pyinfra_swarm.stacks.lint.issue import Issue
from pyinfra_swarm.stacks.lint.rules import HEALTH, IMAGE, MEMORY, UPDATE
from pyinfra_swarm.stacks.lint.services import Service, services
from pyinfra_swarm.stacks.longform import seconds


def running(stack: Merged, context: Context) -> Iterator[Issue]:
    """Health checks, updates, memory limits, images."""
    for service in services(stack):
        if not service.is_job:
            yield from _health(service, context)
            yield from _update(service)
        yield from _memory(service)
        yield from _image(service)


_WRONG_SIDE = "a task counts as up as soon as its first process runs"


def _health(service: Service, context: Context) -> Iterator[Issue]:
    test = service.words("healthcheck", "test")
    disabled = service.text("healthcheck", "disable") in (None, "True")
    if disabled or (test and test[0].value == "NONE"):
        return  # by somebody who knows that there is one
    if not test:
        node = service.scalar("image")
        image = context.images.get(str(node.value)) if node and not node.unknown else None
        has_one = image.healthcheck if image else None
        if not has_one:
            why = (
                "neither this service nor its image has one"
                if has_one is False
                else "this service has none; if its image has none either"
            )
            yield service.notice(
                HEALTH,
                ("healthcheck",),
                f"{why}, {_WRONG_SIDE}: an update replaces every task by one that answers nothing",
                "add a healthcheck with a test; with disable: true, or a comment, you say that "
                "there is to be none",
            )
            return
    yield from _timing(service)


_INTERVAL, _TIMEOUT = 30.0, 30.0
"""The engine's own, in seconds (``daemon/health.go``)."""


def _timing(service: Service) -> Iterator[Issue]:
    interval = _seconds(service, "interval", _INTERVAL)
    timeout = _seconds(service, "timeout", _TIMEOUT)
    if interval is not None and timeout is not None and interval < timeout:
        where = "timeout" if service.node("healthcheck", "timeout") else "interval"
        yield service.notice(
            HEALTH,
            ("healthcheck", where),
            f"a check may take {timeout:g} s and is to come every {interval:g} s: one that hangs "
            "holds up the next ones, so that a dead task is noticed late",
            "write a timeout that is shorter than the interval",
        )
    retries = service.scalar("healthcheck", "retries")
    if retries and retries.value == 1:
        yield service.notice(
            HEALTH,
            ("healthcheck", "retries"),
            "one check that fails has the task replaced: a short load is enough for that",
            "write retries: 3",
        )
    start = _seconds(service, "start_period", 0.0)
    if service.words("healthcheck", "test") and start == 0:
        yield service.notice(
            HEALTH,
            ("healthcheck",),
            "has no start_period: a task that takes long to start, on a busy board, is killed "
            "before it is up, again and again",
            "write start_period: 30s, or what the slowest start takes; a check that succeeds ends "
            "it at once",
        )


def _seconds(service: Service, key: str, default: float) -> float | None:
    """A length of time: the engine's where it is not given or 0, ``None`` where it is unknown."""
    text = service.text("healthcheck", key)
    return None if text is None else seconds(text) or default


def _update(service: Service) -> Iterator[Issue]:
    action = service.text("deploy", "update_config", "failure_action")
    if action in ("", "pause"):
        said = "is pause" if action else "is not given, and Swarm's own is pause"
        yield service.notice(
            UPDATE,
            ("deploy", "update_config", "failure_action"),
            f"failure_action {said}: an update that fails stops where it is, some tasks old and "
            "some broken, until somebody looks",
            "write deploy.update_config.failure_action: rollback",
        )
    elif action == "rollback" and not _monitor(service):
        yield service.notice(
            UPDATE,
            ("deploy", "update_config"),
            "has no monitor: Swarm looks at a new task for 5 seconds, and one that fails later "
            "does not end the update",
            "write monitor: 30s, or longer than a task takes to fail",
        )
    for which in ("update_config", "rollback_config"):
        if service.text("deploy", which, "order") == "start-first":
            yield from _start_first(service, which)
            yield from _all_at_once(service, which)


def _monitor(service: Service) -> bool:
    text = service.text("deploy", "update_config", "monitor")
    return text is None or bool(seconds(text))


def _start_first(service: Service, which: str) -> Iterator[Issue]:
    path = ("deploy", which, "order")
    written = [one for one in service.mounts if one.kind != "tmpfs" and not one.read_only]
    shared = [one for one in written if one.source and not one.source.endswith("docker.sock")]
    if shared:
        yield service.notice(
            UPDATE,
            path,
            f"start-first has the old task and the new one write {shared[0].shown} at the same "
            "time, if they are on one node",
            "write order: stop-first, unless the program is made for that",
        )
    ports = [port.published for port in service.ports if port.mode == "host" and port.published]
    if ports:
        yield service.notice(
            UPDATE,
            path,
            f"with start-first a new task needs a node where port {ports[0]} is free, and the "
            "old one holds it: the update waits for ever where there is no other node",
            "write order: stop-first",
        )


def _all_at_once(service: Service, which: str) -> Iterator[Issue]:
    """Nodes hear of tasks that come and of tasks that go from different nodes, in any order."""
    parallelism = service.scalar("deploy", which, "parallelism")
    if parallelism is None or parallelism.unknown or not isinstance(parallelism.value, int):
        return
    at_once, tasks = parallelism.value, None if service.is_global else service.replicas
    has_others = tasks is None or tasks > 1
    all_of_them = at_once == 0 or (tasks is not None and at_once >= tasks)
    if has_others and all_of_them and any(port.mode == "ingress" for port in service.ports):
        yield service.notice(
            UPDATE,
            ("deploy", which, "parallelism"),
            f"with parallelism {at_once} all new tasks take over at one moment: a node that hears "
            "that the old ones go before it hears of the new ones has none left, and refuses "
            "requests until it does",
            "leave parallelism out, which means 1; or write a number below that of the tasks",
        )


def _memory(service: Service) -> Iterator[Issue]:
    limit = service.text("deploy", "resources", "limits", "memory")
    if limit is not None and not limit.strip("0.bBkKmMgG"):
        yield service.notice(
            MEMORY,
            ("deploy", "resources", "limits", "memory"),
            "has no memory limit: if it leaks, the node's kernel ends whatever is largest, which "
            "may be the engine or a manager's state",
            "write deploy.resources.limits.memory: 256M, or what it needs at most",
        )


def _image(service: Service) -> Iterator[Issue]:
    image = service.scalar("image")
    if image is None or image.unknown or not image.value:
        return
    tag = str(image.value).rpartition("/")[2].partition(":")[2]  # or what a digest names
    shown = image.shown
    if tag in ("", "latest"):
        yield service.notice(
            IMAGE,
            ("image",),
            f"{shown} has no tag, so it is latest" if not tag else f"{shown} is latest",
            "name a version that you have tried: the next deploy may bring another one, and "
            "a rollback finds the same name again",
        )
