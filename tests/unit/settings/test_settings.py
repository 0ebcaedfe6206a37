"""What the settings accept, what they refuse, and in which words."""

from __future__ import annotations

import base64
import contextlib
import copy
import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from pyinfra_swarm.settings import Host, Problem, Settings, SettingsError, UnknownHost
from pyinfra_swarm.settings.variables import read_variables


def four_boards() -> dict[str, Any]:
    """The reference cluster: three managers, one worker."""
    return {
        "cluster": {"name": "home"},
        "hosts": [
            {
                "name": f"rk{number}",
                "address": f"192.168.1.{10 + number}",
                "role": "worker" if number == 4 else "manager",
            }
            for number in (1, 2, 3, 4)
        ],
    }


def put(path: str, value: Any, into: dict[str, Any] | None = None) -> dict[str, Any]:
    """The reference cluster with one value changed: `hosts.2.address`, `swarm.subnet_size`."""
    data = copy.deepcopy(into or four_boards())
    here: Any = data
    *parents, last = path.split(".")
    for part in parents:
        here = here[int(part)] if isinstance(here, list) else here.setdefault(part, {})
    if isinstance(here, list):
        here[int(last)] = value
    else:
        here[last] = value
    return data


def problems(data: dict[str, Any]) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings(**data)
    return caught.value.problems


def the_problem(data: dict[str, Any]) -> Problem:
    found = problems(data)
    assert len(found) == 1, "\n\n".join(map(str, found))
    return found[0]


