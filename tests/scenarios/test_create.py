"""Four freshly flashed boards become a cluster: check → converge → idempotence → verify.

One story, in the order of this file: each step is a fixture that rests on the step before it, and
the tests say what is promised of it. The last part looks at the hosts with independent eyes
(testinfra over SSH, OpenSSH's and paramiko's own words, packets on the bridge), never through the
product's facts.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import paramiko
import pytest
import testinfra

from lab.description import Description
from tests.scenarios.conftest import (
    SITE,
    Run,
    changes_in,
    description_of_the_lab,
    load_web_image,
    on_each,
    reasons,
    wait_for,
)

PYINFRA = Callable[..., Run]
PARTS = {"access", "ssh", "updates", "docker", "firewall", "swarm"}
"""The parts of the job that have something to do on every fresh host."""

PACKAGES = (
    "docker-ce",
    "docker-ce-cli",
    "containerd.io",
    "docker-buildx-plugin",
    "docker-compose-plugin",
)
PORT = 80
LARGE = 3_000_000
"""Bytes; hundreds of full-size packets."""


# Check
# -----

SNAPSHOT = """\
export LC_ALL=C
echo '# packages'; dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n'
echo '# selections'; dpkg --get-selections
echo '# content'; find /etc /root /home /usr/local /opt /srv /boot -xdev -type f \
-exec sha256sum {} + | sort -k 2
echo '# files'; find /etc /root /home /usr/local /opt /srv /boot /var/lib /var/tmp -xdev \
-not -path '/var/lib/systemd/*' -not -path '/var/lib/private/*' -not -path '/var/lib/dbus*' \
-printf '%p %M %u:%g %l\n' | sort
echo '# users'; getent passwd; getent group; cat /etc/shadow
echo '# units'; systemctl list-unit-files --no-legend --no-pager
echo '# running'; systemctl list-units --type=service --state=running --no-legend --plain \
--no-pager | awk '{print $1}' | grep -vE '^(user@|session-|run-|systemd-(hostnamed|timedated))'
echo '# timers'; systemctl list-units --type=timer --no-legend --plain --no-pager | awk '{print $1}'
for command in iptables ip6tables; do
  echo "# $command"; $command-save 2>&1 | sed '/^#/d; s/\\[[0-9:]*\\]//' || true
