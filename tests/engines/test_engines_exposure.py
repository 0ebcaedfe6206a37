"""A tunnel and dynamic DNS on real engines, with stand-ins for the two programs.

The real ones want Cloudflare. A stand-in reads its token from the same file, as the same user, is
``ready`` by the same words, and has metrics at the same place; with a token that is none it ends.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pyinfra_swarm.exposure.own_stack import CONNECTOR
from tests.engines import programs
from tests.engines.conftest import SWARM
from tests.engines.hosts import Hosts
from tests.engines.managers import in_touch
from tests.scenarios.conftest import Run, changes_in, lines_with, wait_for

SECRETS = ("inventory.py", "deploys/secrets.py")
EXPOSURE = ("inventory.py", "deploys/exposure.py")
REMOVE = ("inventory.py", "deploys/stacks.py", "--data", "remove=swarm-exposure")
DDNS = "swarm-exposure_cloudflare-ddns"

CLOUDFLARED = """\
#!/bin/sh
# Stands in for cloudflared: as little of it as Swarm and this project's stack see.
case "$*" in
  *" ready") exec wget -qO /dev/null "http://$3/ready" ;;
  "--no-autoupdate tunnel run") ;;
  *) echo "unknown: $*" >&2; exit 2 ;;
esac
case $(cat "$TUNNEL_TOKEN_FILE") in
  eyJ*) ;;
  *) echo "Provided Tunnel token is not valid." >&2; exit 1 ;;
esac
exec httpd -f -p "$TUNNEL_METRICS" -h /www
"""
UPDATER = """\
#!/bin/sh
# Stands in for cloudflare-ddns.
[ -n "$DOMAINS" ] && [ "$IP6_PROVIDER" = none ] && [ "$PROXIED" = true ] || exit 2
cat "$CLOUDFLARE_API_TOKEN_FILE" > /dev/null && exec sleep 9999
"""

_IMPORT = """\
folder=$(mktemp -d); mkdir -p $folder/bin $folder/www $folder/tmp
base64 -d > $folder/bin/busybox <<'END'
{busybox}
END
chmod 755 $folder/bin/busybox; chroot $folder /bin/busybox --install -s /bin
cat > $folder/bin/{name} <<'END'
{program}END
chmod 755 $folder/bin/{name}
echo ok > $folder/www/ready
echo 'cloudflared_tunnel_ha_connections 4' > $folder/www/metrics
tar -C $folder -c . | docker import -c 'ENV PATH=/bin' -c 'USER {user}' -c 'ENTRYPOINT {entry}' \\
  - {image} >/dev/null