def ed25519(inner: str = "ssh-ed25519") -> str:
    def field(content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + content

    return base64.b64encode(field(inner.encode()) + field(bytes(32))).decode()


class TestTheReferenceCluster:
    def test_needs_nothing_but_hosts(self) -> None:
        settings = Settings(hosts=four_boards()["hosts"])
        assert [host.name for host in settings.managers] == ["rk1", "rk2", "rk3"]
        assert [host.name for host in settings.workers] == ["rk4"]
        assert settings.warnings == []

    def test_cannot_be_changed(self) -> None:
        settings = Settings(**four_boards())
        with pytest.raises(ValidationError, match="frozen"):
            settings.hosts[0].address = "10.0.0.1"

    def test_is_reached_at_its_addresses_as_the_common_user(self) -> None:
        host = Settings(**put("ssh", {"user": "pi", "port": 2222, "key": "~/k"})).host("rk2")
        assert (host.ssh_host, host.ssh_port) == ("192.168.1.12", 2222)
        assert (host.ssh_user, host.ssh_key) == ("pi", "~/k")

    def test_is_reached_as_a_host_says_where_it_says_so(self) -> None:
        data = put("hosts.1.ssh_host", "fd00::12")
        data = put("hosts.1.ssh_port", 22022, data)
        data = put("hosts.1.ssh_user", "debian", data)
        host = Settings(**data).host("rk2")
        assert (host.ssh_host, host.ssh_port, host.ssh_user) == ("fd00::12", 22022, "debian")

    def test_keeps_the_keys_of_the_user_who_logs_in_where_no_admin_is_declared(self) -> None:
        settings = Settings(**four_boards())
        (admin,) = settings.admins(settings.hosts[0])
        assert (admin.name, admin.keys) == ("ubuntu", ())

    def test_names_the_host_one_probably_meant(self) -> None:
        with pytest.raises(UnknownHost, match='no host is named "rk11": did you mean "rk1"'):
            Settings(**four_boards()).host("rk11")

    def test_may_be_one_board(self) -> None:
        settings = Settings(hosts=four_boards()["hosts"][:1])
        assert settings.warnings == []

    def test_does_not_depend_on_the_environment_when_given_as_values(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SWARM_CLUSTER__NAME", "other")
        assert Settings(**four_boards()).cluster.name == "home"

    def test_survives_being_read_from_itself(self) -> None:
        settings = Settings(**four_boards())
        assert Settings(**settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("managers", "warning"),
    [
        (2, "2 managers, an even number, tolerate the failure of none: 1 manager would tolerate"),
        (4, "4 managers, an even number, tolerate the failure of 1: 3 managers tolerate as many"),
        (6, "5 managers tolerate as many, 7 tolerate 3"),
        (9, "every change waits for 5 of them"),
    ],
)
def test_a_doubtful_number_of_managers_is_a_warning(managers: int, warning: str) -> None:
    hosts = tuple(
        Host(name=f"m{i}", address=f"10.0.0.{i + 1}", role="manager") for i in range(managers)
    )
    (found,) = Settings(hosts=hosts).warnings
    assert warning in found


# Each line: where, what was written, a part of the reason, a part of what to write instead.
REFUSED = [
    ("cluster.name", "My Home", "lower-case", '"my-home"'),
    ("hosts.1.name", "RK_2", "not a host name", '"rk-2"'),
    ("hosts.1.name", "rk2.lan", "not a host name", '"rk2"'),
    ("hosts.1.name", "12", "digits only", '"node-12"'),
    ("hosts.1.name", "managers", "already means", '"managers-1"'),
    ("hosts.2.address", "192.168.1.300", "not an IPv4 address", "0 to 255"),
    ("hosts.2.address", "192.168.1.13/24", "prefix length", "192.168.1.11"),
    ("hosts.2.address", "rk3.lan", "not an IPv4 address", "192.168.1.11"),
    ("hosts.2.address", "fd00::3", "IPv6", "ssh_host"),
    ("hosts.2.address", "127.0.0.1", "not an address other hosts can reach", "ssh_host"),
    ("hosts.2.address", "169.254.3.4", "not an address a host keeps", "192.168.1.11"),
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
    ("swarm.subnet_size", 12, "does not fit into swarm.address_pool[0]", "at least 16"),
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


class TestAccess:
    def key_problem(self, line: str) -> Problem:
        return the_problem(put("access.admins", [{"name": "ada", "keys": [line]}]))

    def test_accepts_a_public_key(self) -> None:
        line = f"ssh-ed25519 {ed25519()} ada@laptop"
        settings = Settings(**put("access.admins", [{"name": "ada", "keys": [line]}]))
        (admin,) = settings.admins(settings.hosts[0])
        assert admin.keys == (line,)

    def test_names_the_admin_and_the_key(self) -> None:
        problem = self.key_problem("hello")
        assert problem.field == 'access.admins[0] "ada".keys[0]'
        assert "one line of a .pub file" in problem.instead

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (f'from="10.0.0.1" ssh-ed25519 {ed25519()}', "does not begin with a key type"),
            (f"ssh-ed25519 {ed25519()[:-9]} ada", "base64"),
            (f"ssh-ed25519 {ed25519()[:-8]} ada", "ends too early"),
            (f"ssh-rsa {ed25519()} ada", 'holds a key of the type "ssh-ed25519"'),
            (f"ssh-ed25519 {ed25519()}\nssh-ed25519 {ed25519()}", "in one line"),
        ],
    )
    def test_refuses_a_line_that_sshd_would_ignore(self, line: str, reason: str) -> None:
        assert reason in self.key_problem(line).reason

    def test_refuses_a_private_key_without_showing_it(self) -> None:
        secret = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA"
        problem = self.key_problem(secret)
        assert "is a private key" in problem.reason
        assert "b3BlbnNz" not in str(problem)

    def test_refuses_to_shut_out_the_user_who_logs_in(self) -> None:
        data = put("access", {"others": "deny", "admins": [{"name": "ada"}]})
        problem = the_problem(data)
        assert problem.field == "access.others"
        assert 'would lock out "ubuntu"' in problem.reason

    def test_may_deny_others_where_the_user_who_logs_in_is_an_admin(self) -> None:
        Settings(**put("access", {"others": "deny", "admins": [{"name": "ubuntu"}]}))
        Settings(**put("access", {"others": "deny"}))

    def test_refuses_the_same_admin_twice(self) -> None:
        problem = the_problem(put("access.admins", [{"name": "ada"}, {"name": "ada"}]))
        assert problem.reason == 'is also the name of access.admins[0] "ada"'


class TestLabels:
    def test_accepts_what_a_placement_constraint_can_name(self) -> None:
        host = Settings(**put("hosts.0.labels", {"disk.kind": "nvme"})).hosts[0]
        assert host.labels == {"disk.kind": "nvme"}

    @pytest.mark.parametrize("key", ["1", "a b", "-x", "com.docker.x", "pyinfra-swarm.x"])
    def test_refuses_a_key_no_constraint_can_name(self, key: str) -> None:
        problem = the_problem(put("hosts.0.labels", {key: "x"}))
        assert problem.field == f'hosts[0] "rk1".labels.{key}'
        assert '"disk"' in problem.instead


class TestPaths:
    @pytest.mark.parametrize(
        "field",
        ["ssh.key", "ssh.known_hosts", "hosts.0.ssh_key", "swarm.unlock_key_file", "backup.folder"],
    )
    @pytest.mark.parametrize(
        ("path", "reason", "instead"),
        [
            ("~nobodyhere/k", 'begins with the home of "nobodyhere"', '"~/k"'),
            ("/a\0b", "is not a path", "such as"),
            (" ~/k", "has a space before or after it", '"~/k"'),
        ],
    )
    def test_that_lead_nowhere_are_refused(
        self, field: str, path: str, reason: str, instead: str
    ) -> None:
        problem = the_problem(put(field, path))
        assert reason in problem.reason
        assert instead in problem.instead


class TestFingerprints:
    def test_may_be_written_as_gpg_prints_them(self) -> None:
        spaced = "9dc8 5822 9FC7 DD38 854A  E2D8 8D81 803C 0EBF CD88"
        docker = Settings(**put("docker.key_fingerprint", spaced)).docker
        assert docker.key_fingerprint == "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"


class TestDurations:
    @pytest.mark.parametrize(("text", "expected"), [("90d", 7776000), ("1d12h", 129600)])
    def test_are_known_in_seconds(self, text: str, expected: int) -> None:
        swarm = Settings(**put("swarm.certificate_expiry", text)).swarm
        assert swarm.certificate_expiry_seconds == expected


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("path", "instead"),
        [
            ("hosts.0.adress", '"address"'),
            ("hosts.0.label", '"labels"'),
            ("netwrks", '"networks"'),
            ("docker.versoin", '"version"'),
            ("swarm.ingress_subnet", "it belongs in [networks]"),
            ("swarm.availability", "it belongs in [[hosts]]"),
            ("firewall.ssh_source", '"ssh_sources"'),
            ("user", "it belongs in [ssh]"),
            ("hosts.0.user", '"ssh_user"'),
            ("updates.zzz", "one of unattended, time_sync"),
        ],
    )
    def test_suggest_the_nearest_known_one(self, path: str, instead: str) -> None:
        problem = the_problem(put(path, "x"))
        assert problem.field.endswith(path.split(".")[-1])
        assert instead in problem.instead

    @pytest.mark.parametrize(
        "path", ["ssh.password", "swarm.join_token", "docker.daemon.my-secret", "api_key"]
    )
    def test_that_look_like_secrets_are_refused_without_showing_them(self, path: str) -> None:
        problem = the_problem(put(path, "hunter2"))
        assert "secrets are never settings" in problem.reason
        assert "environment variable" in problem.instead
        assert "hunter2" not in str(problem)


