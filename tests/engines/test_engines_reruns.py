"""What 50 secrets, 20 stacks and 100 services cost a run that has nothing to do with them.

A run is compared with one on the same hosts before there were any of them: a swarm that has some is
asked for them even where none is declared. The whole site is only looked at: these hosts have no
systemd, so that it refuses them in the end, after it has asked them all that it asks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.bench.remote_commands import commands_in
from tests.engines import programs
from tests.engines.hosts import Hosts
from tests.engines.test_engines_daemon import prepare
from tests.scenarios.conftest import ROOT, Run, changes_in

SITE = ("inventory.py", "deploys/site.py")
APPLICATIONS = ("inventory.py", str(Path(__file__).parent / "deploys/applications.py"))
MANAGERS, WORKER = ("rk1", "rk2", "rk3"), "rk4"
SECRETS, STACKS, SERVICES = 50, 20, 5
AT_MOST = 1.3
"""Times what a run without them costs."""

WAYS = ("--dry", "drift")
ROUNDS = 6

SERVICE = """\
  s{service}:
    image: busybox:latest
    command: ["sleep", "9999"]
    init: true
    environment: {{ LEVEL: "{service}" }}
    networks: [inner]
    secrets: [pw]
    healthcheck: {{ test: ["CMD", "true"], interval: 9s, timeout: 1s, start_period: 1s }}
    deploy:
      replicas: 0
      update_config: {{ order: stop-first, failure_action: rollback, monitor: 1s }}
      resources: {{ limits: {{ memory: 32M }} }}
"""
REST = """\
networks:
  inner: {{ driver: overlay, driver_opts: {{ encrypted: "true" }} }}
secrets:
  pw: {{ external: true, name: secret_{secret} }}
"""


@dataclass
class Cluster:
    """Four hosts, and what runs cost on them before there were secrets and stacks.

    commands: how many remote ones on each host; seconds: by what was run, at the least.
    """

    hosts: Hosts
    settings: Path
    commands: Counter[str]
    seconds: dict[str, float]

    def measured(self) -> None:
        """Keep what runs cost now."""
        self.commands = commands_in(self.looked_at("-vv").output)
        self.seconds = {way: self.takes(way) for way in WAYS}

    def takes(self, way: str) -> float:
        """The seconds of the shortest of some: what else this machine does only lengthens them."""
        return min(
            self.checked() if way == "drift" else self.looked_at().seconds for _ in range(ROUNDS)
        )

    def applied(self, *options: str) -> Run:
        run = self.hosts.pyinfra("-y", *options, *APPLICATIONS, settings=self.settings, timeout=600)
        assert run.returncode == 0, run.output
        return run

    def looked_at(self, *options: str) -> Run:
        run = self.hosts.pyinfra("--dry", *options, *SITE, settings=self.settings)
        assert "4 of 4 hosts could be looked at" in run.closing, run.output
        return run

    def checked(self) -> float:
        """The seconds that a drift check takes."""
        line, env = self.hosts.pyinfra_line(settings=self.settings)
        begun = time.monotonic()
        done = subprocess.run(
            [*line[: line.index("--") + 1], sys.executable, "-m", "pyinfra_swarm.drift", "--json"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        seconds = time.monotonic() - begun
        report = json.loads(done.stdout)
        assert [host["name"] for host in report["hosts"]] == [*MANAGERS, WORKER], done.stderr
        return seconds


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Hosts(4, version=programs.version(-1)) as hosts:
        hosts.import_image()
        hosts.each(partial(prepare, hosts))
        settings = hosts.settings(MANAGERS, (WORKER,))
        made = Cluster(hosts, settings, Counter(), {})
        made.applied()
        made.measured()
        settings.write_text("\n".join([settings.read_text(), *declared(hosts.folder)]))
        made.applied()
        assert len(hosts.api("rk1", "/secrets")) == SECRETS
        assert len(hosts.api("rk1", "/services")) == STACKS * SERVICES
        yield made


def declared(folder: Path) -> list[str]:
    """The tables of the settings; what they name is written beside them."""
    tables = []
    for number in range(SECRETS):
        (folder / f"value_{number}").write_text(f"value of secret {number}")
        tables.append(f'[[secrets]]\nname = "secret_{number}"\nfile = "value_{number}"\n')
    for number in range(STACKS):
        services = "".join(SERVICE.format(service=one) for one in range(SERVICES))
        rest = REST.format(secret=number * 2)
        (folder / f"stack_{number}.yml").write_text(f"services:\n{services}{rest}")
        tables.append(f'[[stacks]]\nname = "stack-{number}"\nfiles = ["stack_{number}.yml"]\n')
    return tables


def test_they_cost_a_run_two_questions_to_one_manager(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert changes_in(cluster.applied("--json").json) == []
    with_them, without = commands_in(cluster.looked_at("-vv").output), cluster.commands
    with capsys.disabled():
        print(f"\nremote commands: {dict(with_them)}, without them {dict(without)}")
    assert with_them - without in (Counter({name: 2}) for name in MANAGERS)
    assert with_them.total() <= AT_MOST * without.total()


@pytest.mark.parametrize("way", WAYS)
def test_they_cost_a_run_little_time(
    cluster: Cluster, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with_them, without = cluster.takes(way), cluster.seconds[way]
    with capsys.disabled():
        print(f"\n{way}: {with_them:.2f} s, without them {without:.2f} s")
    assert with_them <= AT_MOST * without