done
echo '# ipsec'; ip xfrm state; ip xfrm policy
echo '# links'; ip -o link | awk '{print $2}'; ip -4 route; ip netns
echo '# sysctl'; sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
echo '# sshd'; sshd -T
"""
"""What makes up a host, seen without the product: printed, so that a difference shows itself."""


@dataclass(frozen=True)
class Check:
    """A dry run, what it told, and the hosts before and after it."""

    run: Run
    told: list[dict[str, str]]
    before: dict[str, str]
    after: dict[str, str]
    offered: dict[str, set[str]]


@pytest.fixture(scope="module")
def fresh(lab: ModuleType) -> Description:
    lab.reset()
    found = description_of_the_lab()
    # A board that has just booted still starts one thing and another.
    on_each(names(found), "systemctl is-system-running --wait || true")
    return found


@pytest.fixture(scope="module")
def check(fresh: Description, pyinfra: PYINFRA, tmp_path_factory: pytest.TempPathFactory) -> Check:
    path = tmp_path_factory.mktemp("check") / "reasons"
    offered = {name: methods_offered(fresh, name) for name in names(fresh)}
    before = on_each(names(fresh), SNAPSHOT)
    run = pyinfra("--dry", *SITE, env={"SWARM_REASONS": str(path)})
    after = on_each(names(fresh), SNAPSHOT)
    return Check(run, reasons(path), before, after, offered)


def test_a_dry_run_on_fresh_hosts_tells_the_whole_plan_with_reasons(
    fresh: Description, check: Check
) -> None:
    assert check.run.returncode == 0, check.run.stderr
    for host in names(fresh):
        own = [entry for entry in check.told if entry["host"] == host]
        assert {entry["part"] for entry in own} >= PARTS
        for entry in own:
            assert entry["kind"] == "change"
            assert entry["phase"] == "plan"
            assert entry["what"]
            assert len(entry["reason"].split()) > 1
        whats = {entry["what"] for entry in own}
        assert {"Docker", "Docker's apt key", "sshd PasswordAuthentication"} <= whats
        # Everything that is written down is also what a person reads.
        for entry in own:
            line = f"[{host}] ~ {entry['part']} | {entry['what']}: {entry['reason']}"
            assert line in check.run.stderr
    swarm = {
        host: " / ".join(
            f"{entry['what']}: {entry['reason']}"
            for entry in check.told
            if entry["host"] == host and entry["part"] == "swarm"
        )
        for host in names(fresh)
    }
    first, *others = names(fresh)
    assert "the first one initialises it" in swarm[first]
    assert "ingress" in swarm[first]
    for host in others:
        assert "this host is not in it yet" in swarm[host]
    for host in others:
        assert ("manager" in swarm[host]) == (fresh.host(host).role == "manager")


def test_a_dry_run_ends_with_the_number_of_differences(check: Check) -> None:
    """Each thing counts once, on however many hosts it is."""
    said = ("what", "reason", "expected", "found", "remedy")
    things = {
        (entry["part"], entry.get("within") or tuple(entry[word] for word in said))
        for entry in check.told
        if entry["kind"] == "change"
    }
    assert check.run.closing.startswith(f"{len(things)} to change")
    assert check.run.closing.endswith(", on 4 of 4 hosts; nothing was changed yet.")


def test_a_dry_run_changes_nothing(fresh: Description, check: Check) -> None:
    for host in names(fresh):
        before, after = check.before[host].splitlines(), check.after[host].splitlines()
        assert len(before) > 500  # the snapshot has seen something
        assert before == after, host


# Converge
# --------


@pytest.fixture(scope="module")
def built(check: Check, pyinfra: PYINFRA) -> Run:
    return pyinfra("-y", *SITE)


def test_one_run_makes_a_cluster_of_them(built: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n  fresh hosts to a cluster: {built.seconds:.0f} s")
    assert built.returncode == 0, built.stderr
    assert re.search(r"All 4 hosts are done after \d+:\d\d: \d+ changed", built.closing)


# Idempotence
# -----------


def test_a_second_run_changes_nothing(built: Run, pyinfra: PYINFRA, tmp_path: Path) -> None:
    run = pyinfra("-y", "--json", *SITE, env={"SWARM_REASONS": str(tmp_path / "reasons")})
    assert run.returncode == 0, run.stderr
    assert changes_in(run.json) == []
    assert run.json["results"]["totals"]["no_change"] == 4 * len(run.json["plan"])
    assert reasons(tmp_path / "reasons") == []
    assert "All 4 hosts are as declared. Nothing was changed." in run.closing


def test_a_dry_run_finds_nothing_to_change(built: Run, pyinfra: PYINFRA, tmp_path: Path) -> None:
    run = pyinfra("--dry", "--json", *SITE, env={"SWARM_REASONS": str(tmp_path / "reasons")})
    assert run.returncode == 0, run.stderr
    assert changes_in(run.json) == []
    assert reasons(tmp_path / "reasons") == []


# Verify: SSH
# -----------


@pytest.fixture(scope="module")
def hosts(
    built: Run, fresh: Description, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """Each host as testinfra sees it, as root."""
    folder = tmp_path_factory.mktemp("ssh")
    config = folder / "config"
    config.write_text("".join(ssh_config(fresh, name, folder) for name in names(fresh)))
    yield {
        name: testinfra.get_host(f"ssh://{name}", ssh_config=str(config), sudo=True)
        for name in names(fresh)
    }
    for name in names(fresh):
        subprocess.run(["ssh", "-F", config, "-O", "exit", name], check=False, capture_output=True)


def test_sshd_offered_passwords_before_and_keys_only_after(
    fresh: Description, check: Check, built: Run
) -> None:
    for name in names(fresh):
        assert check.offered[name] == {"publickey", "password"}
        assert methods_offered(fresh, name) == {"publickey"}


def test_the_right_password_does_not_open_the_door(
    fresh: Description, hosts: dict[str, Any]
) -> None:
    name = names(fresh)[-1]
    host = hosts[name]
    host.check_output("useradd -m visitor && echo visitor:right-password | chpasswd")
    try:
        with connection(fresh, name) as transport, pytest.raises(paramiko.BadAuthenticationType):
            transport.auth_password("visitor", "right-password")
    finally:
        host.check_output("userdel -r visitor 2>/dev/null || true")


def test_root_does_not_get_in_with_a_key(fresh: Description, hosts: dict[str, Any]) -> None:
    name = names(fresh)[-1]
    host = hosts[name]
    host.check_output("install -d -m 700 /root/.ssh; cp ~debian/.ssh/authorized_keys /root/.ssh/")
    try:
        with (
            connection(fresh, name) as transport,
            pytest.raises(paramiko.AuthenticationException),
        ):
            transport.auth_publickey("root", paramiko.PKey.from_path(fresh.ssh_key))
    finally:
        host.check_output("rm -r /root/.ssh")


def test_sshd_says_so_itself(hosts: dict[str, Any]) -> None:
    for host in hosts.values():
        said = set(host.check_output("sshd -T").splitlines())
        assert said >= {
            "passwordauthentication no",
            "kbdinteractiveauthentication no",
            "permitrootlogin no",
            "usepam no",
            "pubkeyauthentication yes",
        }


# Verify: Docker and updates
# --------------------------


def test_docker_is_of_one_version_everywhere_and_held(hosts: dict[str, Any]) -> None:
    versions = set()
    for host in hosts.values():
        # What comes after the tilde is the system that a package is for.
        versions.add(tuple(host.package(name).version.partition("~")[0] for name in PACKAGES))
        assert set(host.check_output("apt-mark showhold").split()) == set(PACKAGES)
        docker = host.service("docker")
        assert docker.is_running
        assert docker.is_enabled
    assert len(versions) == 1


def test_the_daemons_configuration_is_valid_and_in_force(hosts: dict[str, Any]) -> None:
    for host in hosts.values():
        host.check_output("dockerd --validate --config-file /etc/docker/daemon.json")
        content = json.loads(host.file("/etc/docker/daemon.json").content_string)
        assert content["live-restore"] is False
        said = json.loads(host.check_output("docker info --format '{{json .}}'"))
        assert said["LoggingDriver"] == content["log-driver"]
        assert said["LiveRestoreEnabled"] is False


def test_dockers_repository_is_signed_by_its_own_key(
    fresh: Description, hosts: dict[str, Any]
) -> None:
    for host in hosts.values():
        sources = host.file("/etc/apt/sources.list.d/docker.sources").content_string
        [keyring] = re.findall(r"(?m)^Signed-By: (/etc/apt/keyrings/\S+)$", sources)
        said = host.check_output("apt-get update 2>&1")
        assert "https://download.docker.com" in said
        assert not re.search(r"(?m)^[EW]:", said)
        shown = subprocess.run(
            ["gpg", "--show-keys", "--with-colons"],
            input=host.file(keyring).content_string,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"fpr:::::::::{fresh.docker_key_fingerprint}:" in shown


def test_security_updates_come_by_themselves_without_docker_and_reboots(
    hosts: dict[str, Any],
) -> None:
    for host in hosts.values():
        said = host.check_output("apt-config dump")
        assert 'APT::Periodic::Unattended-Upgrade "1";' in said
        assert 'Unattended-Upgrade::Automatic-Reboot "false";' in said
        assert 'Unattended-Upgrade::Package-Blacklist:: "^docker-ce";' in said
        assert host.package("unattended-upgrades").is_installed
        assert host.service("apt-daily-upgrade.timer").is_running
        assert host.check_output("timedatectl show -p NTP --value").strip() == "yes"


# Verify: the swarm
# -----------------


def test_the_swarm_is_the_declared_one(fresh: Description, hosts: dict[str, Any]) -> None:
    assert swarm_nodes(hosts[names(fresh)[0]]) == declared_nodes(fresh)


def test_the_admin_uses_docker_without_sudo(lab: ModuleType, fresh: Description) -> None:
    for name in names(fresh):
        assert (
            lab.run(name, "docker info --format '{{.Swarm.LocalNodeState}}'").stdout == "active\n"
        )


def test_the_ingress_network_is_encrypted(fresh: Description, hosts: dict[str, Any]) -> None:
    for name in names(fresh):
        if fresh.host(name).role == "manager":
            [ingress] = json.loads(hosts[name].check_output("docker network inspect ingress"))
            assert ingress["Ingress"] is True
            assert "encrypted" in ingress["Options"]


# Verify: a service, with packets
# -------------------------------


@pytest.fixture(scope="module")
def web(lab: ModuleType, fresh: Description, hosts: dict[str, Any]) -> Iterator[str]:
    """A web server that runs on the worker only, published through every node; its large file."""
    worker = next(host.name for host in fresh.hosts if host.role == "worker")
    load_web_image(names(fresh))
    on_each([worker], f"head -c {LARGE} /dev/urandom > /srv/large; chmod 644 /srv/large")
    content = lab.run(worker, "sha256sum /srv/large").stdout.split()[0]
    first = hosts[names(fresh)[0]]
    first.check_output(
        "docker service create --detach --name web --no-resolve-image "
        f"--constraint node.hostname=={worker} --publish {PORT}:80 "
        "--mount type=bind,source=/srv/large,target=/www/large,readonly lab/web:1"
    )
    try:
        wait_for(lambda: all(answers(lab, fresh, name) for name in names(fresh)), "all to answer")
        yield content
    finally:
        first.check_output("docker service rm web")
        on_each([worker], "rm -f /srv/large")


@dataclass(frozen=True)
class Wire:
    """What went over the bridge between the hosts: packets by kind."""

    esp: int
    full_size: int
    clear: int
    fragments: int


def test_a_service_answers_through_every_node_and_travels_encrypted(
    lab: ModuleType, fresh: Description, web: str, tmp_path: Path
) -> None:
    with captured(lab, fresh, tmp_path / "wire") as count:
        for name in names(fresh):
            for _ in range(6):
                assert get(lab, fresh, name) == "hello from the lab\n"
    wire = count()
    managers = [host for host in fresh.hosts if host.role == "manager"]
    # Each request through another node than the one it is answered on is a dozen packets.
    assert wire.esp >= 2 * 3 * len(managers) * 6
    assert wire.clear == 0


def test_large_answers_pass_the_mesh_in_full_size_packets(
    lab: ModuleType, fresh: Description, web: str, tmp_path: Path
) -> None:
    with captured(lab, fresh, tmp_path / "wire") as count:
        for name in names(fresh):
            assert digest_of_large(lab, fresh, name, tmp_path) == web
    wire = count()
    assert wire.full_size > LARGE / 1500
    assert wire.clear == 0
    assert wire.fragments == 0


# Verify: it lasts
# ----------------


@pytest.mark.lifecycle
def test_a_rebooted_manager_is_back_as_if_nothing_had_happened(
    lab: ModuleType,
    fresh: Description,
    hosts: dict[str, Any],
    web: str,
    pyinfra: PYINFRA,
    tmp_path: Path,
) -> None:
    name = [host.name for host in fresh.hosts if host.role == "manager"][1]
    lab.reboot(name)
    other = hosts[names(fresh)[0]]
    wait_for(lambda: swarm_nodes(other) == declared_nodes(fresh), "the swarm to be whole again")
    wait_for(lambda: answers(lab, fresh, name), f"{name} to answer again")
    assert methods_offered(fresh, name) == {"publickey"}
    with captured(lab, fresh, tmp_path / "wire") as count:
        assert digest_of_large(lab, fresh, name, tmp_path) == web
    wire = count()
    assert wire.full_size > LARGE / 1500
    assert wire.clear == 0
    run = pyinfra("--dry", "--json", *SITE)
    assert run.returncode == 0, run.stderr
    assert changes_in(run.json) == []


# Independent eyes
# ----------------


def names(lab: Description) -> list[str]:
    return [host.name for host in lab.hosts]


def ssh_config(lab: Description, name: str, folder: Path) -> str:
    host = lab.host(name)
    return (
        f"Host {name}\n  HostName {host.ssh_host}\n  Port {host.ssh_port}\n  User {host.user}\n"
        f"  IdentityFile {lab.ssh_key}\n  IdentitiesOnly yes\n  BatchMode yes\n"
        f"  UserKnownHostsFile {lab.known_hosts}\n  StrictHostKeyChecking yes\n"
        f"  LogLevel ERROR\n  ControlPath {folder}/{name}\n"
    )


@contextmanager
def connection(lab: Description, name: str) -> Iterator[paramiko.Transport]:
    """A connection to a host's sshd on which nobody has logged in yet."""
    host = lab.host(name)
    transport = paramiko.Transport((host.ssh_host, host.ssh_port))
    try:
        transport.start_client(timeout=30)
        yield transport
    finally:
        transport.close()