class TestHosts:
    def test_must_exist(self) -> None:
        without: list[dict[str, Any]] = [{}, {"hosts": []}]
        for data in without:
            problem = the_problem(data)
            assert (problem.field, problem.reason) == ("hosts", "no host is declared")
            assert "[[hosts]]" in problem.instead

    def test_include_a_manager(self) -> None:
        hosts = [{**host, "role": "worker"} for host in four_boards()["hosts"]]
        problem = the_problem({"hosts": hosts})
        assert "no host is a manager" in problem.reason
        assert 'role = "manager"' in problem.instead

    @pytest.mark.parametrize("key", ["name", "address", "role"])
    def test_are_told_what_they_lack(self, key: str) -> None:
        data = four_boards()
        del data["hosts"][3][key]
        problem = the_problem(data)
        assert problem.field.startswith("hosts[3]")
        assert (problem.value, problem.reason) == (None, "is missing")
        assert problem.instead.startswith(f"{key} = ")

    def test_do_not_share_an_ssh_endpoint(self) -> None:
        data = put("hosts.1.ssh_host", "127.0.0.1", put("hosts.0.ssh_host", "127.0.0.1"))
        problem = the_problem(data)
        assert problem.field == 'hosts[1] "rk2"'
        assert 'at 127.0.0.1 port 22, and so is hosts[0] "rk1"' in problem.reason
        Settings(**put("hosts.1.ssh_port", 2222, data))