rm -r $folder
"""


def make_image(hosts: Hosts, image: str, name: str, program: str, user: str, entry: str) -> None:
    busybox = subprocess.run(
        ["base64", str(programs.busybox())], capture_output=True, text=True, check=True
    ).stdout
    script = _IMPORT.format(
        busybox=busybox.strip(), name=name, program=program, user=user, entry=entry, image=image
    )
    for host in hosts:
        hosts.run(host, "sh -eu", text=script)


class Cluster:
    """Three managers and a worker, and what is declared for them."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.env = {"TUNNEL_TOKEN": "eyJhIjoiMSJ9", "DNS_TOKEN": "dns-1"}
        self.declare(mode="tunnel")

    def declare(self, *, dns: bool = False, mode: str = "ports", services: str = "") -> None:
        hosts = self.hosts
        path = hosts.settings(("rk1", "rk2", "rk3"), ("rk4",), firewall={"enabled": False})
        text = f"""\
[[secrets]]
name = "tunnel_token"
env = "TUNNEL_TOKEN"
[[secrets]]
name = "dns_token"
env = "DNS_TOKEN"
[exposure]
mode = "{mode}"
[exposure.tunnel]
token = "tunnel_token"
image = "cloudflared-stand-in:1"
"""
        if dns:
            text += """\
[exposure.dynamic_dns]
domains = ["home.example.org"]
token = "dns_token"
image = "ddns-stand-in:1"
"""
        path.write_text(f"{path.read_text()}\n{text}{services}")

    def run(self, *words: str, how: str = "-y") -> Run:
        return self.hosts.pyinfra(how, "--json", *words, env=self.env)

    def done(self, *words: str) -> Run:
        run = self.run(*words)
        assert run.returncode == 0, run.output
        return run

    def in_sync(self) -> None:
        run = self.done(*EXPOSURE)
        assert not changes_in(run.json), run.output
        assert told(run, "~") + told(run, "!") == [], run.output

    def services(self) -> dict[str, Any]:
        return {one["Spec"]["Name"]: one for one in self.hosts.api("rk1", "/services")}

    def places(self, service: str = CONNECTOR) -> list[str]:
        """The nodes on which tasks of a service run that are to run."""
        filters = json.dumps({"service": [service], "desired-state": ["running"]})
        query = filters.replace(" ", "").replace('"', "%22")
        tasks = self.hosts.api("rk1", f"/tasks?filters={query}")
        names = {
            node["ID"]: node["Description"]["Hostname"] for node in self.hosts.api("rk1", "/nodes")
        }
        return sorted(names[one["NodeID"]] for one in tasks if one["Status"]["State"] == "running")

    def inside(self, command: str, service: str = CONNECTOR) -> str:
        """What a command prints in a container of a service."""
        host = self.places(service)[0]
        return self.hosts.run(
            host, f"docker exec $(docker ps -q --filter name={service} | head -n 1) {command}"
        ).stdout


