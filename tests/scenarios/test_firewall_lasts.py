"""The firewall lasts: across boots, beside Docker and other tools, and it goes without a trace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from tests.scenarios.conftest import Run, description_of_the_lab, load_web_image, on_each, wait_for
from tests.scenarios.reach import OPEN, SILENT, reach

pytestmark = pytest.mark.lifecycle

HOST, ADDRESS = "node4", "192.168.77.14"
FIREWALL = ("-y", "--limit", HOST, "inventory.py", "deploys/firewall.py")
SCRIPT = "sh /usr/local/lib/pyinfra-swarm/firewall"
BOOTED = ("degraded", "running")
NODES = ("node1", "node2", "node3", "node4")


@pytest.fixture(scope="module", autouse=True)
def cluster(lab: ModuleType, pyinfra: Callable[..., Run]) -> None:
    run = pyinfra("-y", "inventory.py", "deploys/site.py")
    assert run.returncode == 0, run.output


def root(lab: ModuleType, script: str) -> str:
    return str(lab.run(HOST, ["sudo", "sh", "-c", script], timeout=120).stdout).strip()


def saved(lab: ModuleType) -> str:
    return root(
        lab,
        "for t in iptables ip6tables; do $t-save -t filter | grep -v '^#' | sed 's/ \\[.*//'; done",
    )


@pytest.fixture
def mended(lab: ModuleType, pyinfra: Callable[..., Run]) -> Iterator[None]:
    """Afterwards the host is as declared again."""
    yield
    run = pyinfra("-y", "inventory.py", "deploys/site.py")
    assert run.returncode == 0, run.output


def test_there_is_no_moment_after_boot_in_which_the_host_is_open(lab: ModuleType) -> None:
    """Somebody outside tries all the time, over both families, while the host boots.

    The host's own listener is there as soon as the network is.
    """
    root(
        lab,
        "cat > /etc/systemd/system/early.service <<'END'\n"
        "[Unit]\nDefaultDependencies=no\nAfter=local-fs.target\nBefore=network-pre.target\n"
        "[Service]\nExecStart=/usr/bin/python3 -m http.server 9998 --bind :: --directory /srv\n"
        "Restart=always\nRestartSec=0\n"
        "[Install]\nWantedBy=sysinit.target\nEND\n"
        "systemctl daemon-reload; systemctl --quiet enable --now early.service; sync",
    )
    targets = [(ADDRESS, 9998), ("fd00:77::14", 9998)]
    seen: set[str] = set()
    stop = threading.Event()

    def try_all_the_time() -> None:
        while not stop.is_set():
            seen.update(reach(lab, "stranger", targets, wait=0.3).values())

    trying = threading.Thread(target=try_all_the_time)
    trying.start()
    try:
        lab.power_cut(HOST)
        wait_for(lambda: root(lab, "systemctl is-active docker || :") == "active", "Docker", 120)
        assert root(lab, "systemctl is-active early.service") == "active"
    finally:
        stop.set()
        trying.join()
        root(lab, "systemctl disable --now --quiet early.service; rm /etc/systemd/system/early.*")
    assert OPEN not in seen
    assert "refused" not in seen  # not even the kernel's own answer


def test_rules_that_cannot_be_loaded_keep_containers_down_and_ssh_up(
    lab: ModuleType, pyinfra: Callable[..., Run], mended: None
) -> None:
    root(lab, "echo '-A SWARM-INPUT --no-such-option' >> /etc/pyinfra-swarm/firewall.ipv4; sync")
    lab.reboot(HOST)
    wait_for(
        lambda: root(lab, "systemctl is-system-running || :") in ("degraded", "running"),
        "boot",
        120,
    )
    assert root(lab, "systemctl is-active pyinfra-swarm-firewall docker || :").split() == [
        "failed",
        "inactive",
    ]
    starts = "journalctl -b -q -o cat -u docker | grep -c 'Dependency failed' || :"
    before = root(lab, starts)
    dry = pyinfra("--dry", "--limit", HOST, "inventory.py", "deploys/firewall.py")
    assert "/etc/pyinfra-swarm/firewall.ipv4: is not as declared" in dry.output
    assert root(lab, starts) == before, "looking has tried to start Docker, by its socket"
    # Whoever does ask for Docker meanwhile, at its socket, uses up the starts that systemd grants.
    root(lab, "timeout 10 docker ps || :")
    run = pyinfra("-y", "inventory.py", "deploys/site.py")
    assert run.returncode == 0, run.output
    assert "waits for the firewall, whose rules could not be loaded" in run.output
    assert root(lab, "systemctl is-active docker") == "active"
    assert "Nothing was changed" in pyinfra("-y", "inventory.py", "deploys/site.py").output


def test_a_script_that_is_gone_keeps_containers_down_and_ssh_up(
    lab: ModuleType, pyinfra: Callable[..., Run], mended: None
) -> None:
    """A unit that is skipped does not fail: Docker would start on a host that is open."""
    load_web_image((HOST,))
    root(lab, "docker run -d --restart always --name reachable -p 8083:80 lab/web:1 >/dev/null")
    try:
        root(lab, "rm /usr/local/lib/pyinfra-swarm/firewall; sync")
        lab.reboot(HOST)
        wait_for(lambda: root(lab, "systemctl is-system-running || :") in BOOTED, "boot", 120)
        states = root(lab, "systemctl is-active pyinfra-swarm-firewall docker || :").split()
        assert states == ["failed", "inactive"]
        assert OPEN not in reach(lab, "stranger", [(ADDRESS, 8083), (ADDRESS, 7946)]).values()
        run = pyinfra("-y", "inventory.py", "deploys/site.py")
        assert run.returncode == 0, run.output
        assert "/usr/local/lib/pyinfra-swarm/firewall: is gone" in run.output
        assert root(lab, "systemctl is-active docker") == "active"
        assert reach(lab, "stranger", [(ADDRESS, 8083)]) == {(ADDRESS, 8083): SILENT}
    finally:
        root(lab, "docker rm -f reachable || :")


def test_other_peoples_rules_are_left_alone_and_those_above_ours_are_named(
    lab: ModuleType, pyinfra: Callable[..., Run], mended: None
) -> None:
    foreign = [
        "iptables -I INPUT -s 203.0.113.77 -p tcp --dport 8085 -j ACCEPT",
        "iptables -A INPUT -s 203.0.113.78 -j ACCEPT",
        "iptables -I DOCKER-USER -s 203.0.113.79 -j RETURN",
        "ip6tables -I INPUT -s 2001:db8:ad::7 -j ACCEPT",
        "iptables -t mangle -A PREROUTING -s 203.0.113.80 -j ACCEPT",
    ]
    root(lab, "; ".join(foreign))
    try:
        dry = pyinfra("--dry", "--limit", HOST, "inventory.py", "deploys/firewall.py")
        for source in ("203.0.113.77", "203.0.113.79", "2001:db8:ad::7"):
            assert f"-s {source}/" in dry.output
        assert "203.0.113.78" not in dry.output
        run = pyinfra(*FIREWALL)
        assert run.returncode == 0, run.output
        tables = root(lab, "iptables-save; ip6tables-save")
        for number in (77, 78, 79, 80):
            assert f"203.0.113.{number}" in tables
        chain = [line for line in tables.splitlines() if line.startswith("-A INPUT ")]
        assert chain[0] == "-A INPUT -j SWARM-INPUT"
        assert "Nothing was changed" in pyinfra(*FIREWALL).output
    finally:
        root(
            lab, "; ".join(line.replace(" -I ", " -D ").replace(" -A ", " -D ") for line in foreign)
        )


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("iptables -F SWARM-INPUT", "SWARM-INPUT (IPv4): its rules are gone"),
        ("ip6tables -D SWARM-INPUT -j DROP", "SWARM-INPUT (IPv6): lacks a rule"),
        (
            "iptables -I SWARM-PUBLISHED -j RETURN",
            "SWARM-PUBLISHED (IPv4): has a rule that",
        ),
        ("iptables -D DOCKER-USER -j SWARM-FORWARD", "DOCKER-USER (IPv4): does not lead to"),
        ("iptables -D OUTPUT -j SWARM-OUTPUT", "OUTPUT (IPv4): does not lead to"),
        ("iptables -I SWARM-WEB -j RETURN", "SWARM-WEB (IPv4): has a rule that"),
        ("systemctl disable --quiet pyinfra-swarm-firewall", "is not started at boot"),
        ("systemctl stop pyinfra-swarm-web-ranges.timer", "timer: is not active"),
        ("systemctl stop pyinfra-swarm-interfaces", "interfaces.service: is not active"),
        ("touch -d '9 days ago' /var/lib/pyinfra-swarm/web-ranges/ipv4", "confirmed 9 days ago"),
        ("rm /var/lib/pyinfra-swarm/web-ranges/ipv6", "web ranges: have never been refreshed"),
        (
            "rm /etc/systemd/system/docker.service.d/pyinfra-swarm-firewall.conf; "
            "systemctl daemon-reload",
            "docker.service: would start without the firewall",
        ),
    ],
    ids=lambda value: value.split(";")[0] if isinstance(value, str) else None,
)
def test_what_was_changed_by_hand_is_named_and_mended(
    lab: ModuleType, pyinfra: Callable[..., Run], harm: str, words: str
) -> None:
    root(lab, harm)
    run = pyinfra(*FIREWALL)
    assert words in run.output
    assert run.returncode == 0, run.output
    assert "Nothing was changed" in pyinfra(*FIREWALL).output


def test_a_failed_refresh_neither_opens_nor_closes_the_door(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    before = saved(lab)
    lab.set_faults({"www.cloudflare.com/ips-v*": "html"})
    try:
        run = pyinfra("--data", "refresh=now", *FIREWALL)
        assert run.returncode == 1
        assert "could not be refreshed; what was in force stays in force" in run.output
        assert "not an IPv4 network" in run.output
        assert saved(lab) == before
        said = pyinfra("--limit", HOST, "inventory.py", "fact", "facts.firewall.WebRanges")
        assert "not an IPv4 network" in said.output
    finally:
        lab.set_faults({})
    run = pyinfra("--data", "refresh=now", *FIREWALL)
    assert run.returncode == 0, run.output
    assert saved(lab) == before


def test_a_new_list_is_in_force_at_once(lab: ModuleType, pyinfra: Callable[..., Run]) -> None:
    found = root(lab, "cat /var/lib/pyinfra-swarm/web-ranges/ipv4").splitlines()
    kept = [line for line in found if line != "192.0.2.0/24"] + ["198.51.100.0/24"]
    lab.set_faults({"www.cloudflare.com/ips-v4": {"kind": "content", "content": "\n".join(kept)}})
    try:
        assert pyinfra("--data", "refresh=now", *FIREWALL).returncode == 0
        rules = root(lab, "iptables -S SWARM-WEB")
        assert "-s 198.51.100.0/24 -j RETURN" in rules
        assert "192.0.2.0/24" not in rules
        assert "Nothing was changed" in pyinfra(*FIREWALL).output
    finally:
        lab.set_faults({})
        assert pyinfra("--data", "refresh=now", *FIREWALL).returncode == 0


def test_ufw_at_work_is_refused_by_name(lab: ModuleType, pyinfra: Callable[..., Run]) -> None:
    root(
        lab,
        "export DEBIAN_FRONTEND=noninteractive; apt-get -q -y install ufw >/dev/null; "
        "ufw allow 22/tcp; ufw --force enable",
    )
    try:
        run = pyinfra("--dry", "--limit", HOST, "inventory.py", "deploys/firewall.py")
        assert run.returncode == 1
        assert "ufw is on; two firewalls on one host override each other" in run.output
        assert "`ufw disable`" in run.output
    finally:
        root(lab, "ufw --force disable; apt-get -q -y purge ufw >/dev/null 2>&1; rm -rf /etc/ufw")


def test_it_goes_without_a_trace(
    lab: ModuleType, pyinfra: Callable[..., Run], mended: None
) -> None:
    started = root(lab, "systemctl show -p ActiveEnterTimestamp docker")
    run = pyinfra("-y", "--limit", HOST, "inventory.py", "deploys/firewall_removed.py")
    assert run.returncode == 0, run.output
    assert "SWARM" not in saved(lab)
    left = root(
        lab,
        "find /etc /usr/local /var/lib/pyinfra-swarm -path '*rollback*' -prune -o -print | "
        "grep -e 'swarm.*firewall' -e web-ranges || :",
    )
    assert left == ""
    assert root(lab, "systemctl show -p ActiveEnterTimestamp docker") == started
    assert "-A FORWARD -j DOCKER-USER" in saved(lab)  # Docker's own
    again = pyinfra("-y", "--limit", HOST, "inventory.py", "deploys/firewall_removed.py")
    assert "Nothing was changed" in again.output
    assert reach(lab, "stranger", [(ADDRESS, 7946)])[ADDRESS, 7946] == OPEN


def test_no_request_is_lost_while_it_is_applied_and_refreshed(
    lab: ModuleType, pyinfra: Callable[..., Run]
) -> None:
    """A visitor asks at every node all the time, at a service that runs elsewhere."""
    load_web_image(NODES)
    lab.run(
        "node1",
        "docker service rm counted >/dev/null 2>&1; docker service create --quiet --detach "
        "--name counted --replicas 2 --no-resolve-image --publish 80:80 lab/web:1 >/dev/null",
    )
    addresses = [host.address for host in description_of_the_lab().hosts]

    def ask(address: str) -> bool:
        done = lab.in_namespace(
            "cloudflare", ["curl", "-fs", "--max-time", "10", f"http://{address}/"]
        )
        return bool(done.stdout.startswith("hello"))

    wait_for(lambda: all(ask(address) for address in addresses), "the service", 120)
    asked: list[bool] = []
    stop = threading.Event()

    def visit(address: str) -> None:
        while not stop.is_set():
            asked.append(ask(address))

    visitors = [threading.Thread(target=visit, args=(address,)) for address in addresses]
    for visitor in visitors:
        visitor.start()
    try:
        time.sleep(2)
        everybody = ("-y", "inventory.py", "deploys/firewall.py")
        other = {"SWARM_FIREWALL__OPEN": '[{"port": 9999}]'}
        assert pyinfra(*everybody, env=other).returncode == 0
        assert pyinfra("--data", "refresh=now", *everybody).returncode == 0
        on_each(NODES, f"{SCRIPT} load")
        time.sleep(2)
    finally:
        stop.set()
        for visitor in visitors:
            visitor.join()
        lab.run("node1", "docker service rm counted")
    assert len(asked) > 40
    assert asked.count(False) == 0


def test_a_stranger_gets_no_answer_on_a_port_nobody_declared(lab: ModuleType) -> None:
    targets = [(f"192.168.77.{10 + n}", 9) for n in range(1, 5)]
    assert set(reach(lab, "stranger", targets, wait=1).values()) == {SILENT}
