"""Values that are refused: with the reason, and with what to write instead."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.settings import Problem, Settings, SettingsError
from tests.unit.settings.settings_examples import put, the_problem

# Each line: where, what was written, a part of the reason, a part of what to write instead.
REFUSED = [
    ("cluster.name", "My Home", "lower-case", '"my-home"'),
    ("hosts.1.name", "RK_2", "not a host name", '"rk-2"'),
    ("hosts.1.name", "rk2.lan", "not a host name", '"rk2"'),
    ("hosts.1.name", "12", "digits only", '"node-12"'),
    ("hosts.1.name", "managers", "already means", '"managers-1"'),
    ("hosts.2.address", "192.168.1.300", "not an IPv4 address", "0 to 255"),
    ("hosts.2.address", "192.168.1.13/24", "prefix length", '"192.168.1.13"'),
    ("hosts.2.address", "rk3.lan", "not an IPv4 address", "192.168.1.11"),
    ("hosts.2.address", "fd00::3", "IPv6", "ssh_host"),
    ("hosts.2.address", "127.0.0.1", "not an address other hosts can reach", "ssh_host"),
    ("hosts.2.address", "169.254.3.4", "not an address a host keeps", "192.168.1.11"),
    ("exposure.address", "192.168.1.300", "not an IPv4 address", "0 to 255"),
    ("exposure.address", "2001:db8::9", "IPv6", "exposure.address6"),
    ("hosts.0.role", "managr", 'not one of "manager" or "worker"', '"manager"'),
    ("hosts.0.availability", "drained", "not one of", '"drain"'),
    ("hosts.0.labels.ssd", True, "not a text", "in quotes"),
    ("hosts.0.ssh_host", "pi@10.0.0.3", "not a host name", 'ssh_user = "pi"'),
    (
        "hosts.0.ssh_host",
        "ada@rk1:22",
        "alone",
        'ssh_host = "rk1", ssh_user = "ada", ssh_port = 22',
    ),
    ("hosts.0.ssh_host", "ssh://ada@rk1", "alone", 'ssh_host = "rk1", ssh_user = "ada"'),
    ("hosts.0.ssh_host", "192.168.1.11:22", "alone", 'ssh_host = "192.168.1.11", ssh_port = 22'),
    ("hosts.0.ssh_host", "[fd00::1]:22", "alone", 'ssh_host = "fd00::1", ssh_port = 22'),
    ("hosts.0.ssh_host", "rk1.lan.", "alone", 'ssh_host = "rk1.lan"'),
    ("hosts.0.ssh_host", "192.168.1.300", "not a host name", '"rk1.example.org"'),
    ("hosts.0.ssh_host", "rk1..lan", "not a host name", '"rk1.example.org"'),
    ("hosts.0.ssh_host", "fe80::1%eth0", "not a host name", '"rk1.example.org"'),
    ("hosts.0.ssh_port", 70000, "too large", "65535 or less"),
    ("hosts.0.ssh_key", "keys/id", "relative path", '"~/keys/id"'),
    ("hosts.0.ssh_user", "root", "root logins are turned off", "sudo"),
    ("ssh.user", "root", "root logins are turned off", "sudo"),
    ("ssh.user", "Max Muster", "not a user name", "ubuntu"),
    ("ssh.user", "", "not a user name", "ubuntu"),
    ("ssh.port", True, "not a whole number", "without quotes"),
    ("ssh.port", float("inf"), "not a whole number", "without quotes"),
    ("hosts.2.address", "192.168.001.013", "begins with 0", "192.168.1.11"),
    ("ssh.port", "ssh", "not a whole number", "without quotes, such as 22"),
    ("ssh.key", "~/.ssh/id_ed25519.pub", "public half", '"~/.ssh/id_ed25519"'),
    ("ssh.strict_host_keys", "accept", "not one of", '"accept-new"'),
    ("ssh.use_pam", "perhaps", "not true or false", "without quotes"),
    ("ssh.rollback_after", 1, "too small", "20 or more"),
    ("ssh.rollback_after", "90s", "not a whole number", "90, without quotes and without a unit"),
    ("ssh.rollback_after", "30 Seconds", "not a whole number", "30, without quotes and"),
    ("ssh.rollback_after", "1m", "not a whole number", "a whole number, without quotes"),
    ("access.others", "reject", "not one of", '"report" or "deny"'),
    ("docker.version", "28.5", "not a version", 'such as "28.5.2"'),
    ("docker.version", "v28.5.1", "not a version", '"28.5.1"'),
    ("docker.version", "5:28.5.1-1~debian.13~trixie", "not a version", '"28.5.1"'),
    ("docker.version", "latest", "not a version", "leave it out"),
    ("docker.version", "２8.5.2", "not a version", "leave it out"),
    ("docker.version", 28.5, "not a text", "in quotes"),
    ("docker.repository", "http://download.docker.com/linux", "https", "https://download"),
    ("docker.repository", "https://[::1", "no spaces", "https://download"),
    ("docker.repository", "https://example.org:99999", "no spaces", "https://download"),
    ("docker.repository", "https://example.org/\nTrusted: yes", "no spaces", "https://download"),
    ("docker.key_fingerprint", "0EBFCD88", "8 characters, not 40", "can be forged"),
    ("docker.users", "pi", "not a list", '["pi"]'),
    ("firewall.web_ports", 80, "not a list", "[80]"),
    ("docker.log_max_size", "1９m", "not a size", '"10m"'),
    ("docker.log_max_size", "9" * 20 + "g", "not a size", '"10m"'),
    ("hosts.0.ssh_host", "x" * 254, "not a host name", '"rk1.example.org"'),
    ("docker.log_max_size", "10MB", "not a size", '"10m"'),
    ("docker.log_max_files", 0, "too small", "1 or more"),
    ("docker.daemon.live-restore", True, "swarm node cannot use it", "take the key out"),
    ("docker.daemon.log-opts", {}, "docker.log_max_size", "take the key out"),
    ("docker.daemon.hosts", ["tcp://0.0.0.0"], "local socket", "take the key out"),
    ("docker.daemon.x", float("nan"), "cannot be written into daemon.json", "a number"),
    ("swarm.address_pool", "10.0.0.0/8", "not a list", '["10.0.0.0/8"]'),
    ("swarm.address_pool", [], "is empty", "at least one"),
    ("swarm.subnet_size", 30, "too large", "29 or less"),
    ("swarm.subnet_size", 12, "does not fit into swarm.address_pool[0]", "16 or more (24, say)"),
    ("swarm.data_path_port", 7946, "not free for swarm's data path", "4789"),
    ("swarm.certificate_expiry", "3 months", "not a duration", '"90d"'),
    ("swarm.certificate_expiry", "９０d", "not a duration", '"90d"'),
    ("swarm.certificate_expiry", "36501d", "longer than a hundred years", '"36500d"'),
    ("firewall.max_age", "99999999999999d", "longer than a hundred years", '"36500d"'),
    ("swarm.certificate_expiry", "30m", "shorter than an hour", '"1h"'),
    ("swarm.autolock", True, "no place is declared to keep it", "swarm.unlock_key_file ="),
    ("swarm.unlock_key_file", "unlock-key", "is a relative path", '"~/unlock-key"'),
    (
        "swarm.unlock_key_file",
        str(Path(__file__).parents[3] / "state/unlock-key"),
        "is inside the project's folder",
        '"~/.config/pyinfra-swarm/home.unlock-key"',
    ),
    (
        "swarm.unlock_key_file",
        "SWMKEY-1-7c37Cc8654o6p38HnroywCi19pllOnGtbdZEgtKxZu8",
        "is an unlock key itself",
        "the path of a file",
    ),
    ("networks.mtu", 900, "not the MTU", "0 (the smallest"),
    ("networks.ingress_subnet", "10.201.0.0", "prefix length is missing", '"10.201.0.0/24"'),
    ("networks.ingress_subnet", "10.201.0.5/24", "host bits set", '"10.201.0.0/24"'),
    ("networks.ingress_subnet", "10.201.0.0/30", "too few addresses", '"10.201.0.0/24"'),
    ("networks.ingress_subnet", "10.201.0.5/30", "too few addresses", '"10.201.0.0/24"'),
    ("networks.ingress_subnet", "10.201.0.5/4", "wider than any private range", "10.210.0.0/16"),
    ("networks.ingress_subnet", "127.0.0.0/24", "not a private range", "10.0.0.0/8"),
    ("networks.ingress_subnet", "8.8.8.8/24", "public internet", "10.0.0.0/8"),
    ("networks.ingress_subnet", "8.8.8.0/24", "public internet", "10.0.0.0/8"),
    ("networks.ingress_subnet", "fd00::/64", "IPv6 network", "10.210.0.0/16"),
    ("networks.ingress_subnet", "all of it/24", "not a network", "10.210.0.0/16"),
]


@pytest.mark.parametrize(("path", "value", "reason", "instead"), REFUSED)
def test_a_wrong_value_is_refused_with_its_reason_and_what_to_write(
    path: str, value: Any, reason: str, instead: str
) -> None:
    problem = the_problem(put(path, value))
    section, *rest = path.split(".")
    assert problem.field.startswith(section)
    assert problem.field.endswith(rest[-1]) or "[0]" in problem.field
    assert reason in problem.reason
    assert instead in problem.instead


@pytest.mark.parametrize(("path", "value"), [(path, value) for path, value, _, _ in REFUSED])
def test_what_is_proposed_instead_is_accepted(path: str, value: Any) -> None:
    data = put(path, value)
    for number, host in enumerate(data["hosts"]):  # not the addresses of our examples
        if host["address"].startswith("192.168.1.1") and path != f"hosts.{number}.address":
            host["address"] = f"192.168.9.{number + 1}"
    for field, proposed in proposals(path, the_problem(data)):
        data = put(field, proposed, data)
        Settings(**data)


def proposals(path: str, problem: Problem) -> list[tuple[str, Any]]:
    """The fields a problem says to write, with their values; none where it names no value."""
    parent = path.rpartition(".")[0]
    named = re.findall(r'([\w.]+) = (".+?"|[0-9]+)', problem.instead)
    if named:
        fields = [(name if "." in name else f"{parent}.{name}", text) for name, text in named]
    else:
        quoted = re.findall(r'"[^"…]+"', problem.instead)
        numbers = re.findall(r"\b[0-9]+\b", problem.instead)
        fields = [(path, text) for text in (quoted or numbers)[:1]]
    if problem.instead.startswith(("a list", "all 40 digits")):
        return []
    return [(field, json.loads(text)) for field, text in fields]


REFUSED_IN_LISTS = [
    ("swarm.address_pool.0", ["10.3.0.1/16"], "host bits set", '"10.3.0.0/16"'),
    ("docker.users.0", ["Pi"], "not a user name", "ubuntu"),
    ("access.listening.0", [9100], "not a text", 'such as "9100/tcp"'),
    ("firewall.ssh_sources.0", ["192.168.1.0"], "without the prefix", '"192.168.1.0/24", or'),
    ("firewall.ssh_sources.0", ["10.0.0.0"], "without the prefix", '"10.0.0.0/32" for that'),
    ("firewall.ssh_sources.0", ["2001:db8::"], "without the prefix", '"2001:db8::/64", or'),
    ("firewall.ssh_sources.0", ["0.0.0.0"], "is everywhere", "an empty list"),
    ("networks.overlays.0.name", [{"name": "ingress"}], "Docker's own", "ingress_subnet"),
    ("networks.overlays.0.name", [{"name": "a b"}], "not a network name", "backend"),
    ("networks.overlays.0.subnet", [{"name": "a", "subnet": "10"}], "prefix", "10.210.0.0/16"),
    ("swarm.init_without.0", ["rk5"], "not the name of a declared manager", 'one of "rk1", "rk2"'),
    ("swarm.init_without.0", [""], "not the name of a declared manager", 'one of "rk1", "rk2"'),
    ("swarm.init_without.0", ["RK2"], "not the name of a declared manager", '"rk2"'),
    ("swarm.init_without.0", ["rk2.lan"], "not the name of a declared manager", '"rk2"'),
    ("swarm.init_without.0", ["192.168.1.12"], "not the name of a declared manager", '"rk2"'),
    ("swarm.init_without.0", ["rk4"], "is a worker", "take it out"),
]


@pytest.mark.parametrize(("path", "value", "reason", "instead"), REFUSED_IN_LISTS)
def test_a_wrong_entry_of_a_list_is_named_by_its_place(
    path: str, value: list[Any], reason: str, instead: str
) -> None:
    section, key, *_ = path.split(".")
    problem = the_problem(put(f"{section}.{key}", value))
    assert problem.field.startswith(f"{section}.{key}[0]")
    assert reason in problem.reason
    assert instead in problem.instead


@pytest.mark.parametrize(
    ("written", "meant"), [("adress", "address"), ("Role", "role"), ("names", "name")]
)
def test_a_misspelt_key_is_one_problem_not_a_missing_one_as_well(written: str, meant: str) -> None:
    data = put("cluster.name", "home")
    data["hosts"][1][written] = data["hosts"][1].pop(meant)
    problem = the_problem(data)
    assert (problem.reason, problem.instead) == ("is not a known key", f'"{meant}"')


def test_a_key_that_is_missing_beside_one_that_is_unknown_is_told() -> None:
    data = put("cluster.name", "home")
    del data["hosts"][1]["address"]
    data["hosts"][1]["colour"] = "red"
    with pytest.raises(SettingsError) as refused:
        Settings(**data)
    assert {one.reason for one in refused.value.problems} == {"is missing", "is not a known key"}


def test_one_proposal_is_not_made_twice() -> None:
    problem = the_problem(put("stacks", [{"name": "web", "files": "compose.yml"}]))
    assert problem.instead == 'a list: ["compose.yml"]'
    problem = the_problem(put("stacks", [{"name": "web", "files": {}}]))
    assert problem.instead == 'a list: [ … ], such as ["stacks/web.yml"]'


def test_root_as_the_login_user_is_not_proposed_as_an_admin() -> None:
    problem = the_problem(put("ssh.user", "root", put("access.admins", [{"name": "ada"}])))
    assert problem.field == "ssh.user"


def test_that_a_network_is_encrypted_is_not_to_be_declared() -> None:
    problem = the_problem(put("networks.overlays", [{"name": "a", "encrypted": True}]))
    assert problem.instead == "take it out: all networks are encrypted"
