"""What stacks need of registries and hosts: asked before a deploy, and told where it is missing.

What came of it is looked up at the engines, never through the product's facts.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines import registry as registries
from tests.engines.declared_stacks import (
    DB,
    Project,
    one_manager,
    running,
    services,
    told,
    two_stacks,
)
from tests.engines.hosts import Hosts
from tests.engines.registry import ADDRESS as REGISTRY
from tests.scenarios.conftest import wait_for

LOGIN = "robot:$2y$05$Lc37whGv3yuXWHEgIXNX/OlXQ7UZdf8zPE.P29hbOP/F.sF0bpNxa"
PASSWORD = "secretpw"

CONFIGURATION = """\
version: 0.1
storage: { filesystem: { rootdirectory: /root/registry } }
http: { addr: "127.0.0.1:5000" }
auth: { htpasswd: { realm: here, path: /root/htpasswd } }
"""


@pytest.fixture(scope="module")
def engines() -> Iterator[Hosts]:
    yield from one_manager()


@pytest.fixture
def project(engines: Hosts) -> Project:
    return two_stacks(engines)


@pytest.fixture
def registry(project: Project) -> Iterator[Hosts]:
    """Images ``app:1`` and ``app:2``, which only who logs in may pull."""
    hosts = project.hosts
    hosts.run("rk1", "cat > /root/htpasswd", text=f"{LOGIN}\n")
    registries.serve(hosts, "rk1", CONFIGURATION)
    login(hosts, "rk1")
    for tag in ("1", "2"):
        change = f"docker import -c 'ENV PATH=/bin TAG={tag}' - {REGISTRY}/app:{tag}"
        hosts.run("rk1", f"docker export $(docker create busybox true) | {change}")
        hosts.run("rk1", f"docker push -q {REGISTRY}/app:{tag} && docker rmi {REGISTRY}/app:{tag}")
    hosts.run("rk1", f"docker logout {REGISTRY}")
    yield hosts
    registries.close(hosts, "rk1")


def login(hosts: Hosts, name: str) -> None:
    def done() -> bool:
        line = f"docker login -u robot --password-stdin {REGISTRY}"
        return hosts.run(name, line, text=PASSWORD, check=False).returncode == 0

    wait_for(done, "the registry", 20)


def test_a_private_registry_wants_root_s_login_on_the_acting_manager(
    project: Project, registry: Hosts
) -> None:
    text = DB.replace("busybox:latest", f"{REGISTRY}/app:1")
    project.declare("private", text)
    run = project.run()
    assert run.returncode == 1
    assert "its image cannot be had" in run.output, run.output
    login(registry, "rk1")
    run = project.deploy()
    assert PASSWORD not in run.output
    image = services(registry)["private_db"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    assert image.startswith(f"{REGISTRY}/app:1@sha256:")
    project.in_sync()


def test_a_deploy_for_another_reason_leaves_images_as_they_were(
    project: Project, registry: Hosts
) -> None:
    """Also where the tag has moved, or the registry is gone: nothing is restarted for that."""
    login(registry, "rk1")
    text = DB.replace("busybox:latest", f"{REGISTRY}/app:1")
    project.declare("private", text)
    project.deploy()
    before = services(registry)["private_db"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    registries.stop(registry, "rk1")
    project.declare("private", text.replace("memory: 32M", "memory: 33M"))
    run = project.deploy()
    assert "could not be accessed on a registry" in run.output
    after = services(registry)["private_db"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"]
    assert after == before
    project.in_sync()


# What the lint asks for before a deploy
# --------------------------------------


@pytest.fixture
def open_registry(project: Project) -> Iterator[Hosts]:
    """An image that is made for the host, and one that is not; whoever asks may pull.

    Each is in a list, as what is built for several platforms: of an OCI manifest by itself, as
    engines from 29 on push it, no engine says what it is made for.
    """
    hosts = project.hosts
    registries.serve(hosts, "rk1", CONFIGURATION.partition("auth:")[0])
    for image, architecture in (("ours", "amd64"), ("foreign", "s390x")):
        listed, one = f"{REGISTRY}/{image}:1", f"{REGISTRY}/{image}:{architecture}"
        line = (
            "docker export $(docker create busybox true) |"
            f" docker import --platform linux/{architecture} - {one} && docker push {one} &&"
            f" docker manifest create --insecure --amend {listed} {one} &&"
            f" docker manifest annotate --os linux --arch {architecture} {listed} {one} &&"
            f" docker manifest push --insecure {listed}"
        )
        wait_for(
            lambda line=line: hosts.run("rk1", line, check=False).returncode == 0,  # type: ignore[misc]
            "the registry",
            20,
        )
    yield hosts
    registries.close(hosts, "rk1")


def test_an_image_that_is_not_made_for_the_nodes_is_refused(
    project: Project, open_registry: Hosts
) -> None:
    project.declare("foreign", DB.replace("busybox:latest", f"{REGISTRY}/foreign:1"))
    run = project.run()
    assert run.returncode == 1
    assert "is not made for amd64, which is what rk1 is" in run.output, run.output
    assert "rule S11" in run.output
    assert "foreign_db" not in services(open_registry)
    project.forget("foreign")
    project.declare("ours", DB.replace("busybox:latest", f"{REGISTRY}/ours:1"))
    project.deploy()
    project.in_sync()


def test_a_folder_that_is_not_on_the_nodes_is_refused_until_it_is(project: Project) -> None:
    text = DB.replace(
        "    networks: [inner]\n", '    networks: [inner]\n    volumes: ["/srv/d:/d"]\n', 1
    )
    project.declare("data", text)
    planned = project.run(how="--dry")
    assert planned.returncode == 1
    [refused] = [line for line in told(planned, "✗") if "stack data" in line]
    assert "/srv/d is not there on rk1" in refused
    assert "rule S9" in refused
    assert project.run().returncode == 1
    assert "data_db" not in services(project.hosts)
    project.hosts.run("rk1", "mkdir /srv/d")
    project.deploy()
    assert running(project.hosts, "data_db") == 1
    project.hosts.run("rk1", "rmdir /srv/d")
    project.in_sync()
