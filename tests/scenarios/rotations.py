"""A secret of two services of the lab, and who sees it rotated."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lab import images
from lab.description import Description
from tests.scenarios.conftest import ROOT, Run, environment, pyinfra_argv, settings_with
from tests.scenarios.visitor import Request

SECRETS = ("-y", "inventory.py", "deploys/secrets.py")
NAME, VARIABLE = "db_password", "LAB_DB_PASSWORD"
SERVICES = {"front": 80, "back": 443}
"""Each service, and the port it is published at."""

SETTINGS = f"""
[[secrets]]
name = "{NAME}"
env = "{VARIABLE}"
"""

CREATE = (
    "sudo docker service create --quiet --name {name} --publish {port}:80 --replicas 2 "
    f"--secret source={{secret}},target={NAME},uid=0,gid=0,mode=0400 "
    "--update-order start-first --update-monitor 2s "
    "--update-failure-action rollback --rollback-order start-first {image}"
)
"""As docs/secrets.md has it for services that must not lose a request. One replica at a time is
Docker's default: were all replaced at once, a node could hear that the old ones go before it hears
of the new ones."""


@dataclass
class Cluster:
    """The cluster with its two services, by what the engines and the services say."""

    lab: ModuleType
    found: Description
    settings: Path

    def env(self, value: str) -> dict[str, str]:
        """The variables of a run for which the secret has this value."""
        return {"SWARM_SETTINGS": str(self.settings), VARIABLE: value}

    def on(self, command: str, node: str = "node1") -> str:
        return str(self.lab.run(node, f"sudo {command}").stdout)

    def secrets(self, node: str = "node1") -> set[str]:
        """The versions that there are."""
        listed = self.on("docker secret ls --format '{{.Name}}'", node).split()
        return {name for name in listed if name.startswith(f"{NAME}_v")}

    def used(self, service: str, node: str = "node1") -> set[str]:
        """What a service's specification names."""
        template = "{{range .Spec.TaskTemplate.ContainerSpec.Secrets}}{{.SecretName}} {{end}}"
        return set(self.on(f"docker service inspect {service} --format '{template}'", node).split())

    def leader(self) -> str:
        rows = self.on("docker node ls --format '{{.Hostname}} {{.ManagerStatus}}'").splitlines()
        [name] = [row.split()[0] for row in rows if row.endswith("Leader")]
        return name

    def targets(self) -> dict[str, str]:
        """Both services through each node."""
        return {
            f"{service} at {host.name}": f"http://{host.address}:{port}/"
            for service, port in SERVICES.items()
            for host in self.found.hosts
        }

    def told(self) -> dict[str, set[str]]:
        """What each service's tasks were given, by its digest: asked through every node."""
        told: dict[str, set[str]] = {}
        for service, port in SERVICES.items():
            told[service] = set()
            for host in self.found.hosts:
                url = f"http://{host.address}:{port}/cgi-bin/secrets"
                ask = ["curl", "-fsS", "--max-time", "8", url]
                for _ in range(2):
                    told[service].add(self.lab.in_namespace("cloudflare", ask).stdout.strip())
        return told

    def assert_none_misses_its_version(self, node: str = "node1") -> None:
        there = self.secrets(node)
        for service in SERVICES:
            assert len(self.used(service, node)) == 1
            assert self.used(service, node) <= there

    def assert_has(self, value: str) -> None:
        """Both services are given this value, in one and the same version."""
        digest = hashlib.sha256(value.encode()).hexdigest()
        assert self.told() == {service: {f"{digest}  {NAME}"} for service in SERVICES}
        [version] = self.used("front")
        assert self.used("back") == {version}
        assert version in self.secrets()
        assert len(self.secrets()) <= 2, "a version that nobody needs is left"


def begun(
    lab: ModuleType, converged: Description, pyinfra: Callable[..., Run], folder: Path
) -> Iterator[Cluster]:
    """A fixture's body: both services with the first version, and nothing of it afterwards."""
    path = settings_with(folder / "cluster.toml", SETTINGS)
    one = Cluster(lab, converged, path)
    run = pyinfra(*SECRETS, env=one.env("the first"))
    assert run.returncode == 0, run.output
    [secret] = one.secrets()
    image = f"{converged.registry}/{images.WEB}:1"
    for service, port in SERVICES.items():
        lab.run("node1", CREATE.format(name=service, port=port, secret=secret, image=image))
    one.assert_has("the first")
    yield one
    lab.run("node1", f"sudo docker service rm {' '.join(SERVICES)}")
    lab.run("node1", f"sudo docker secret rm {' '.join(one.secrets())}")


def begin(cluster: Cluster, value: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        pyinfra_argv(*SECRETS),
        cwd=ROOT,
        env=environment(cluster.env(value)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def assert_none_is_lost(requests: list[Request], what: str) -> None:
    lost = [request for request in requests if request.problem]
    slowest = max(request.ended - request.begun for request in requests)
    print(f"{what}: {len(lost)} of {len(requests)} requests lost; the slowest took {slowest:.1f} s")
    assert lost == [], "\n".join(map(str, lost[:20]))