def methods_offered(lab: Description, name: str) -> set[str]:
    """What sshd would accept of a stranger."""
    with (
        connection(lab, name) as transport,
        pytest.raises(paramiko.BadAuthenticationType) as refusal,
    ):
        transport.auth_none(lab.host(name).user)
    return set(refusal.value.allowed_types)


def swarm_nodes(manager: Any) -> dict[str, tuple[str, str]]:
    """Hostname to role and condition, as ``docker node ls`` tells it."""
    said = manager.run("docker node ls --format '{{json .}}'").stdout
    nodes = [json.loads(line) for line in said.splitlines()]
    return {
        node["Hostname"]: (
            "manager" if node["ManagerStatus"] in ("Leader", "Reachable") else "worker",
            f"{node['Status']} {node['Availability']}",
        )
        for node in nodes
    }


def declared_nodes(lab: Description) -> dict[str, tuple[str, str]]:
    return {host.name: (host.role, "Ready Active") for host in lab.hosts}


def get(lab: ModuleType, found: Description, name: str) -> str:
    """What a visitor gets from a node's address, by way of Cloudflare."""
    url = f"http://{found.host(name).address}:{PORT}/"
    return str(lab.in_namespace("cloudflare", ["curl", "-s", "--max-time", "10", url]).stdout)


