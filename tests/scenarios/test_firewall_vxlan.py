"""No VXLAN in clear text comes in, and none leaves; what is encrypted passes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from lab.description import Description
from tests.scenarios.conftest import (
    Run,
    description_of_the_lab,
    load_web_image,
    on_each,
    wait_for,
    without_docker_marks,
)

SITE = ("-y", "inventory.py", "deploys/site.py")
NODES = ("node1", "node2", "node3", "node4")
FRAMES = 5
DROPPED = re.compile("--pol none .*-j DROP")

_SEND = """
import socket, struct, sys

mac, source, target, vni, count = sys.argv[1:]
mac = bytes.fromhex(mac.replace(":", ""))

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

inner = b"\\xff" * 6 + b"\\x02\\x00\\x00\\x00\\x00\\x01" + b"\\x08\\x06" + bytes(28)
vxlan = struct.pack("!II", 0x08000000, int(vni) << 8) + inner
udp = struct.pack("!HHHH", 40000, 4789, 8 + len(vxlan), 0) + vxlan
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                 socket.inet_aton(source), socket.inet_aton(target))
ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("br0", 0))
for _ in range(int(count)):
    out.send(mac + b"\\x02\\x00\\x00\\x00\\x00\\x02" + b"\\x08\\x00" + ip + udp)
"""


@pytest.fixture(scope="module")
def found(lab: ModuleType, pyinfra: Callable[..., Run]) -> Description:
    run = pyinfra(*SITE)
    assert run.returncode == 0, run.output
    found = description_of_the_lab()
    load_web_image(NODES)
    return found


def manager(lab: ModuleType, command: str) -> str:
    return str(lab.run("node1", command).stdout).strip()


@contextmanager
def service(lab: ModuleType, name: str, options: str) -> Iterator[None]:
    """A running web server as a service."""
    create = f"docker service create --quiet --detach --no-resolve-image --name {name} {options}"
    manager(lab, f"docker service rm {name} >/dev/null 2>&1; {create} lab/web:1")
    try:
        wait_for(
            lambda: "Running" in manager(lab, f"docker service ps -f desired-state=running {name}"),
            f"the service {name}",
        )
        yield
    finally:
        manager(lab, f"docker service rm {name}")


def network(lab: ModuleType, name: str, options: str) -> None:
    manager(lab, f"docker network create --driver overlay {options} {name}")


def vni(lab: ModuleType, name: str) -> int:
    [said] = json.loads(manager(lab, f"docker network inspect {name}"))
    return int(said["Options"]["com.docker.network.driver.overlay.vxlanid_list"].split(",")[0])


def dropped(node: str) -> int:
    """Packets that rules against clear-text VXLAN have dropped here: Docker's and ours."""
    said = on_each([node], "iptables -w -nvxL INPUT; iptables -w -nvxL SWARM-INPUT")[node]
    return sum(
        int(line.split()[0])
        for line in said.splitlines()
        if " DROP " in line and "dpt:4789" in line and "pol none" in line
    )


@pytest.mark.lifecycle
def test_a_hand_made_frame_is_dropped_on_every_node_with_and_without_a_task(
    lab: ModuleType, found: Description
) -> None:
    """Also where it seems to come from another node."""
    network(lab, "secret", "--opt encrypted")
    try:
        with service(lab, "lonely", "--network secret --constraint node.hostname==node1"):
            number = vni(lab, "secret")
            for host in found.hosts:
                assert_frames_are_dropped(lab, found, number, host.name)
    finally:
        wait_for(lambda: gone(lab, "secret"), "the network to be removed")


def assert_frames_are_dropped(
    lab: ModuleType, found: Description, number: int, name: str, *, from_gateway: bool = True
) -> None:
    """Frames of this network, as if from another node and from the gateway, end at the host."""
    at = [host.name for host in found.hosts].index(name)
    for source in (found.hosts[at - 1].address, *(["192.168.77.1"] if from_gateway else [])):
        before = dropped(name)
        mac = f"02:00:77:00:00:{10 + at + 1:02x}"
        arguments = [mac, source, found.hosts[at].address, str(number), str(FRAMES)]
        done = lab.in_namespace("lab", [sys.executable, "-c", _SEND, *arguments])
        assert done.returncode == 0, done.stderr
        time.sleep(0.5)
        assert dropped(name) - before == FRAMES, name


def gone(lab: ModuleType, name: str) -> bool:
    manager(lab, f"docker network rm {name} 2>/dev/null || :")
    return name not in manager(lab, "docker network ls --format '{{.Name}}'").split()


