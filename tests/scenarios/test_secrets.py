"""A secret of two services, rotated under the eyes of a visitor, and however a run ends.

What came of it is asked of the engines and of the services themselves, never of the product's
facts.
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from lab import images
from lab.description import Description
from tests.scenarios.conftest import (
    ROOT,
    SITE,
    Run,
    environment,
    on_each,
    pyinfra_argv,
    settings_with,
    wait_for,
)
from tests.scenarios.visitor import Request, a_visitor

pytestmark = pytest.mark.lifecycle

SECRETS = ("-y", "inventory.py", "deploys/secrets.py")
NAME, VARIABLE = "db_password", "LAB_DB_PASSWORD"
SERVICES = {"front": 80, "back": 443}
"""Each service, and the port it is published at."""

ROTATIONS, MOMENTS = 50, 20

SETTINGS = f"""
[[secrets]]
name = "{NAME}"
env = "{VARIABLE}"
"""

CREATE = (
    "sudo docker service create --quiet --name {name} --publish {port}:80 --replicas 2 "
    f"--secret source={{secret}},target={NAME},uid=0,gid=0,mode=0400 "
    "--update-order start-first --update-parallelism 0 --update-monitor 2s "
    "--update-failure-action rollback --rollback-order start-first {image}"
)


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


@pytest.fixture(scope="module")
def cluster(
    lab: ModuleType,
    converged: Description,
    pyinfra: Callable[..., Run],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cluster]:
    path = settings_with(tmp_path_factory.mktemp("settings") / "cluster.toml", SETTINGS)
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


def test_rotations_under_load_lose_no_request(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    begun = time.monotonic()
    with a_visitor(cluster.found, cluster.targets()) as requests:
        for number in range(1, ROTATIONS + 1):
            run = pyinfra(*SECRETS, env=cluster.env(f"rotation {number}"))
            assert run.returncode == 0, run.output
            cluster.assert_has(f"rotation {number}")
    took = (time.monotonic() - begun) / ROTATIONS
    assert len(requests) > 20 * ROTATIONS
    assert_none_is_lost(requests, f"{ROTATIONS} rotations, {took:.0f} s each")
    again = pyinfra(*SECRETS, env=cluster.env(f"rotation {ROTATIONS}"))
    assert "Nothing was changed" in again.output


def test_back_to_the_version_before_and_no_following_run_undoes_it(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    assert pyinfra(*SECRETS, env=cluster.env("good")).returncode == 0
    assert pyinfra(*SECRETS, env=cluster.env("regretted")).returncode == 0
    with a_visitor(cluster.found, cluster.targets()) as requests:
        back = (*SECRETS, "--data", f"secret={NAME}", "--data", "back=yes")
        run = pyinfra(*back, env=cluster.env("regretted"))
        assert run.returncode == 0, run.output
    assert_none_is_lost(requests, "going back a version")
    cluster.assert_has("good")
    site = pyinfra("-y", *SITE, env=cluster.env("regretted"))
    assert site.returncode == 0, site.output
    cluster.assert_has("good")


def test_a_run_killed_at_any_moment_is_finished_by_the_next(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    begun = time.monotonic()
    whole = pyinfra(*SECRETS, env=cluster.env("not killed"))
    took = time.monotonic() - begun
    assert whole.returncode == 0, whole.output
    seen = []
    with a_visitor(cluster.found, cluster.targets()) as requests:
        for number in range(MOMENTS):
            value = f"killed {number}"
            process = begin(cluster, value)
            try:
                process.wait(took * (number + 0.5) / MOMENTS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            cluster.assert_none_misses_its_version()
            seen.append((len(cluster.secrets()), *(sorted(cluster.used(s)) for s in SERVICES)))
            run = pyinfra(*SECRETS, env=cluster.env(value))
            assert run.returncode == 0, run.output
            cluster.assert_has(value)
    print("\n".join(map(str, seen)))
    assert_none_is_lost(requests, f"runs killed at {MOMENTS} moments of {took:.0f} s")


def test_a_power_cut_of_the_leader_between_two_services_is_made_good_by_the_next_run(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    leader = cluster.leader()
    other = next(h.name for h in cluster.found.hosts if h.role == "manager" and h.name != leader)
    before = {service: cluster.used(service) for service in SERVICES}

    def between() -> bool:
        changed = [
            service for service in SERVICES if cluster.used(service, other) != before[service]
        ]
        return bool(changed)

    process = begin(cluster, "the power was cut")
    wait_for(between, "a service to be on the new version", 120)
    cluster.lab.power_cut(leader, wait=False)
    process.wait(timeout=900)
    cluster.lab.power_on(leader)
    cluster.assert_none_misses_its_version(other)
    run = pyinfra(*SECRETS, env=cluster.env("the power was cut"))
    assert run.returncode == 0, run.output
    wait_for(lambda: len(cluster.told()["front"]) == 1, "both services to answer everywhere", 120)
    cluster.assert_has("the power was cut")
    again = pyinfra(*SECRETS, env=cluster.env("the power was cut"))
    assert "Nothing was changed" in again.output


def test_the_value_is_in_no_file_and_no_journal_and_its_digest_is_not_to_be_had(
    cluster: Cluster, pyinfra: Callable[..., Run]
) -> None:
    value = "4f1c-canary-of-the-lab"
    run = pyinfra(*SECRETS, env=cluster.env(value))
    assert run.returncode == 0, run.output
    assert value not in run.output + run.stdout
    cluster.assert_has(value)
    pattern = value.replace("-the-", "-[t]he-")  # the commands below are in the journal themselves
    look = (
        f"grep -rls --devices=skip -e '{pattern}' /root /home /tmp /run/pyinfra-swarm* "
        "/var/lib/pyinfra-swarm /var/lib/docker/swarm /var/log /etc; "
        f"journalctl --no-pager | grep -e '{pattern}'; true"
    )
    names = [host.name for host in cluster.found.hosts]
    assert on_each(names, look) == dict.fromkeys(names, "")
    [version] = cluster.used("front")
    inspected = cluster.on(f"docker secret inspect {version}")
    assert value not in inspected
    assert hashlib.sha256(value.encode()).hexdigest() not in inspected