@given(st.integers(0, 3), st.integers(0, 3), st.sampled_from(["name", "address"]))
def test_a_name_or_an_address_given_twice_is_always_found(one: int, other: int, key: str) -> None:
    data = four_boards()
    data["hosts"][other][key] = data["hosts"][one][key]
    if one == other:
        Settings(**data)
        return
    problem = the_problem(data)
    first, second = sorted((one, other))
    assert problem.field.startswith(f"hosts[{second}]")
    assert problem.field.endswith(key)
    assert f"is also the {key} of hosts[{first}]" in problem.reason


PREFIXES = st.integers(16, 28)
PRIVATE = st.integers(0, 2**24 - 1).map(lambda low: int(ipaddress.IPv4Address("10.0.0.0")) + low)
NETWORKS = st.builds(
    lambda address, prefix: ipaddress.IPv4Network((address, prefix), strict=False),
    PRIVATE,
    PREFIXES,
)


@given(st.lists(NETWORKS, min_size=1, max_size=3), NETWORKS, NETWORKS)
def test_ranges_are_accepted_exactly_if_nothing_overlaps(
    pools: list[ipaddress.IPv4Network],
    ingress: ipaddress.IPv4Network,
    overlay: ipaddress.IPv4Network,
) -> None:
    data = put("swarm", {"address_pool": [str(pool) for pool in pools], "subnet_size": 29})
    data["networks"] = {
        "ingress_subnet": str(ingress),
        "overlays": [{"name": "backend", "subnet": str(overlay)}],
    }
    everything = [*pools, ingress, overlay]
    clash = any(
        one.overlaps(other)
        for index, one in enumerate(everything)
        for other in everything[index + 1 :]
    )
    if not clash:
        Settings(**data)
        return
    for problem in problems(data):
        assert "overlaps" in problem.reason
        assert "a network of its own" in problem.instead


@given(st.integers(1, 254), st.integers(9, 28), st.integers(0, 255))
def test_a_pool_over_the_hosts_own_network_is_always_found(
    host: int, prefix: int, third: int
) -> None:
    pool = ipaddress.IPv4Network((f"192.168.{third}.0", prefix), strict=False)
    data = put("swarm", {"address_pool": [str(pool)], "subnet_size": 29})
    data["hosts"] = [{"name": "a", "address": f"192.168.{third}.{host}", "role": "manager"}]
    if not pool.is_private:
        return
    problem = the_problem(data)
    assert problem.field == "swarm.address_pool[0]"
    assert f"the hosts' own network 192.168.{third}.0/24 (a)" in problem.reason
    advised = problem.instead.split('"')[1]
    Settings(**{**data, "swarm": {"address_pool": [advised], "subnet_size": 29}})


ANY_NETWORKS = st.one_of(
    st.builds("10.{}.{}.{}/{}".format, *[st.integers(0, 255)] * 3, st.integers(7, 32)),
    st.sampled_from(["192.168.1.0/24", "10.0.0.0/8", "10.200.0.0/16", "10.201.0.0/24"]),
)


@given(st.lists(ANY_NETWORKS, min_size=1, max_size=2), ANY_NETWORKS, ANY_NETWORKS)
def test_all_that_is_proposed_for_networks_can_be_followed_together(
    pools: list[str], ingress: str, overlay: str
) -> None:
    data: dict[str, Any] = {
        "hosts": [{"name": "a", "address": "10.1.2.3", "role": "manager"}],
        "swarm": {"address_pool": pools, "subnet_size": 29},
        "networks": {"ingress_subnet": ingress, "overlays": [{"name": "b", "subnet": overlay}]},
    }
    for _ in range(2):  # what cannot be read at first is compared with the others afterwards
        try:
            Settings(**data)
            return
        except SettingsError as error:
            for problem in error.problems:
                field = re.sub(r"\[(\d)\](?: \"b\")?", r".\1", problem.field)
                data = put(field, problem.instead.split('"')[1], data)
    Settings(**data)


