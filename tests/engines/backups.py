"""Backups of swarms on real engines: how they are made, and what is in them.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.engines.hosts import EngineError, Hosts
from tests.scenarios.conftest import Run

MANAGERS, WORKERS = ("rk1", "rk2", "rk3"), ("rk4",)
BACKUP = ("inventory.py", "deploys/backup.py")
RESTORE = ("inventory.py", "deploys/restore.py")
RECOVER = ("inventory.py", "deploys/recover.py")
UNLOCK = ("inventory.py", "deploys/unlock.py")
CANARY = "canary-3f1c9a"
"""What the swarm's secret and config hold."""


def declare(hosts: Hosts, key: Path, folder: Path, unlock_key_file: Path | None = None) -> None:
    recipient = key.with_suffix(".pub").read_text().strip()
    autolock = {"autolock": True, "unlock_key_file": str(unlock_key_file)}
    hosts.settings(
        MANAGERS,
        WORKERS,
        backup={"recipients": [recipient], "folder": str(folder), "keep": 2},
        swarm=autolock if unlock_key_file else {},
    )


def fill(hosts: Hosts, at: str) -> None:
    """Something of everything that a swarm keeps."""
    encoded = base64.b64encode(CANARY.encode()).decode()
    hosts.api(at, "/secrets/create", {"Name": "password", "Data": encoded})
    hosts.api(at, "/configs/create", {"Name": "settings", "Data": encoded})
    hosts.docker(at, "network", "create", "-d", "overlay", "--opt", "encrypted", "backend")
    hosts.docker(at, "node", "update", "--label-add", "disk=nvme", "rk4")
    hosts.docker(
        at,
        *("service", "create", "-d", "--name", "web", "--replicas", "2", "--network", "backend"),
        *("--secret", "password", "busybox", "sleep", "1000"),
    )


def kept(hosts: Hosts, at: str) -> dict[str, object]:
    """What of it an engine knows."""
    networks = hosts.api(at, "/networks")
    return {
        "swarm": hosts.api(at, "/swarm")["ID"],
        "services": {s["Spec"]["Name"]: s["ID"] for s in hosts.api(at, "/services")},
        "secrets": {s["Spec"]["Name"]: s["ID"] for s in hosts.api(at, "/secrets")},
        "configs": {
            c["Spec"]["Name"]: base64.b64decode(c["Spec"]["Data"]).decode()
            for c in hosts.api(at, "/configs")
        },
        # Without the ingress network, which the site replaces by an encrypted one.
        "overlays": {
            n["Name"]: n["Id"] for n in networks if n["Scope"] == "swarm" and not n["Ingress"]
        },
        "labels": hosts.nodes(at)["rk4"].labels,
    }


def back_up(hosts: Hosts, folder: Path, *more: str) -> Path:
    run = hosts.pyinfra("-y", *BACKUP, *more)
    assert run.returncode == 0, run.output
    return newest(folder)


def newest(folder: Path) -> Path:
    return sorted(folder.iterdir())[-1]


def restore(
    hosts: Hosts, file: Path, key: Path, *more: str, env: Mapping[str, str] | None = None
) -> Run:
    options = ("--data", f"file={file}", "--data", f"identity={key}")
    return hosts.pyinfra("-y", *RESTORE, *options, *more, env=env)


def holds_a_state(output: str) -> bool:
    """Whether something compressed is in what was printed; what facts answer is encoded text."""
    for encoded in re.findall(r"[A-Za-z0-9+/]{300,}", output):
        decoded = base64.b64decode(encoded[: len(encoded) // 4 * 4])
        if sum(byte >= 0x80 for byte in decoded) > len(decoded) // 20:
            return True
    return False


def wait_until(true: Callable[[], bool], otherwise: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.1)


def engine_runs(hosts: Hosts, name: str) -> bool:
    return hosts.run(name, "systemctl is-active docker", check=False).stdout == "active\n"


def answers(hosts: Hosts, name: str) -> bool:
    try:
        hosts.api(name, "/nodes")
    except EngineError:
        return False
    return True


def is_in_networks(hosts: Hosts, name: str) -> bool:
    """The engine has its end of the ingress network, which every node gets, and hears of it."""
    ingress = hosts.api(name, "/networks/ingress")
    return "ingress-sbox" in (ingress["Containers"] or {}) and bool(ingress.get("Peers"))


def left_behind(hosts: Hosts, name: str) -> str:
    return hosts.run(
        name, "ls -A /run /var/lib/docker | grep -e backup -e restore", check=False
    ).stdout
