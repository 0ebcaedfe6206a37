"""What can go wrong around a run: the other hosts go on, and the last lines say what to do."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lab import description
from tests.scenarios.conftest import (
    Run,
    description_of_the_lab,
    load_web_image,
    on_each,
    wait_for,
)

pytestmark = pytest.mark.lifecycle

SITE = ("-y", "inventory.py", "deploys/site.py")
HOSTS = ("node1", "node2", "node3", "node4")


@pytest.fixture
def fresh_node4(lab: ModuleType, pyinfra: Callable[..., Run]) -> Iterator[None]:
    lab.reset(["node4"])
    yield
    lab.set_faults({})


def assert_only_node4_is_not_done(run: Run) -> list[str]:
    """The closing lines of a run in which one host failed, without what was done on others."""
    assert run.returncode == 1, run.output
    first, *rest = run.output[run.output.index("3 of 4 hosts are done") :].splitlines()
    assert first.startswith("3 of 4 hosts are done: node1, node2, node3.")
    [at] = [at for at, line in enumerate(rest) if line.startswith("  not done: ")]
    assert rest[at].startswith("  not done: node4: ")
    assert rest[-1].strip() == "pyinfra -y inventory.py deploys/site.py"
    return [first, *rest[at:]]


def test_the_cluster_is_up_before_anything_goes_wrong(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    run = pyinfra(*SITE)
    assert run.returncode == 0, run.output


class TestOnAFreshHost:
    """node4 was installed anew each time; the other three are in the swarm."""

    def test_an_unreachable_repository_fails_this_host_with_the_reason(
        self, lab: ModuleType, pyinfra: Callable[..., Run], fresh_node4: None
    ) -> None:
        lab.set_faults({"download.docker.com/*": "down"})
        closing = assert_only_node4_is_not_done(pyinfra(*SITE))
        assert "key could not be fetched from https://download.docker.com" in closing[1]
        assert "Is the repository reachable" in closing[1]
        assert lab.run("node4", "ls /etc/apt/sources.list.d/docker.sources || true").stdout == ""

    def test_a_key_that_is_not_the_pinned_one_is_not_even_written(
        self, lab: ModuleType, pyinfra: Callable[..., Run]
    ) -> None:
        lab.set_faults({})
        run = pyinfra(*SITE, env={"SWARM_DOCKER__KEY_FINGERPRINT": "0" * 40})
        assert run.returncode == 1
        assert "0 of 4 hosts are done" in run.output
        assert "the key that the repository publishes is not the pinned one" in run.output
        known = description.read()
        assert known is not None
        assert known.docker_key_fingerprint in run.output
        assert lab.run("node4", "ls /etc/apt/keyrings").stdout == ""
        assert "docker" not in lab.run("node4", "dpkg -l | grep docker || true").stdout

    def test_a_full_disk_is_refused_before_anything_is_installed(
        self, lab: ModuleType, pyinfra: Callable[..., Run]
    ) -> None:
        lab.run("node4", "sudo fallocate -l $(df --output=avail -B1 / | tail -n1) /full || true")
        closing = assert_only_node4_is_not_done(pyinfra(*SITE))
        lab.run("node4", "sudo rm /full")
        assert "free" in closing[1]
        assert "docker" not in lab.run("node4", "dpkg -l | grep docker || true").stdout

    def test_when_the_fault_is_gone_the_same_command_completes_the_host(
        self, lab: ModuleType, pyinfra: Callable[..., Run]
    ) -> None:
        run = pyinfra(*SITE)
        assert run.returncode == 0, run.output
        # It was a member before it was installed anew: its dead entry is gone.
        listed = lab.run("node1", "sudo docker node ls --format '{{.Hostname}} {{.Status}}'").stdout
        assert sorted(listed.split("\n")[:-1]) == [f"node{n} Ready" for n in (1, 2, 3, 4)]


class TestInTheSwarm:
    """The four hosts are in it; something has come between."""

    def test_nodes_that_have_no_end_of_the_ingress_network_get_one(
        self, lab: ModuleType, pyinfra: Callable[..., Run]
    ) -> None:
        lab.run(
            "node1",
            "echo y | sudo docker network rm ingress; until sudo docker network create -d overlay"
            " --ingress --opt encrypted --subnet 10.201.0.0/24 ingress; do sleep 1; done",
        )
        assert set(ends_of_ingress(lab).values()) == {False}
        dry = pyinfra("--dry", "inventory.py", "deploys/swarm.py")
        assert dry.output.count("ingress: this node is not attached to it") == 4
        run = pyinfra(*SITE)
        assert run.returncode == 0, run.output
        assert set(ends_of_ingress(lab).values()) == {True}
        assert "as declared. Nothing was changed." in pyinfra(*SITE).output

    def test_a_join_that_waits_for_a_dead_manager_is_begun_anew(
        self, lab: ModuleType, pyinfra: Callable[..., Run]
    ) -> None:
        token = "SWMTKN-1-" + "3" * 50 + "-" + "1" * 25
        body = {
            "ListenAddr": "0.0.0.0:2377",
            "AdvertiseAddr": description_of_the_lab().host("node4").address,
            "RemoteAddrs": ["192.168.77.99:2377"],
            "JoinToken": token,
        }
        ask = "sudo curl -sS --max-time 30 --unix-socket /run/docker.sock"
        said = lab.run(
            "node4",
            f"sudo docker swarm leave >/dev/null; {ask} -H 'Content-Type: application/json' "
            f"-d '{json.dumps(body)}' http://localhost/swarm/join",
        ).stdout
        assert "will continue in the background" in said  # for some seconds, then it gives up
        run = pyinfra("-y", "inventory.py", "deploys/swarm.py")
        assert run.returncode == 0, run.output
        assert "192.168.77.99:2377 → joined through another" in run.output
        listed = lab.run("node1", "sudo docker node ls --format '{{.Hostname}} {{.Status}}'").stdout
        assert sorted(listed.split("\n")[:-1]) == [f"node{n} Ready" for n in (1, 2, 3, 4)]


def ends_of_ingress(lab: ModuleType) -> dict[str, bool]:
    """Which hosts have an end of the ingress network, seen in their interfaces."""
    script = (
        "nsenter --net=/run/docker/netns/ingress_sbox ip -o -4 address show 2>/dev/null"
        " | grep -q ' 10\\.201\\.0\\.' && echo yes || echo no"
    )
    said = on_each(HOSTS, script)
    return {name: word.strip() == "yes" for name, word in said.items()}


class TestOnTheWayIn:
    def test_a_host_without_power_is_named_and_the_others_are_looked_after(
        self, lab: ModuleType, pyinfra: Callable[..., Run]
    ) -> None:
        lab.run("node2", "sudo rm /etc/apt/apt.conf.d/90pyinfra-swarm")
        lab.power_cut("node4", off_for=None)
        try:
            closing = assert_only_node4_is_not_done(pyinfra(*SITE))
            dry = pyinfra("--dry", "inventory.py", "deploys/site.py")
        finally:
            lab.power_on("node4")
        assert "Traceback" not in "".join(closing)
        assert dry.returncode == 1
        assert "not done: node4" in dry.output
        assert lab.run("node2", "cat /etc/apt/apt.conf.d/90pyinfra-swarm").stdout != ""

    def test_a_key_that_the_host_does_not_know_is_named(
        self, lab: ModuleType, pyinfra: Callable[..., Run], tmp_path: Path
    ) -> None:
        key = f"{tmp_path}/stranger"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        known = description.read()
        assert known is not None
        hosts = [
            {
                "name": host.name,
                "address": host.address,
                "role": host.role,
                "ssh_host": host.ssh_host,
                "ssh_port": host.ssh_port,
                "ssh_user": host.user,
                "ssh_key": key if host.name == "node4" else known.ssh_key,
            }
            for host in known.hosts
        ]
        run = pyinfra(*SITE, env={"SWARM_HOSTS": json.dumps(hosts)})
        closing = assert_only_node4_is_not_done(run)
        assert "Authentication error" in closing[1]

    def test_a_host_key_that_has_changed_is_not_accepted(
        self, lab: ModuleType, pyinfra: Callable[..., Run], tmp_path: Path
    ) -> None:
        known = description.read()
        assert known is not None
        lines = Path(known.known_hosts).read_text().splitlines()
        names = {n: f"[127.0.0.1]:{known.host(n).ssh_port}" for n in ("node3", "node4")}
        of_node3 = [line for line in lines if line.startswith(names["node3"])]
        swapped = [line for line in lines if not line.startswith(names["node4"])]
        swapped += [f"{names['node4']} {line.split(' ', 1)[1]}" for line in of_node3]
        file = tmp_path / "known_hosts"
        file.write_text("\n".join(swapped) + "\n")
        run = pyinfra(*SITE, env={"SWARM_SSH__KNOWN_HOSTS": str(file)})
        closing = assert_only_node4_is_not_done(run)
        assert "Host key" in closing[1]
        assert "does not match" in closing[1]


ANSWERS = "curl -sf -m 5 -o /dev/null http://127.0.0.1/ && echo yes || echo no"


def test_after_a_power_cut_of_the_whole_house_nobody_has_to_type_anything(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    run = pyinfra(*SITE)
    assert run.returncode == 0, run.output
    load_web_image(HOSTS)
    create = "service create --quiet --name web --replicas 2 --publish 80:80 --no-resolve-image"
    lab.run("node1", f"sudo docker {create} lab/web:1")
    on_each(HOSTS, "sync")  # it has stood for a while
    for name in HOSTS:
        lab.power_cut(name, off_for=None)
    for name in reversed(HOSTS):
        lab.power_on(name, wait=False)
    for name in HOSTS:
        lab.power_on(name)
    wait_for(
        lambda: on_each(HOSTS, ANSWERS) == dict.fromkeys(HOSTS, "yes\n"),
        "the service to answer at every node",
        300,
    )
    run = pyinfra(*SITE)
    lab.run("node1", "sudo docker service rm web")
    assert run.returncode == 0, run.output
    assert "Nothing was changed" in run.output