@pytest.mark.parametrize(
    ("pools", "size"), [(["10.200.0.0/16", "10.202.0.0/28"], 12), (["10.200.0.0/28"], 24)]
)
def test_a_subnet_size_that_does_not_fit_is_told_of_one_that_fits_every_pool(
    pools: list[str], size: int
) -> None:
    data = put("swarm", {"address_pool": pools, "subnet_size": size})
    problem = the_problem(data)
    assert problem.instead == "at least 28, or a wider pool"
    Settings(**put("swarm.subnet_size", 28, data))


def test_a_pool_without_room_for_a_network_is_refused_itself() -> None:
    problem = the_problem(put("swarm.address_pool", ["10.200.0.0/30"]))
    assert problem.field == "swarm.address_pool[0]"
    assert '29 at most, better "10.200.0.0/24"' in problem.instead


class TestOverlaps:
    def test_name_both_sides(self) -> None:
        problem = the_problem(put("networks.ingress_subnet", "10.200.7.0/24"))
        assert problem.field == "networks.ingress_subnet"
        assert problem.reason == "overlaps swarm.address_pool[0] = 10.200.0.0/16"

    def test_are_found_with_the_defaults_of_what_is_left_out(self) -> None:
        data = put("networks.overlays", [{"name": "backend", "subnet": "10.201.0.0/24"}])
        problem = the_problem(data)
        assert problem.field == 'networks.overlays[0] "backend".subnet'
        assert "networks.ingress_subnet" in problem.reason


class TestFoundWithout:
    def test_names_each_manager_once(self) -> None:
        problem = the_problem(put("swarm.init_without", ["rk1", "rk2", "rk1"]))
        assert (problem.field, problem.reason) == ("swarm.init_without[2]", "is there twice")

    def test_does_not_take_a_host_without_a_name_for_one(self) -> None:
        data = put("swarm.init_without", ["None"])
        del data["hosts"][0]["name"]
        found = {problem.field: problem.instead for problem in problems(data)}
        assert found["swarm.init_without[0]"] == 'one of "rk2", "rk3", or take it out'

    def test_says_nothing_of_a_host_whose_role_is_wrong(self) -> None:
        data = put("hosts.0.role", "managr", put("swarm.init_without", ["rk1"]))
        assert the_problem(data).field == 'hosts[0] "rk1".role'
        del data["hosts"][0]["role"]
        assert the_problem(data).field == 'hosts[0] "rk1".role'

    def test_of_a_cluster_without_managers_has_nobody_to_choose_from(self) -> None:
        hosts = [{**host, "role": "worker"} for host in four_boards()["hosts"]]
        found = problems({"hosts": hosts, "swarm": {"init_without": ["x"]}})
        assert [one.instead for one in found if "init_without" in one.field] == ["take it out"]


def test_a_host_in_single_brackets_is_told_of_the_double_ones() -> None:
    found = problems({"hosts": {"name": "rk1", "address": "10.0.0.1", "role": "manager"}})
    assert any(one.instead.startswith("[[hosts]], in double brackets") for one in found)


@pytest.mark.parametrize(
    ("path", "value", "reason", "instead"),
    [
        ("access.admins", {"name": "ada"}, "is a single table", "[[access.admins]], in double"),
        ("access.admins", ["ada"], "is not a table", 'a table: { name = "ada" }'),
        ("access.admins", "ada", "is not a list", 'a list of tables: [{ name = "ada" }]'),
        ("firewall.open", "80", "is not a list", "a list of tables: [{ … }]"),
        ("networks.overlays", ["backend"], "is not a table", 'a table: { name = "backend" }'),
        ("ssh", [{"port": 22}], "is a list of tables", "[ssh], in single brackets, once"),
        ("firewall.open", ["80"], "is not a table", "a table"),
    ],
)
def test_brackets_of_the_wrong_kind_are_told_of_the_right_ones(
    path: str, value: Any, reason: str, instead: str
) -> None:
    problem = the_problem(put(path, value))
    assert problem.reason == reason
    assert instead in problem.instead


def test_hosts_that_are_names_alone_are_told_what_a_host_is() -> None:
    found = problems({"hosts": ["rk1"]})
    assert found[0].instead.startswith("[[hosts]], once for each host, with a line each for name")


