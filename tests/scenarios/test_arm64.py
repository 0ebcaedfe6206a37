"""One emulated board with arm64, from an empty disk on: the whole job, packets, drift, a power cut.

Its kernel is the distribution's, with iptables-nft. One story, in the order of this file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from lab import api, description, images
from tests.scenarios.conftest import (
    SITE,
    Run,
    changes_in,
    description_of_the_lab,
    on_each,
    wait_for,
)
from tests.scenarios.reach import OPEN, REFUSED, SILENT, reach
from tests.scenarios.test_userlands import BREAK, OVERRIDDEN_NO_MORE, checked
from tests.tools import must_run

pytestmark = pytest.mark.lifecycle

PYINFRA = Callable[..., Run]
HOST = "node1"
PATIENCE = 3000
"""Seconds for a run on an emulated host."""

SLOW = {"SWARM_SSH__ROLLBACK_AFTER": "300"}
"""Settings: its sshd takes longer to come back than a real board's."""

MESH, CONTAINER, UNDECLARED, EARLY = 80, 443, 8443, 9998
"""Ports: of a service in the routing mesh and of a single container, both web ports; of a container
that nobody may reach; of a listener that is there before the network is."""

SETTINGS = {**SLOW, "SWARM_FIREWALL__CLOSED": f"[{UNDECLARED}]"}


@pytest.fixture(scope="session")
def lab() -> Iterator[ModuleType]:
    """A lab of one board."""
    up = description.read()
    if up is not None:
        if [host.architecture for host in up.hosts] != ["arm64"]:
            must_run.give_up("another lab is up on this machine: `pyinfra-swarm lab down`")
        yield api
        return
    api.up(0, 0, 2048, arm64=1)
    yield api
    api.down()


@pytest.fixture(scope="module")
def fresh(lab: ModuleType) -> description.Host:
    return description_of_the_lab().host(HOST)


def root(script: str, timeout: float = 300) -> str:
    return on_each([HOST], script, timeout=timeout)[HOST].strip()


def test_the_host_is_what_its_owner_has(fresh: description.Host) -> None:
    said = root("uname -m; dpkg --print-architecture; iptables -V; systemctl --failed --no-legend")
    assert said.splitlines()[:2] == ["aarch64", "arm64"]
    assert "nf_tables" in said.splitlines()[2]
    assert said.splitlines()[3:] == []


@pytest.fixture(scope="module")
def flashed(lab: ModuleType, fresh: description.Host) -> str:
    """What the host's id was before it was flashed, and something was left on it."""
    before = root("touch /etc/left-by-somebody; sync; cat /etc/machine-id")
    lab.reset([HOST])
    return before


def test_a_flashed_host_is_a_fresh_one(flashed: str) -> None:
    assert root("cat /etc/machine-id") != flashed
    assert root("ls /etc/left-by-somebody 2>/dev/null || echo gone") == "gone"


@pytest.fixture(scope="module")
def looked(flashed: str, pyinfra: PYINFRA) -> Run:
    return pyinfra("--dry", *SITE, env=SETTINGS, timeout=PATIENCE)


def test_a_dry_run_refuses_nothing(looked: Run) -> None:
    assert looked.returncode == 0, looked.output
    assert "✗" not in looked.stderr


@pytest.fixture(scope="module")
def built(looked: Run, pyinfra: PYINFRA) -> Run:
    return pyinfra("-y", *SITE, env=SETTINGS, timeout=PATIENCE)


