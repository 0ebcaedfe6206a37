"""Services and tasks as an engine describes them, made for tests: the JSON of its API."""

from __future__ import annotations

from typing import Any

SERVICE = "svc" + "0" * 22
OLD, NEW = "old" + "0" * 22, "new" + "0" * 22
FILE = {"Name": "/etc/app/pass word", "UID": "1000", "GID": "2000", "Mode": 0o440}


def secret(number: str = OLD, name: str = "db_v1", **file: Any) -> dict[str, Any]:
    return {"File": {**FILE, **file}, "SecretID": number, "SecretName": name}


def config(number: str = OLD, name: str = "app_v1", **file: Any) -> dict[str, Any]:
    return {"File": {**FILE, **file}, "ConfigID": number, "ConfigName": name}


def spec(
    name: str = "web",
    *,
    image: str = "app:1",
    replicas: int | None = 2,
    secrets: list[dict[str, Any]] | None = None,
    configs: list[dict[str, Any]] | None = None,
    mode: dict[str, Any] | None = None,
    container: dict[str, Any] | None = None,
    template: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A specification; replicas: ``None`` for a task on each node."""
    inside: dict[str, Any] = {"Image": image, "Env": ["PASSWORD=hunter2"], **(container or {})}
    if secrets is not None:
        inside["Secrets"] = secrets
    if configs is not None:
        inside["Configs"] = configs
    spread = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    return {
        "Name": name,
        "Labels": {},
        "TaskTemplate": {
            "ContainerSpec": inside,
            "ForceUpdate": 0,
            "Runtime": "container",
            **(template or {}),
        },
        "Mode": mode or spread,
        **more,
    }


def service(version: int = 20, of: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A service of ``GET /services``; more: such as ``UpdateStatus`` and ``PreviousSpec``."""
    return {"ID": SERVICE, "Version": {"Index": version}, "Spec": of or spec(), **more}


def task(
    number: int,
    of: dict[str, Any] | None = None,
    *,
    slot: int = 1,
    state: str = "running",
    desired: str = "running",
    error: str = "",
    exit_code: int | None = None,
    version: int = 30,
    **more: Any,
) -> dict[str, Any]:
    """A task of ``GET /tasks``."""
    status: dict[str, Any] = {"State": state, "Message": state}
    if error:
        status["Err"] = error
    if exit_code is not None:
        status["ContainerStatus"] = {"ContainerID": "c" * 64, "PID": 0, "ExitCode": exit_code}
    return {
        "ID": f"task{number:021d}",
        "Version": {"Index": version},
        "ServiceID": SERVICE,
        "Slot": slot,
        "NodeID": "node" + "0" * 21,
        "Spec": {
            key: value for key, value in (of or spec())["TaskTemplate"].items() if key != "Runtime"
        },
        "Status": status,
        "DesiredState": desired,
        **more,
    }
