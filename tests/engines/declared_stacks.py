"""Stacks that are declared for real engines, and what the engines say of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from pyinfra_swarm.settings.labels import STACK
from tests.engines import programs
from tests.engines.conftest import SWARM
from tests.engines.hosts import Hosts
from tests.scenarios.conftest import Run, changes_in, lines_with, wait_for

STACKS = ("inventory.py", "deploys/stacks.py")

WEB = """\
services:
  app:
    image: busybox:latest
    command: ["sleep", "9999"]
    init: true
    environment: { GREETING: "${GREETING}", LEVEL: "1" }
    networks: [inner]
    healthcheck: { test: ["CMD", "true"], interval: 1s, timeout: 1s, start_period: 1s }
    deploy:
      replicas: 2
      update_config: { order: start-first, failure_action: rollback, monitor: 1s }
      restart_policy: { delay: 1s }
      resources: { limits: { memory: 32M } }
  side:
    image: busybox:latest
    command: ["sleep", "9999"]
    init: true
    networks: [inner]
    healthcheck: { test: ["CMD", "true"], interval: 1s, timeout: 1s, start_period: 1s }
    deploy:
      update_config: { order: start-first, failure_action: rollback, monitor: 1s }
      resources: { limits: { memory: 32M } }
networks:
  inner: { driver: overlay, driver_opts: { encrypted: "true" } }
"""

DB = """\
services:
  db:
    image: busybox:latest
    command: ["sleep", "9999"]
    init: true
    networks: [inner]
    healthcheck: { test: ["CMD", "true"], interval: 1s, timeout: 1s, start_period: 1s }
    deploy:
      update_config: { order: stop-first, failure_action: rollback, monitor: 1s }
      resources: { limits: { memory: 32M } }
networks:
  inner: { driver: overlay, driver_opts: { encrypted: "true" } }
"""


class Project:
    """A ``cluster.toml`` with stacks beside it."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.folder = hosts.folder
        self.stacks: dict[str, str] = {}
        self.rest = ""
        self.firewall = False

    def file(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def declare(self, name: str, text: str, files: tuple[str, ...] = (), **env: str) -> None:
        own = files or (f"{name}.yml",)
        self.file(own[0], text)
        table = f'[[stacks]]\nname = "{name}"\nfiles = {json.dumps(list(own))}\n'
        if env:
            table += f"env = {{ {', '.join(f'{k} = {json.dumps(v)}' for k, v in env.items())} }}\n"
        self.stacks[name] = table
        self.write()

    def forget(self, name: str) -> None:
        del self.stacks[name]
        self.write()

    def write(self) -> None:
        path = self.hosts.settings(tuple(self.hosts), firewall={"enabled": self.firewall})
        path.write_text("\n".join([path.read_text(), *self.stacks.values(), self.rest]))

    def run(self, *arguments: str, how: str = "-y", **more: Any) -> Run:
        return self.hosts.pyinfra(how, "--json", *STACKS, *arguments, **more)

    def deploy(self, *arguments: str) -> Run:
        run = self.run(*arguments)
        assert run.returncode == 0, run.output
        return run

    def in_sync(self) -> None:
        """A run does nothing."""
        before = self.versions()
        run = self.deploy()
        assert not changes_in(run.json), run.output
        assert not told(run, "~"), run.output
        assert self.versions() == before

    def versions(self) -> dict[str, int]:
        return {name: one["Version"]["Index"] for name, one in services(self.hosts).items()}


def services(hosts: Hosts, at: str = "rk1") -> dict[str, Any]:
    return {one["Spec"]["Name"]: one for one in hosts.api(at, "/services")}


def told(run: Run, mark: str) -> list[str]:
    """The sentences about stacks that a run has told under a mark."""
    return lines_with(run.output, (mark, "stacks |"))


def one_manager() -> Iterator[Hosts]:
    """A fixture's body: what is done for the whole swarm is done on one."""
    with Hosts(1, version=programs.version(-1)) as made:
        made.import_image()
        made.settings(("rk1",), firewall={"enabled": False})
        run = made.pyinfra("-y", *SWARM)
        assert run.returncode == 0, run.output
        yield made


def two_stacks(engines: Hosts) -> Project:
    """A fixture's body: both deployed, whatever a test before has left; and no others."""
    made = Project(engines)
    for name in engines.docker("rk1", "stack", "ls", "--format", "{{.Name}}").split():
        if name not in ("web", "db"):
            # A network goes only when its last task has ended; the command line does not wait.
            line = f"docker stack rm {name}"
            wait_for(partial(_succeeds, engines, line), f"stack {name} to be gone", 60)
            records = f"docker config ls -q --filter label={STACK}={name}"
            engines.run("rk1", f"{records} | xargs -r docker config rm")
    made.declare("web", WEB, GREETING="hello")
    made.declare("db", DB)
    made.deploy()
    return made


def _succeeds(hosts: Hosts, line: str) -> bool:
    return hosts.run("rk1", line, check=False).returncode == 0


def running(hosts: Hosts, service: str) -> int:
    filters = json.dumps({"service": [service], "desired-state": ["running"]})
    tasks = hosts.api("rk1", f"/tasks?filters={filters.replace(' ', '')}".replace('"', "%22"))
    return sum(task["Status"]["State"] == "running" for task in tasks)
