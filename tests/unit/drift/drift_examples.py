"""Runs and reports for the tests of the drift check."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pyinfra_swarm.drift.report import Host, HostReport, Report, report
from pyinfra_swarm.drift.run import Operation, Run

AT = datetime(2026, 11, 24, 6, 12, 30, tzinfo=UTC)
HOSTS = (
    Host("rk1", "manager", "192.168.1.11"),
    Host("rk2", "manager", "192.168.1.12"),
    Host("rk3", "worker", "192.168.1.13"),
)
OPERATIONS = {"SSH": "ssh", "Docker": "docker", "Docker daemon": "docker", "Swarm": "swarm"}
BOARDS = """
[cluster]
name = "home"
[[hosts]]
name = "rk1"
address = "192.168.1.11"
ssh_host = "127.0.0.1"
ssh_port = 1
role = "manager"
"""
"""Settings of a board that cannot be reached."""

DEPLOYS = ("deploys/docker.py", "deploys/site.py", "deploys/ssh.py", "deploys/swarm.py")


def looked(host: str, *operations: str) -> list[dict[str, Any]]:
    """The records of operations (all, if none is named) that have looked at a host."""
    return [
        {"host": host, "part": OPERATIONS[name], "phase": "plan", "kind": "looked", "what": name}
        for name in operations or OPERATIONS
    ]


def found(host: str, part: str, what: str, kind: str = "change", **more: str) -> dict[str, Any]:
    """The record of a finding."""
    texts = {"reason": "is not as declared", "expected": "", "found": "", "remedy": "", **more}
    return {"host": host, "part": part, "phase": "plan", "kind": kind, "what": what, **texts}


def failed(host: str, reason: str) -> dict[str, Any]:
    """The record of a host that is not done."""
    return {"host": host, "part": "", "phase": "plan", "kind": "failed", "reason": reason}


def measure(what: str, value: Any, part: str = "swarm", host: str = "") -> dict[str, Any]:
    """The record of a value that is no finding."""
    return {"host": host, "part": part, "kind": "measure", "what": what, "value": value}


def busy(seconds: int = 0, **asked: Any) -> Report:
    """The report of a check that met a run which had gone on for so long."""
    record = {"kind": "busy", "host": "rk1", "part": "lock", "what": "cluster lock"}
    return reported(run_of([{**record, "reason": "held by ada", "seconds": seconds}]), **asked)


def all_looked() -> list[dict[str, Any]]:
    """Every host looked at by every operation."""
    return [record for host in HOSTS for record in looked(host.name)]


def run_of(
    records: list[dict[str, Any]],
    changing: dict[str, tuple[str, ...]] | None = None,
    **more: Any,
) -> Run:
    """A finished dry run; ``changing``: operations to the hosts they would change."""
    plan = tuple(Operation(name, (changing or {}).get(name, ())) for name in OPERATIONS)
    return Run(**{"status": 0, "operations": plan, "records": tuple(records), **more})


def reported(run: Run, at: datetime = AT, **more: Any) -> Report:
    """The report of a run."""
    asked = {"cluster": "home", "deploy": "deploys/site.py", "deploys": DEPLOYS, "timeout": 300.0}
    return report(run, more.pop("hosts", HOSTS), at=at, **{**asked, **more})


def host_in(report: Report, name: str) -> HostReport:
    """What a report says of a host."""
    return next(host for host in report.hosts if host.name == name)
