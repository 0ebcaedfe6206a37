"""The lab's registries, as an engine on a host meets them: TLS, a password, platforms, tags.

What came of a pull is looked up at the engine.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import ModuleType

import pytest

from lab import images
from lab.description import Description
from tests.scenarios.conftest import on_each, wait_for

pytestmark = pytest.mark.lifecycle

HOST = "node1"


@pytest.fixture(autouse=True)
def without_images(lab: ModuleType, converged: Description) -> Iterator[None]:
    """What was pulled is gone again, and nothing is known of a password."""
    yield
    names = {converged.registry, converged.private_registry.host}
    left = lab.run(HOST, "sudo docker image ls --format '{{.Repository}}:{{.Tag}}'").stdout.split()
    pulled = [name for name in left if name.partition("/")[0] in names]
    lab.run(HOST, ["sudo", "docker", "image", "rm", "--force", *pulled]) if pulled else None
    lab.run(HOST, f"sudo docker logout {converged.private_registry.host}", check=False)


def pull(lab: ModuleType, image: str) -> tuple[int, str]:
    done = lab.run(HOST, f"sudo docker pull {image}", check=False)
    return done.returncode, done.stdout + done.stderr


def digest(lab: ModuleType, image: str) -> str:
    pulled, said = pull(lab, image)
    assert pulled == 0, said
    return str(lab.run(HOST, f"sudo docker image inspect -f '{{{{.Id}}}}' {image}").stdout.strip())


def test_an_image_is_pulled_over_tls_without_further_ado_and_serves(
    lab: ModuleType, converged: Description
) -> None:
    image = f"{converged.registry}/{images.WEB}:1"
    code, said = pull(lab, image)
    assert code == 0, said
    lab.run(HOST, f"sudo docker run -d --rm --name web {image}")
    try:
        inside = "sudo docker exec web wget -q -O - http://127.0.0.1/"
        wait_for(lambda: lab.run(HOST, inside, check=False).stdout != "", "an answer", 30)
        assert lab.run(HOST, inside).stdout == "hello from the lab\n"
        health = "sudo docker inspect -f '{{.State.Health.Status}}' web"
        wait_for(lambda: lab.run(HOST, health).stdout == "healthy\n", "its health", 30)
    finally:
        lab.run(HOST, "sudo docker rm -f web")


def test_the_closed_registry_wants_its_password(lab: ModuleType, converged: Description) -> None:
    closed = converged.private_registry
    image = f"{closed.host}/{images.WEB}:1"
    code, said = pull(lab, image)
    assert code != 0
    assert "no basic auth credentials" in said
    login = f"sudo docker login --username {closed.user} --password-stdin {closed.host}"
    assert lab.run(HOST, login, stdin="wrong", check=False).returncode != 0
    lab.run(HOST, login, stdin=closed.password)
    code, said = pull(lab, image)
    assert code == 0, said


def test_nobody_pushes_from_a_host(lab: ModuleType, converged: Description) -> None:
    ask = "curl -sS -o /dev/null -w '%{http_code}' -X POST "
    begin = f"https://{converged.registry}/v2/{images.WEB}/blobs/uploads/"
    assert lab.run(HOST, ask + begin).stdout == "501"


def test_a_tag_is_listed_for_its_platforms_and_one_without_the_hosts_own_is_not_pulled(
    lab: ModuleType, converged: Description
) -> None:
    for repository, expected in ((images.WEB, {"amd64", "arm64"}), (images.ONLY_ARM64, {"arm64"})):
        asked = f"sudo docker manifest inspect {converged.registry}/{repository}:1"
        listed = json.loads(lab.run(HOST, asked).stdout)["manifests"]
        assert {entry["platform"]["architecture"] for entry in listed} == expected
    code, said = pull(lab, f"{converged.registry}/{images.ONLY_ARM64}:1")
    assert code != 0
    assert "no matching manifest for linux/amd64" in said


def test_a_tag_moves_and_a_registry_that_is_down_or_has_had_enough_says_so(
    lab: ModuleType, converged: Description
) -> None:
    moving = f"{converged.registry}/{images.WEB}:{images.MOVING_TAG}"
    before = digest(lab, moving)
    lab.move_tag(images.WEB, images.MOVING_TAG, to="2")
    try:
        after = digest(lab, moving)
        assert after != before
        assert after == digest(lab, f"{converged.registry}/{images.WEB}:2")
    finally:
        lab.move_tag(images.WEB, images.MOVING_TAG, to="1")
    assert digest(lab, moving) == before
    try:
        lab.set_faults({f"{converged.registry}/v2/*": {"kind": "status", "status": 429}})
        code, said = pull(lab, moving)
        assert code != 0
        assert "429" in said or "toomanyrequests" in said
        lab.set_faults({f"{converged.registry}/v2/*": "down"})
        assert pull(lab, moving)[0] != 0
    finally:
        lab.set_faults({})


def test_the_images_that_fail_fail_as_they_are_meant_to(
    lab: ModuleType, converged: Description
) -> None:
    crash = f"{converged.registry}/{images.CRASH}:1"
    ended = lab.run(HOST, f"sudo docker run --rm {crash}", check=False)
    assert ended.returncode == images.CRASH_CODE
    assert images.CRASH_WORDS in ended.stderr
    unwell = f"{converged.registry}/{images.UNWELL}:1"
    lab.run(HOST, f"sudo docker run -d --name unwell {unwell}")
    try:
        health = "sudo docker inspect -f '{{json .State.Health}}' unwell"
        wait_for(lambda: '"Status":"unhealthy"' in lab.run(HOST, health).stdout, "its state", 60)
        assert images.UNWELL_WORDS in lab.run(HOST, health).stdout
    finally:
        lab.run(HOST, "sudo docker rm -f unwell")


def test_every_node_reaches_it(lab: ModuleType, converged: Description) -> None:
    asked = f"curl -fsS https://{converged.registry}/v2/ && docker pull -q "
    names = [host.name for host in converged.hosts]
    said = on_each(names, asked + f"{converged.registry}/{images.WEB}:1", timeout=300)
    assert all(converged.registry in text for text in said.values()), said