class TestManyProblems:
    def test_are_all_reported_at_once(self) -> None:
        data = put("hosts.0.address", "nowhere")
        data = put("hosts.1.name", "rk4", data)
        data = put("docker.version", "new", data)
        data = put("swarm.address_pool", ["192.168.0.0/16"], data)
        data = put("ssh.password", "hunter2", data)
        data = put("colour", "red", data)
        with pytest.raises(SettingsError) as caught:
            Settings(**data)
        assert {problem.field for problem in caught.value.problems} == {
            'hosts[0] "rk1".address',
            'hosts[3] "rk4".name',
            "docker.version",
            "swarm.address_pool[0]",
            "ssh.password",
            "colour",
        }
        text = str(caught.value)
        assert text.startswith("The settings cannot be used: 6 problems")
        assert (
            'hosts[0] "rk1".address = "nowhere"\n    is not an IPv4 address\n    instead:' in text
        )

    @pytest.mark.parametrize("odd", [["x"], [["x"]], {"x": ["x"]}, None, True, -1, "²", 0.5])
    def test_of_kind_do_not_hide_behind_a_traceback(self, odd: Any) -> None:
        paths = [
            f"{section}.{key}"
            for section in ("hosts.0", "access.admins.0", "networks.overlays.0", "firewall.open.0")
            for key in ("name", "address", "role", "labels", "ssh_user", "ssh_port", "port", "keys")
        ]
        paths += [
            f"{section}.0.{key}"
            for section in ("secrets", "configs", "stacks")
            for key in (
                "name",
                "command",
                "env",
                "file",
                "age",
                "sops",
                "newline",
                "files",
                "env.x",
            )
        ]
        for section, field in Settings.model_fields.items():
            keys = getattr(field.annotation, "model_fields", {})
            paths += [section, *(f"{section}.{key}" for key in keys)]
        base = put("access", {"others": "deny", "admins": [{"name": "ada"}]})
        base = put("networks.overlays", [{"name": "backend"}], base)
        base = put("firewall", {"ssh_sources": ["10.0.0.0/8"], "open": [{"port": 1}]}, base)
        for section in ("secrets", "configs", "stacks"):
            base = put(section, [{"name": "x", "file": "x", "env": {}}], base)
        for path in paths:
            with contextlib.suppress(SettingsError):
                Settings(**put(path, odd, base))

    @pytest.mark.parametrize("hosts", ["x", 3, {"a": 1}, [1, "x"], None])
    def test_of_shape_do_not_hide_behind_a_traceback(self, hosts: Any) -> None:
        assert problems({"hosts": hosts, "swarm": 3, "access": {"admins": 1}, "ssh": []})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hosts.3.labels", {"join": "SWMTKN-1-abcdef"}),
        ("docker.daemon", {"http-proxy": "http://me:abcdef@proxy.example.org"}),
        ("docker.daemon", {"dns": ["-----BEGIN PRIVATE KEY-----abcdef"]}),
        ("hosts.3.labels", {"SWMTKN-1-abcdef": "join"}),
    ],
)
def test_a_secret_is_refused_whatever_its_key_is_called(field: str, value: Any) -> None:
    problem = the_problem(put(field, value))
    assert problem.reason.endswith("secrets are never settings")
    assert "abcdef" not in str(problem)


SECRETS = [
    "AGE-SECRET-KEY-1HUNTER2",
    "age-secret-key-1hunter2",
    "SWMTKN-1-hunter2",
    "SWMKEY-1-hunter2",
    "b3BlbnNzaC1rZXktdjEAhunter2",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2",
    "https://me:hunter2@example.org",
    "https://hunter2@example.org",
    "ada:hunter2@rk1",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "field",
    [
        "cluster.name",
        "hosts.0.name",
        "hosts.0.address",
        "hosts.0.ssh_host",
        "hosts.0.ssh_key",
        "ssh.user",
        "docker.repository",
        "docker.users",
        "swarm.unlock_key_file",
        "backup.recipients",
        "backup.folder",
    ],
)
def test_a_secret_in_any_field_is_refused_without_a_trace_of_it(field: str, secret: str) -> None:
    for value in (secret, [secret], {secret: "x"}):
        found = problems(put(field, value))
        assert any("secrets are never settings" in problem.reason for problem in found)
        assert "hunter2" not in "\n".join(map(str, found)).lower()


