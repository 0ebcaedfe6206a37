"""What an encrypted ingress network costs: the same requests through the mesh, with and without.

    sudo .venv/bin/python -m tests.bench.encryption

It brings a lab of two hosts up, installs Docker by the project's own deploy, and makes a swarm by
hand, since the project makes none without encryption. Each request enters at the first host and is
answered by the second, so that it crosses the wire between them in VXLAN. The two kinds of network
take turns.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from lab import api
from tests.bench.floor import Failed
from tests.scenarios.conftest import ROOT, environment, load_web_image, on_each, pyinfra_argv

ROUNDS, DOWNLOADS, REQUESTS = 3, 4, 200
SIZE = 48 << 20
"""Bytes of one download."""

PORT, DIRECT = 8080, 8090
"""Of the mesh, and of the second host itself, without an overlay."""


@dataclass
class Measured:
    """Of one kind of network: megabytes a second of each download, milliseconds of each request."""

    speed: list[float] = field(default_factory=list)
    latency: list[float] = field(default_factory=list)


def main() -> int:
    """Measure, and print the table."""
    found = {"direct": Measured(), "clear": Measured(), "encrypted": Measured()}
    description = api.up(1, 1, say=lambda text: print(text, file=sys.stderr))
    try:
        first, second = (host.name for host in description.hosts)
        addresses = {host.name: host.address for host in description.hosts}
        mesh, direct = f"http://{addresses[first]}:{PORT}", f"http://{addresses[second]}:{DIRECT}"
        _prepare(first, second, addresses)
        for _ in range(ROUNDS):
            for kind in ("clear", "encrypted"):
                _ingress(first, second, encrypted=kind == "encrypted")
                _service(first, second)
                _until(lambda: _answers(direct), "the service at its own node")
                _until(lambda: _answers(mesh) or _attach(first), "the routing mesh")
                before = _esp_bytes(first)
                _measure(found[kind], mesh)
                crossed = _esp_bytes(first) - before
                if (crossed > SIZE) is not (kind == "encrypted"):
                    raise Failed(f"{kind}: {crossed} bytes went through ESP at {first}")
                _measure(found["direct"], direct)
                _docker(first, "service rm web")
        print(_table(found))
    finally:
        api.down()
    return 0


def _prepare(first: str, second: str, addresses: dict[str, str]) -> None:
    subprocess.run(
        pyinfra_argv("-y", "inventory.py", "deploys/docker.py"),
        cwd=ROOT,
        env=environment(),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    _docker(first, f"swarm init --advertise-addr {addresses[first]}")
    token = _docker(first, "swarm join-token -q worker")
    _docker(second, f"swarm join --token {token} {addresses[first]}:2377")
    load_web_image([first, second])
    on_each([second], f"mkdir -p /srv/big && truncate -s {SIZE} /srv/big/big")


def _docker(host: str, words: str) -> str:
    return on_each([host], f"docker {words} 2>&1")[host].strip()


def _ingress(first: str, second: str, *, encrypted: bool) -> None:
    """Replace the ingress network, when nobody is in it any more."""
    _until(lambda: _docker(second, "ps --all --quiet") == "", "the old task to go")
    on_each([first], "yes | docker network rm ingress >/dev/null 2>&1 || :")
    _until(lambda: not _has_ingress(first), "the old network to go")
    _until(lambda: not _has_ingress(second), "the old network to go from the other node")
    option = "--opt encrypted" if encrypted else ""
    _docker(
        first, f"network create --driver overlay --ingress {option} --subnet 10.201.0.0/24 ingress"
    )


def _has_ingress(host: str) -> bool:
    return "ingress" in _docker(host, "network ls --format {{.Name}}").split()


def _attach(first: str) -> bool:
    """Have each engine look at its networks; false, as that takes a moment.

    One that is in the swarm already attaches to a new ingress network when something of its node
    has changed, if nothing else makes it.
    """
    for node in _docker(first, "node ls --quiet").split():
        _docker(first, f"node update --label-add looked={time.monotonic_ns()} {node}")
    return False


def _service(first: str, second: str) -> None:
    _docker(
        first,
        "service create --detach --no-resolve-image --name web --constraint node.role==worker "
        f"--publish {PORT}:80 --publish published={DIRECT},target=80,mode=host "
        "--mount type=bind,src=/srv/big,dst=/www/big,readonly lab/web:1",
    )
    state = "service ps web --filter desired-state=running --format {{.CurrentState}}"
    _until(lambda: _docker(first, state).startswith("Running"), "the service's task")


def _until(true: Callable[[], bool], what: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise Failed(f"waited in vain for {what}")
        time.sleep(0.5)


def _esp_bytes(host: str) -> int:
    """What went through its states of ESP. Docker leaves those of a removed network behind."""
    said = on_each([host], "ip -s xfrm state")[host]
    return sum(map(int, re.findall(r"^\s*(\d+)\(bytes\), \d+\(packets\)", said, re.MULTILINE)))


def _measure(found: Measured, url: str) -> None:
    for _ in range(DOWNLOADS):
        said = _curl("-o", "/dev/null", "-w", "%{speed_download}", f"{url}/big/big")
        found.speed.append(float(said) / 1e6)
    said = _curl("-o", "/dev/null", "-w", "%{time_total}\n", f"{url}/?[1-{REQUESTS}]")
    found.latency += [float(line) * 1000 for line in said.split()]


def _answers(url: str) -> bool:
    """Whether the service does there: each node hears of it by itself."""
    asked = api.in_namespace("lab", ["curl", "-sf", "-m", "3", "-o", "/dev/null", url])
    return asked.returncode == 0


def _curl(*words: str) -> str:
    done = api.in_namespace("lab", ["curl", "-sSf", *words], timeout=300)
    if done.returncode:
        raise Failed(done.stderr)
    return done.stdout


def _table(found: dict[str, Measured]) -> str:
    clear = statistics.median(found["clear"].speed)
    quick = statistics.median(found["clear"].latency)
    lines = [
        "# Results of `python -m tests.bench.encryption`",
        "",
        f"{date.today()}. {ROUNDS} rounds; downloads of {SIZE >> 20} MiB, {DOWNLOADS} in each; "
        f"{REQUESTS} small requests in each. Medians.",
        "",
        "| | MB/s | of clear | ms a request | of clear |",
        "|---|---:|---:|---:|---:|",
    ]
    names = {
        "direct": "no overlay: a port of the node itself",
        "clear": "routing mesh, ingress in clear text",
        "encrypted": "routing mesh, ingress encrypted",
    }
    for kind, one in found.items():
        speed, latency = statistics.median(one.speed), statistics.median(one.latency)
        lines.append(
            f"| {names[kind]} | {speed:.1f} | {speed / clear:.2f} | {latency:.2f} "
            f"| {latency / quick:.2f} |"
        )
    spread = {
        kind: [round(min(one.speed), 1), round(max(one.speed), 1)] for kind, one in found.items()
    }
    return "\n".join([*lines, "", f"Slowest and fastest download: {json.dumps(spread)}"])


if __name__ == "__main__":
    sys.exit(main())