def answers(lab: ModuleType, found: Description, name: str) -> bool:
    return get(lab, found, name).startswith("hello")


def digest_of_large(lab: ModuleType, found: Description, name: str, folder: Path) -> str:
    path = folder / f"large-{name}"
    url = f"http://{found.host(name).address}:{PORT}/large"
    done = lab.in_namespace("cloudflare", ["curl", "-sS", "--max-time", "50", "-o", str(path), url])
    assert done.returncode == 0, done.stderr
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def captured(lab: ModuleType, found: Description, path: Path) -> Iterator[Callable[[], Wire]]:
    """Record the bridge; count afterwards."""
    argv = ["tcpdump", "-Uni", found.bridge, "-s", "96", "-w", str(path), "-Z", "root"]
    command = ["ip", "netns", "exec", found.namespace, *argv]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "listening on" in process.stderr.readline()

        def packets(condition: str) -> int:
            shown = subprocess.run(
                ["tcpdump", "-nr", str(path), condition], capture_output=True, text=True, check=True
            ).stdout
            return len(shown.splitlines())

        try:
            yield lambda: Wire(
                esp=packets("esp"),
                full_size=packets("esp and ip[2:2] > 1400"),
                clear=packets("udp port 4789"),
                fragments=packets("ip[6:2] & 0x3fff != 0"),
            )
        finally:
            time.sleep(1)  # what is on its way into the file
            process.terminate()
