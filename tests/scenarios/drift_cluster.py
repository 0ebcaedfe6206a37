"""A converged lab for the drift check, and the check as a user runs it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.description import Description
from tests.scenarios.conftest import (
    ROOT,
    SITE,
    Run,
    description_of_the_lab,
    environment,
    wait_for,
)
from tests.scenarios.drift_kinds.kind import Kind, Quiet

PYINFRA = Callable[..., Run]
SEED = int(os.environ.get("DRIFT_SEED", "0")) or random.randrange(1, 1_000_000)


@dataclass(frozen=True)
class Checked:
    """A finished check."""

    code: int
    report: dict[str, Any]
    errors: str
    seconds: float

    @property
    def found(self) -> list[dict[str, str]]:
        return [one for host in self.report["hosts"] for one in host["differences"]]

    def host(self, name: str) -> dict[str, Any]:
        return next(host for host in self.report["hosts"] if host["name"] == name)


@dataclass(frozen=True)
class Cluster:
    """A converged lab whose admins, labels and networks are declared.

    where: how the check is told of the cluster, on its command line.
    """

    lab: ModuleType
    found: Description
    keys: dict[str, str]
    settings: dict[str, str] = field(repr=False)
    apply: PYINFRA = field(repr=False)
    where: tuple[str, ...] = ("--lab",)

    def check(self, *arguments: str, **settings: str) -> Checked:
        """``python -m pyinfra_swarm.drift --json``, as a user runs it."""
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pyinfra_swarm.drift", *self.where, "--json", *arguments],
            cwd=ROOT,
            env=environment({**self.settings, **settings}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=400,
        )
        assert done.stdout, done.stderr
        took = time.monotonic() - begun
        return Checked(done.returncode, json.loads(done.stdout), done.stderr, took)

    def mend(self, deploy: str = SITE[1]) -> None:
        """The whole job once more, or one deploy of it."""
        run = self.apply("-y", SITE[0], deploy, env=self.settings)
        assert run.returncode == 0, run.output

    def run(self, host: str, kind: Kind | Quiet, script: str, *, there: bool = False) -> None:
        """Something that happens to a host, done there or by a manager."""
        by_manager = isinstance(kind, Kind) and kind.by_manager
        at = host if there or not by_manager else self.acting(but=host)
        user, image = self.found.host(host).user, self.found.web_image_url
        variables = {**self.keys, "NODE": host, "LOGIN": user, "IMAGE": image}
        set_all = "".join(f"{name}='{value}'; " for name, value in variables.items())
        done = self.lab.run(at, ["sudo", "bash", "-c", set_all + script], check=False)
        assert done.returncode == 0, f"{kind.name} on {host}: {done.stdout}{done.stderr}"

    def acting(self, but: str = "") -> str:
        """The manager that speaks for the swarm, and is not ``but``."""
        managers = [host.name for host in self.found.hosts if host.role == "manager"]
        return next(name for name in managers if name != but)


def settled(cluster: Cluster) -> None:
    """Every node is back; a check before that would rightly say that one is not."""
    template = "{{.Status}} {{.ManagerStatus}}"
    wanted = sorted(["Ready Leader", "Ready Reachable", "Ready Reachable", "Ready"])

    def all_ready() -> bool:
        said = cluster.lab.run(
            cluster.acting(), f"sudo docker node ls --format '{template}'", check=False
        ).stdout
        return sorted(line.strip() for line in said.splitlines()) == wanted

    wait_for(all_ready, "all nodes to be ready", 180)


def public(private: Path | str) -> str:
    words = ["ssh-keygen", "-y", "-f", str(private)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return " ".join(said[:2])


def converged(
    lab: ModuleType,
    pyinfra: PYINFRA,
    folder: Path,
    *,
    admins: Sequence[str] = (),
    more: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """A fixture's body: the lab, converged, and without what was declared for it afterwards.

    admins: of further ones, with a key that nobody has. more: further settings; where they name a
        file of settings (``SWARM_SETTINGS``), the check is told of the cluster by that.
    """
    found = description_of_the_lab()
    keys = {"LAB": public(found.ssh_key)}
    for name in ("SPARE", "STRANGER"):
        path = folder / name
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True
        )
        keys[name] = public(path)
    hosts = [
        {
            "name": host.name,
            "address": host.address,
            "role": host.role,
            "labels": {"zone": host.name},
            "ssh_host": host.ssh_host,
            "ssh_port": host.ssh_port,
            "ssh_user": host.user,
        }
        for host in found.hosts
    ]
    declared = [{"name": found.hosts[0].user, "keys": [keys["LAB"], keys["SPARE"]]}]
    declared += [{"name": name, "keys": [keys["SPARE"]]} for name in admins]
    settings = {
        "SWARM_HOSTS": json.dumps(hosts),
        "SWARM_ACCESS__ADMINS": json.dumps(declared),
        "SWARM_NETWORKS__OVERLAYS": json.dumps([{"name": "apps"}]),
        **(more or {}),
    }
    where = () if "SWARM_SETTINGS" in settings else ("--lab",)
    made = Cluster(lab, found, keys, settings, pyinfra, where)
    made.mend()
    checked = made.check()
    assert (checked.code, checked.found) == (0, []), checked.errors
    yield made
    # Who comes next declares no labels and no networks, and would be told of these.
    undo = "".join(f"docker node update --label-rm zone {host['name']}; " for host in hosts)
    lab.run(made.acting(), ["sudo", "sh", "-c", f"{undo}docker network rm apps"], check=False)
    for name, host in product(admins, hosts):
        lab.run(host["name"], ["sudo", "userdel", "--remove", name], check=False)
