"""Services of real engines that are quick to judge, for the tests that update them."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from pyinfra_swarm.services import verdict
from pyinfra_swarm.services.ended import Ended
from pyinfra_swarm.services.operations import await_update, update
from pyinfra_swarm.services.service import Service, parse_service
from pyinfra_swarm.services.verdict import Completed, Failed
from tests.engines.hosts import Hosts
from tests.engines.managers import Manager

SECOND = 10**9
GOES_ON = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
CRASHES = ["sh", "-c", "echo giving up; sleep 0.1; exit 5"]
HOST_NAMES = ("rk1", "rk2")
IN_BACKGROUND = "setsid python3 >/dev/null 2>&1 </dev/null"


def until(true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


def spec(
    command: str = GOES_ON, *, replicas: int = 2, container: Any = None, **more: Any
) -> dict[str, Any]:
    """A service that is quick to judge."""
    return {
        "Name": "web",
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "busybox",
                "Command": ["sh", "-c", command],
                "Env": ["PASSWORD=hunter2"],
                "StopGracePeriod": SECOND,
                **(container or {}),
            },
            "RestartPolicy": {"Delay": SECOND // 5},
        },
        "Mode": {"Replicated": {"Replicas": replicas}},
        "UpdateConfig": {"Parallelism": 1, "Monitor": SECOND},
        "RollbackConfig": {"Parallelism": 1, "Monitor": SECOND},
        **more,
    }


def create(hosts: Hosts, of: dict[str, Any]) -> Service:
    """A service as it is when its tasks run."""
    number = hosts.api("rk1", "/services/create", of)["ID"]
    ended = await_update(manager(hosts), read(hosts, number), 0)
    assert ended.done, ended.sentence()
    service = read(hosts, number)
    assert len(running(hosts, number)) == (service.replicas or 0) or service.mode != "replicated"
    return service


def manager(hosts: Hosts) -> Any:
    return Manager(hosts, "rk1")


def read(hosts: Hosts, number: str) -> Service:
    return parse_service(hosts.api("rk1", f"/services/{number}"))


def changed(service: Service, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A service's specification with something changed in its container."""
    of: dict[str, Any] = copy.deepcopy(dict(service.spec))
    change(of["TaskTemplate"]["ContainerSpec"])
    return of


def running(hosts: Hosts, number: str) -> list[dict[str, Any]]:
    query = quote(json.dumps({"service": [number], "desired-state": ["running"]}))
    found = hosts.api("rk1", f"/tasks?filters={query}")
    return [one for one in found if one["Status"]["State"] == "running"]


def makes(hosts: Hosts, kind: str, name: str, value: str) -> str:
    body = {"Name": name, "Data": base64.b64encode(value.encode()).decode()}
    return str(hosts.api("rk1", f"/{kind}s/create", body)["ID"])


def fails(hosts: Hosts, service: Service, of: dict[str, Any]) -> Ended:
    """Update it, see it fail, and that it has and runs again what it had before."""
    ended = update(manager(hosts), service, of, doing="changing it")
    assert isinstance(ended.outcome, Failed), ended.sentence()
    assert isinstance(ended.back, Completed), ended.sentence()
    now = read(hosts, service.id)
    assert verdict.same_spec(now.spec, service.spec)
    tasks = running(hosts, service.id)
    assert len(tasks) == (service.replicas or len(HOST_NAMES)), ended.sentence()
    [run] = {json.dumps(task["Spec"]["ContainerSpec"]) for task in tasks}
    assert json.loads(run) == now.spec["TaskTemplate"]["ContainerSpec"]
    return ended


def cause(ended: Ended) -> tuple[str, str, str]:
    assert isinstance(ended.outcome, Failed)
    return ended.outcome.by, ended.outcome.cause.kind, ended.outcome.cause.sentence()


def used(number: str, name: str, kind: str = "Secret", **file: Any) -> dict[str, Any]:
    where = {"Name": "/etc/app/the password", "UID": "1000", "GID": "2000", "Mode": 0o440, **file}
    return {"File": where, f"{kind}ID": number, f"{kind}Name": name}