def told(run: Run, mark: str) -> list[str]:
    return lines_with(run.output, (mark, "exposure |"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Hosts(4, version=programs.version(-1)) as hosts:
        entry = '["cloudflared","--no-autoupdate"]'
        make_image(
            hosts, "cloudflared-stand-in:1", "cloudflared", CLOUDFLARED, "65532:65532", entry
        )
        make_image(
            hosts, "ddns-stand-in:1", "cloudflare-ddns", UPDATER, "0:0", '["cloudflare-ddns"]'
        )
        hosts.import_image()
        made = Cluster(hosts)
        made.done(*SWARM)
        yield made


def test_a_tunnel_without_its_token_says_what_makes_one(cluster: Cluster) -> None:
    run = cluster.run(*EXPOSURE)
    assert run.returncode == 1
    assert "secret tunnel_token, of which there is no version yet" in run.output
    assert CONNECTOR not in cluster.services()


def test_two_connectors_run_on_two_nodes_with_a_token_that_only_they_read(cluster: Cluster) -> None:
    planned = cluster.run(*EXPOSURE, how="--dry")
    assert "stack swarm-exposure: is declared, and not deployed" in planned.output
    cluster.done(*SECRETS)
    cluster.done(*EXPOSURE)
    assert len({*cluster.places()}) == 2
    spec = cluster.services()[CONNECTOR]["Spec"]
    assert not spec.get("EndpointSpec", {}).get("Ports")
    assert cluster.inside("stat -c '%u %g %a' /run/secrets/tunnel_token").split() == [
        *("65532", "65532", "400")
    ]
    assert "ha_connections" in cluster.inside("wget -qO - http://127.0.0.1:20241/metrics")
    [target] = spec["TaskTemplate"]["Networks"]
    edge = cluster.hosts.api("rk1", f"/networks/{target['Target']}")
    assert edge["Name"] == "edge"
    assert "encrypted" in edge["Options"]
    cluster.in_sync()


@contextmanager
def counted(cluster: Cluster) -> Iterator[list[int]]:
    """How many connectors run, again and again."""
    seen: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            seen.append(len(cluster.places()))
            time.sleep(0.2)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test_a_new_token_reaches_them_without_a_moment_without_two(cluster: Cluster) -> None:
    cluster.env["TUNNEL_TOKEN"] = "eyJhIjoiMiJ9"
    with counted(cluster) as running:
        cluster.done(*SECRETS)
    assert min(running) >= 2, running
    assert cluster.inside("cat /run/secrets/tunnel_token") == "eyJhIjoiMiJ9"
    assert cluster.inside("sh -c 'ps -o args'").count("eyJ") == 0
    cluster.in_sync()


def test_a_token_that_is_none_is_put_back_with_the_program_s_words(cluster: Cluster) -> None:
    cluster.env["TUNNEL_TOKEN"] = "not-a-token"
    run = cluster.run(*SECRETS)
    assert run.returncode == 1
    assert "Provided Tunnel token is not valid" in run.output
    assert "not-a-token" not in run.output
    wait_for(lambda: len({*cluster.places()}) == 2, "two connectors", 60)
    assert cluster.inside("cat /run/secrets/tunnel_token") == "eyJhIjoiMiJ9"
    cluster.env["TUNNEL_TOKEN"] = "eyJhIjoiMiJ9"
    cluster.done(*SECRETS)
    cluster.in_sync()


def test_what_somebody_changes_by_hand_is_put_right(cluster: Cluster) -> None:
    cluster.hosts.run("rk1", f"docker service update --detach --publish-add 443:443 {CONNECTOR}")
    planned = cluster.run(*EXPOSURE, how="--dry")
    assert any("port 443:443/tcp" in one for one in told(planned, "~")), planned.output
    cluster.done(*EXPOSURE)
    cluster.in_sync()


def test_connectors_on_one_node_and_a_published_web_port_are_told(cluster: Cluster) -> None:
    hosts = cluster.hosts
    hosts.run(
        "rk1",
        "docker service create --detach --no-resolve-image --name front --publish 443:8080 "
        "busybox:latest sleep 9999",
    )
    for one in ("rk2", "rk3", "rk4"):
        hosts.run("rk1", f"docker node update --availability drain {one}")
    wait_for(lambda: cluster.places() == ["rk1"], "one connector", 90)
    run = cluster.run(*EXPOSURE)
    said = told(run, "!")
    assert any("connectors are up on rk1 only" in one for one in said), run.output
    assert any("service front: publishes 443/tcp" in one for one in said), run.output
    assert any("no firewall of ours keeps it shut" in one for one in said), run.output
    hosts.run("rk1", "docker service rm front")
    for one in ("rk2", "rk3", "rk4"):
        hosts.run("rk1", f"docker node update --availability active {one}")
    wait_for(lambda: len({*cluster.places()}) == 2, "two connectors", 90)
    cluster.in_sync()


def test_the_loss_of_a_node_leaves_a_connector_and_gets_another_place(cluster: Cluster) -> None:
    lost = next(name for name in cluster.places() if name != "rk1")
    cluster.hosts.power_cut(lost)
    wait_for(lambda: len({*cluster.places()} - {lost}) == 2, "a second connector elsewhere", 120)
    cluster.hosts.power_on(lost)
    managers = {"rk1", "rk2", "rk3"}
    wait_for(lambda: in_touch(cluster.hosts, "rk1") == managers, "all managers", 90)
    wait_for(lambda: cluster.hosts.nodes("rk1")[lost].state == "ready", "it to be back", 90)


def test_a_tunnel_that_is_not_declared_any_more_is_told_and_goes_when_its_owner_says_so(
    cluster: Cluster,
) -> None:
    cluster.declare(mode="ports")
    [left] = told(cluster.run("inventory.py", "deploys/exposure.py"), "!")
    assert "stack swarm-exposure: is not declared any more, and runs still" in left
    run = cluster.run(*REMOVE, "--data", "confirm=swarm-exposure")
    assert run.returncode == 0, run.output
    assert CONNECTOR not in cluster.services()
    cluster.in_sync()


def test_dynamic_dns_runs_once_with_its_token(cluster: Cluster) -> None:
    cluster.declare(dns=True)
    cluster.done(*EXPOSURE)
    assert len(cluster.places(DDNS)) == 1
    assert cluster.inside("stat -c '%u %a' /run/secrets/dns_token", DDNS).split() == ["1000", "400"]
    cluster.in_sync()