@contextmanager
def captured(found: Description, path: Path) -> Iterator[Callable[[str], int]]:
    """Record the wire between the hosts; afterwards count packets by tcpdump's conditions."""
    argv = ["tcpdump", "-Uni", found.bridge, "-s", "96", "-w", str(path), "-Z", "root"]
    with subprocess.Popen(
        ["ip", "netns", "exec", found.namespace, *argv], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "listening on" in process.stderr.readline()

        def packets(condition: str) -> int:
            argv = ["tcpdump", "-nr", str(path), condition]
            said = subprocess.run(argv, capture_output=True, text=True).stdout
            # What is inside of a VXLAN packet is told in a line of its own, without the time.
            return len(re.findall(r"^\d\d:\d\d:\d\d\.", said, re.MULTILINE))

        try:
            yield packets
        finally:
            time.sleep(1)
            process.terminate()


def ask(lab: ModuleType, address: str, seconds: int = 4) -> bool:
    url = f"http://{address}/"
    done = lab.in_namespace("cloudflare", ["curl", "-fs", "--max-time", str(seconds), url])
    return bool(done.stdout.startswith("hello"))


@pytest.mark.lifecycle
def test_no_clear_frame_leaves_a_node_whose_docker_does_not_mark(
    lab: ModuleType, found: Description, tmp_path: Path
) -> None:
    asked = found.host("node1").address
    with service(lab, "far", "--publish 80:80 --constraint node.hostname==node2"):
        wait_for(lambda: ask(lab, asked), "the service to answer through node1")
        # Without our rule the frames do leave: that is what it is for.
        on_each(["node1"], "iptables -D OUTPUT -j SWARM-OUTPUT")
        with captured(found, tmp_path / "open") as count, without_docker_marks("node1"):
            assert not ask(lab, asked)
        assert count("udp port 4789") > 0
        on_each(["node1"], "sh /usr/local/lib/pyinfra-swarm/firewall load")

        with captured(found, tmp_path / "shut") as count, without_docker_marks("node1"):
            assert not ask(lab, asked)
        assert count("udp port 4789") == 0

        with captured(found, tmp_path / "mended") as count:
            assert ask(lab, asked, seconds=10)
        assert count("esp") > 0
        assert count("udp port 4789") == 0


@pytest.mark.lifecycle
def test_an_unencrypted_network_in_use_is_named_and_not_cut_unless_told(
    lab: ModuleType, found: Description, pyinfra: Callable[..., Run]
) -> None:
    network(lab, "clear", "--attachable")
    network(lab, "secret", "--opt encrypted")
    options = "--network clear --constraint node.hostname"
    try:
        with (
            service(lab, "lonely", "--network secret --constraint node.hostname==node1"),
            service(lab, "one", f"{options}==node1"),
            service(lab, "two", f"{options}==node2"),
        ):
            run = pyinfra(*SITE)
            assert run.returncode == 0, run.output
            for node in NODES:
                assert re.search(
                    rf"\[{node}\] ! firewall \| overlay clear: is not encrypted, and in use by "
                    r"(one, two|two, one)",
                    run.output,
                )
            wait_for(lambda: passes(lab), "the one to reach the other", 30)
            assert not any(DROPPED.search(said) for said in drops().values())
            # What is meant for an encrypted network is dropped all the same, by Docker.
            number = vni(lab, "secret")
            assert_frames_are_dropped(lab, found, number, "node1", from_gateway=False)
            again = pyinfra(*SITE)
            assert "as declared, except for the" in again.output

            cut = pyinfra(*SITE, env={"SWARM_FIREWALL__DROP_CLEARTEXT_VXLAN": "true"})
            assert cut.returncode == 0, cut.output
            wait_for(lambda: not passes(lab), "the one to be cut off from the other", 30)
            assert all(DROPPED.search(said) for said in drops().values())
    finally:
        wait_for(lambda: gone(lab, "clear") and gone(lab, "secret"), "the networks to be removed")
        run = pyinfra(*SITE)
        assert run.returncode == 0, run.output
    assert all(DROPPED.search(said) for said in drops().values())


def drops() -> dict[str, str]:
    return on_each(NODES, "iptables -S SWARM-INPUT; iptables -S SWARM-OUTPUT")


def passes(lab: ModuleType) -> bool:
    """Whether the one task reaches the other across the nodes."""
    script = "docker exec $(docker ps -q -f name=one.1) wget -q -T 5 -O - http://two/ || :"
    return on_each(["node1"], script)["node1"].startswith("hello")