def test_a_secret_that_another_field_is_compared_with_is_not_shown_there() -> None:
    data = put("hosts.0.name", "SWMTKN-1-hunter2", put("swarm.init_without", ["rk9"]))
    data = put("hosts.1.address", "10.200.0.1", put("hosts.1.name", "SWMTKN-1-hunter2", data))
    data = put("access", {"others": "deny", "admins": [{"name": "ada"}]}, data)
    data = put("ssh.user", "SWMTKN-1-hunter2", data)
    assert "hunter2" not in "\n".join(map(str, problems(data)))


@pytest.mark.parametrize(
    ("field", "value", "reason", "instead"),
    [
        ("backup.recipients", ["AGE-SECRET-KEY-1Q"], "is a secret key", "public one"),
        ("ssh.key", "b3BlbnNzaC1rZXktdjE", "is a private key", "the path of the key"),
        ("swarm.unlock_key_file", "SWMKEY-1-Q", "is an unlock key itself", "the path of a file"),
        ("cluster.name", "SWMTKN-1-Q", "is a join token", "tokens are asked of the swarm"),
    ],
)
def test_a_secret_is_told_what_belongs_in_its_place(
    field: str, value: Any, reason: str, instead: str
) -> None:
    problem = the_problem(put(field, value))
    assert reason in problem.reason
    assert instead in problem.instead


@pytest.mark.parametrize(
    "value",
    [
        "SWMTKN-1-abcdef",
        "https://me:hunter2@example.org",
        "-----BEGIN RSA PRIVATE KEY-----",
        ["SWMTKN-1-abcdef"],
        {"password": "hunter2"},
    ],
)
def test_a_value_that_looks_secret_is_never_shown(value: Any) -> None:
    text = "\n".join(str(problem) for problem in problems(put("docker.version", value)))
    assert "hunter2" not in text
    assert "abcdef" not in text
    assert "(not shown)" in text


@pytest.mark.parametrize("text", ["whenever", "every day", "tomorrow", "midnight", "04:00; x", ""])
def test_a_time_that_is_none_is_refused_before_it_reaches_a_host(text: str) -> None:
    problem = the_problem(put("firewall.refresh", text))
    assert problem.field == "firewall.refresh"
    assert problem.reason == "is not a time as systemd's OnCalendar takes it"


@pytest.mark.parametrize(
    "text",
    ["hourly", "Weekly", "semi-annually", "Mon", "mon..Fri", "Sat,Sunday", "04:00", "*:0/15"],
)
def test_times_that_systemd_takes_are_taken(text: str) -> None:
    assert Settings(**put("firewall.refresh", text)).firewall.refresh == text


class _Token(BaseModel):
    name: str
    password_file: str = ""


class _WithTokens(Settings):
    tokens: _Token = _Token(name="")


class TestAFieldThatIsCalledLikeASecret:
    """The model's own names say what a setting is, whatever they are called."""

    def test_is_a_setting(self) -> None:
        assert _WithTokens(**put("tokens", {"name": "x"})).tokens.name == "x"

    def test_still_holds_no_secret(self) -> None:
        with pytest.raises(SettingsError) as caught:
            _WithTokens(**put("tokens", {"name": "x", "password": "hunter2"}))
        [problem] = caught.value.problems
        assert problem.field == "tokens.password"
        assert "secrets are never settings" in problem.reason
        assert "hunter2" not in str(problem)

    def test_is_none_where_the_model_has_it_elsewhere(self) -> None:
        with pytest.raises(SettingsError, match="secrets are never settings"):
            _WithTokens(**put("docker.tokens", "hunter2"))
        with pytest.raises(SettingsError, match="secrets are never settings"):
            Settings(**put("tokens", []))

    def test_can_be_set_by_a_variable(self) -> None:
        read = read_variables(
            _WithTokens, {"SWARM_TOKENS__NAME": "x"}, "the environment", is_file=False
        )
        assert read.values == {"tokens": {"name": "x"}}
        unknown = read_variables(
            _WithTokens,
            {"SWARM_TOKENS__NAMES": "x", "SWARM_TOKENS__PASSWORD": "x"},
            "the environment",
            is_file=False,
        )
        assert [one.reason for one in unknown.problems] == [
            "is not a setting",
            "is not a setting, and settings hold no secrets",
        ]