def test_one_run_does_the_whole_job(built: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n  an empty disk to a swarm: {built.seconds:.0f} s")
    assert built.returncode == 0, built.output
    assert root("docker info -f '{{.Architecture}} {{.Swarm.LocalNodeState}}'") == "aarch64 active"


def test_a_second_run_changes_nothing(built: Run, pyinfra: PYINFRA) -> None:
    run = pyinfra("-y", "--json", *SITE, env=SETTINGS, timeout=PATIENCE)
    assert run.returncode == 0, run.stderr
    assert changes_in(run.json) == []


def test_a_check_finds_nothing(built: Run) -> None:
    seen = checked(SETTINGS)
    assert (seen.code, seen.states) == (0, {HOST: "in sync"}), (seen.found, seen.errors)


# Who gets an answer
# ------------------


def answer(lab: ModuleType, client: str, address: str, port: int) -> str:
    """What a client reads, not only whether it is let in: a proxy may accept and say nothing."""
    name = f"[{address}]" if ":" in address else address
    ask = ["curl", "-fs", "--max-time", "30", f"http://{name}:{port}/"]
    return str(lab.in_namespace(client, ask).stdout)


def served(lab: ModuleType, host: description.Host) -> list[str]:
    """What Cloudflare's machine reads at each door that is open to it."""
    doors = [(host.address, MESH), (host.address, CONTAINER), (host.address6, CONTAINER)]
    return [answer(lab, "cloudflare", *door) for door in doors]


GREETINGS = ["hello from the lab\n"] * 3


@pytest.fixture(scope="module")
def serving(lab: ModuleType, built: Run, fresh: description.Host) -> description.Host:
    """The host with a service and two containers of an image for its own platform."""
    image = f"{description_of_the_lab().registry}/{images.WEB}:1"
    run = "docker run -d --restart always"
    root(
        f"set -e; docker pull -q {image}\n"
        f"{run} --name declared -p {CONTAINER}:80 {image}\n"
        f"{run} --name undeclared -p {UNDECLARED}:80 {image}\n"
        f"docker service create -q -d --name web --publish {MESH}:80 {image}",
        timeout=600,
    )
    wait_for(lambda: served(lab, fresh) == GREETINGS, "the doors to be served", 300)
    return fresh


def test_who_is_not_declared_gets_no_answer(lab: ModuleType, serving: description.Host) -> None:
    addresses = (serving.address, serving.address6)
    closed = (2377, 7946, UNDECLARED)
    web = [(address, port) for address in addresses for port in (MESH, CONTAINER)]
    hidden = [(address, port) for address in addresses for port in closed]
    ssh = [(address, 22) for address in addresses]
    for client in ("stranger", "admin"):
        seen = reach(lab, client, [*web, *hidden, *ssh], wait=10)
        assert {target: seen[target] for target in ssh} == dict.fromkeys(ssh, OPEN)
        shut = [*web, *hidden]
        assert {target: seen[target] for target in shut} == dict.fromkeys(shut, SILENT), client
    seen = reach(lab, "cloudflare", hidden, wait=10)
    assert seen == dict.fromkeys(hidden, SILENT)


def test_they_would_without_the_firewall(lab: ModuleType, serving: description.Host) -> None:
    """Otherwise silence would prove nothing."""
    root("sh /usr/local/lib/pyinfra-swarm/firewall unload")
    try:
        for address in (serving.address, serving.address6):
            assert answer(lab, "stranger", address, UNDECLARED) == GREETINGS[0]
    finally:
        root("sh /usr/local/lib/pyinfra-swarm/firewall load")
    assert answer(lab, "stranger", serving.address, UNDECLARED) == ""


# What changes by itself, or by hand
# ----------------------------------


def test_what_was_changed_by_hand_is_found_and_mended(built: Run, pyinfra: PYINFRA) -> None:
    root(BREAK)
    seen = checked(SETTINGS)
    assert seen.code == 2, (seen.found, seen.errors)
    parts = " ".join(seen.found[HOST])
    for word in ("daemon.json", "PasswordAuthentication", "SWARM-INPUT"):
        assert word in parts, seen.found
    root(OVERRIDDEN_NO_MORE)
    run = pyinfra("-y", *SITE, env=SETTINGS, timeout=PATIENCE)
    assert run.returncode == 0, run.output
    wait_for(lambda: checked(SETTINGS).code == 0, "the host to be in sync again", 300)


_EARLY = f"""
cat > /etc/systemd/system/early.service <<'END'
[Unit]
DefaultDependencies=no
After=local-fs.target
Before=network-pre.target
[Service]
ExecStart=/usr/bin/python3 -m http.server {EARLY} --bind :: --directory /srv
Restart=always
RestartSec=0
[Install]
WantedBy=sysinit.target
END
systemctl daemon-reload; systemctl --quiet enable --now early.service; sync
"""


def test_a_power_cut_opens_nothing_and_the_doors_come_back(
    lab: ModuleType, serving: description.Host
) -> None:
    """Somebody outside tries all the time, over both families, until Docker serves again."""
    root(_EARLY)
    addresses = (serving.address, serving.address6)
    targets = [(address, port) for address in addresses for port in (EARLY, UNDECLARED)]
    seen: list[str] = []
    stop = threading.Event()

    def try_all_the_time() -> None:
        while not stop.is_set():
            seen.extend(reach(lab, "stranger", targets, wait=1).values())

    trying = threading.Thread(target=try_all_the_time)
    trying.start()
    try:
        lab.power_cut(HOST)
        wait_for(lambda: served(lab, serving) == GREETINGS, "Docker to serve again", 1200)
        assert root("systemctl is-active early.service") == "active"
    finally:
        stop.set()
        trying.join()
        root("systemctl disable --now --quiet early.service; rm /etc/systemd/system/early.*")
    assert len(seen) > 100
    assert (seen.count(OPEN), seen.count(REFUSED)) == (0, 0)


def test_after_a_reboot_it_is_as_declared(lab: ModuleType, serving: description.Host) -> None:
    lab.reboot(HOST)
    wait_for(lambda: checked(SETTINGS).code == 0, "the host to be in sync again", 900)
    wait_for(lambda: served(lab, serving) == GREETINGS, "the doors to be served", 300)
