"""`docs/facts.md` shows what the facts really give: recorded on a host, made by their code."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.tools.facts_page import PAGE, RECORDED, answer, asked, facts, shown, with_answers

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_fact_has_a_section_and_every_section_a_fact() -> None:
    assert sorted(re.findall(r"(?m)^### `([\w.]+)`$", TEXT)) == sorted(facts())


def test_the_answers_are_what_the_code_makes_of_the_recorded_output() -> None:
    assert with_answers(TEXT) == TEXT, "python -m tests.tools.facts_page write"


@pytest.mark.parametrize("name", sorted(facts()))
def test_a_section_says_what_its_fact_is_and_shows_an_answer(name: str) -> None:
    section = TEXT.split(f"### `{name}`\n")[1].split("\n#")[0]
    assert re.match(r"\n[A-Z][^\n]{20,}", section), "first what it is, in words"
    assert shown(name) in section
    assert answer(name), "record it where there is something to show"


def test_nothing_was_recorded_that_no_fact_asks_for() -> None:
    wanted = {asked(name, fact)[0] for name, fact in facts().items()}
    assert {path.stem for path in RECORDED.glob("*.txt")} == wanted


def test_what_was_recorded_holds_no_secret() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in RECORDED.glob("*.txt"))
    assert not re.search(r"SWMTKN-|PRIVATE KEY|\$6\$|\$y\$", text)


# Is it true? The page and the code could be wrong together
# ---------------------------------------------------------

TRUE: dict[str, dict[str, Any]] = {
    "facts.access.Accounts": {
        "login_user": "debian",
        "accounts.0.name": "root",
        "accounts.0.password": "locked",
        "accounts.1.name": "debian",
        "accounts.1.uid": 1000,
        "accounts.1.home": "/home/debian",
        "accounts.1.more_keys": [],
        "sudoers_included": True,
        "unconfirmed": False,
    },
    "facts.docker.Info": {"engine": "running", "ServerVersion": "28.5.2", "Containers": 2},
    "facts.secrets.Objects": {
        "problem": "",
        "objects.0.name": "db_password_v1",
        "objects.1.of": "db_password",
        "objects.1.version": 2,
        "services.0.name": "web",
        "services.0.uses": ["secret db_password_v2"],
        "services.0.used": ["secret db_password_v1"],
    },
    "facts.docker.IngressNetwork": {
        "exists": True,
        "encrypted": True,
        "joined": True,
        "subnets": ["10.201.0.0/24"],
    },
    "facts.docker.Installation": {
        "distribution": "debian",
        "codename": "trixie",
        "packages.docker-ce.version": "5:28.5.2-1~debian.13~trixie",
        "packages.docker-ce.held": True,
        "running": True,
        "enabled": True,
        "group": ["debian"],
        "forwarding": True,
    },
    "facts.docker.Offered": {"versions.0": "5:28.5.2-1~debian.13~trixie"},
    "facts.docker.OverlayNetworks": {
        "ingress.ingress": True,
        "ingress.encrypted": True,
        "notes.ingress": False,
        "notes.encrypted": True,
    },
    "facts.docker.PublishedKey": {"error": ""},
    "facts.docker.StandaloneContainers": {"ybsxcdy81ujmqj41p4ojeybrj": ["alone"]},
    "facts.exposure.FloatingAddress": {
        "package": "1:2.3.3-1",
        "active": True,
        "enabled": True,
        "reload": False,
        "addresses.vec0.0": "192.168.77.14/24",
        "addresses.vec0.1": "192.168.77.9/32",
        "given_up": False,
        "role": "MASTER",
        "taken": 1,
        "problem": "",
    },
    "facts.firewall.State": {
        "ipv4.SWARM-INPUT.0": "-p udp -m policy --dir in --pol none -m udp --dport 4789 -j DROP",
        "ipv6.SWARM-PEERS": ["-j DROP"],
        "docker waits for it": True,
        "sshd listens on": [22],
        "this login comes from": "192.168.77.1",
        "this login comes by": "vec0",
        "VPNs that start at boot": [],
        "waits for a confirmation": False,
    },
    "facts.firewall.Tables": {
        "ipv4.backend": "legacy",
        "ipv4.filter.FORWARD (policy DROP)": ["-j DOCKER-USER", "-j DOCKER-FORWARD"],
        "ipv6.filter.FORWARD (policy ACCEPT)": ["-j DOCKER-USER", "-j DOCKER-FORWARD"],
    },
    "facts.firewall.WebRanges": {"ranges.ipv4.0": "173.245.48.0/20", "last_result": "ok"},
    "facts.host.Host": {
        "distribution": "debian",
        "version": "13",
        "hostname": "node1",
        "systemd": True,
        "in_swarm": True,
        "engine": "28.5.2",
        "addresses.1.address": "192.168.77.11/24",
        "kernel.esp": True,
        "kernel.limits_memory": True,
    },
    "facts.host.Resources": {"disks.0.path": "/", "disks.1.path": "/var/lib/docker"},
    "facts.host.UplinkMtu": {"": 1500},
    "facts.kernel.Capabilities": {"release": "6.12.113", "esp": True, "vxlan": True},
    "facts.networks.Attachments": {
        "0.network": "ingress",
        "0.encrypted": True,
        "0.mtu": 1424,
        "1.network": "notes",
        "1.sandbox": "lb_ybsxcdy81",
    },
    "facts.rolling.Replicas": {"": [{"name": "web", "wanted": 4, "running": 4, "stuck": 0}]},
    "facts.rolling.Running": {"kernel": "6.12.113", "reboot_required": False},
    "facts.ssh.Effective": {
        "installed": True,
        "effective.root.permitrootlogin": "no",
        "effective.debian.passwordauthentication": "no",
        "effective.debian.pubkeyauthentication": "yes",
        "socket": "active",
    },
    "facts.stacks.Stacks": {
        "problem": "",
        "stacks.web.record.version": 1,
        "stacks.web.record.services": ["web_app", "web_side"],
        "stacks.web.services.0.name": "web_app",
        "stacks.web.services.0.replicas": 2,
    },
    "facts.swarm.JoinState": {"state": "active", "role": "manager", "address": "192.168.77.11"},
    "facts.swarm.StateOnDisk": {
        "state": True,
        "locked": False,
        "manager": True,
        "engine": "28.5.2",
    },
    "facts.swarm.Nodes": {
        "nodes.node4.role": "worker",
        "nodes.node4.address": "192.168.77.14",
        "nodes.node1.role": "manager",
        "nodes.node2.leader": True,
        "nodes.node3.leader": False,
    },
    "facts.swarm.Services": {"0.name": "web", "0.mesh_ports": [80]},
    "facts.swarm.State": {
        "hostname": "node1",
        "manager": True,
        "certificate_role": "manager",
        "spec.autolock": False,
        "spec.certificate_expiry": 90 * 86400,
        "in_ingress": True,
    },
    "facts.swarm.Tasks": {"": ["web.q5vzts41t54l254ahgvx56a0u"]},
    "facts.swarm.UnlockKey": {},  # a hash: nothing is known of it but its shape
    "facts.managed.Files": {"files.0": "/etc/docker/daemon.json"},
    "facts.updates.Updates": {"reboot_required": False},
    "facts.vpn.State": {
        "running": {},
        "addresses.vec0.0": "192.168.77.11/24",
        "login_from": "192.168.77.1",
        "login_by": "vec0",
        "tailscale": None,
    },
}
"""What was so on the host when it was recorded, as the lab had made it; by path."""


def at(found: Any, path: str) -> Any:
    while path:
        if isinstance(found, dict) and path in found:
            return found[path]
        if isinstance(found, list):
            step, _, path = path.partition(".")
            found = found[int(step)]
            continue
        step = next(key for key in found if path.startswith(f"{key}."))
        found, path = found[step], path[len(step) + 1 :]
    return found


@pytest.mark.parametrize("name", sorted(TRUE))
def test_what_is_shown_was_so_on_the_host(name: str) -> None:
    for path, expected in TRUE[name].items():
        assert at(answer(name), path) == expected, path


def test_an_unlock_key_is_shown_by_a_short_hash() -> None:
    assert re.fullmatch("[0-9a-f]{16}", answer("facts.swarm.UnlockKey"))


def test_facts_of_the_same_host_agree() -> None:
    """Each has its own way to what is one thing on the host."""
    state, kept = answer("facts.swarm.State"), answer("facts.swarm.StateOnDisk")
    nodes, ingress = answer("facts.swarm.Nodes")["nodes"], answer("facts.docker.IngressNetwork")
    host, installed = answer("facts.host.Host"), answer("facts.docker.Installation")
    assert (kept["cluster"], kept["node"]) == (state["cluster"], state["node"])
    assert nodes[host["hostname"]]["id"] == state["node"]
    assert {node["id"] for node in state["nodes"]} == {node["id"] for node in nodes.values()}
    assert {node["address"] for node in nodes.values()} == set(ingress["peers"].values())
    assert f"{state['address']}/24" in {one["address"] for one in host["addresses"]}
    assert state["address"] in kept["addresses"]
    assert host["packages"]["docker-ce"] == installed["packages"]["docker-ce"]["version"]
    assert {node["engine"] for node in nodes.values()} == {host["engine"], kept["engine"]}
    ends = {end["network"]: end for end in answer("facts.networks.Attachments")}
    networks = answer("facts.docker.OverlayNetworks")
    for name, end in ends.items():
        assert end["encrypted"] == networks[name]["encrypted"]
        assert ip_address(end["address"]) in ip_network(networks[name]["subnets"][0])
    for service in answer("facts.swarm.Services"):
        known = {one["id"] for one in networks.values() if isinstance(one, dict)}
        assert set(service["networks"]) <= known
    rules, ranges = answer("facts.firewall.State"), answer("facts.firewall.WebRanges")["ranges"]
    for family in ("ipv4", "ipv6"):
        filter_table = answer("facts.firewall.Tables")[family]["filter"]
        for chain, own in rules[family].items():
            assert list(filter_table[chain]) == list(own)
        web = rules[family]["SWARM-WEB"]
        allowed = [rule.split()[1] for rule in web if rule.startswith("-s")]
        assert allowed == ranges[family]
