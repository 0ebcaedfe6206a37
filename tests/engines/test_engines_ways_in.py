"""Ways to root, and in, on a real host: real sudo, sshd, sockets and containers tell of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pyinfra_swarm.doors.facts import WaysIn
from pyinfra_swarm.doors.seen import Doors
from tests.engines.hosts import USER, Hosts


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with Hosts(1) as made:
        made.import_image()
        yield made


def look(hosts: Hosts) -> Doors:
    script = str(WaysIn().command(admins=USER))
    return WaysIn().process(hosts.run("rk1", script).stdout.split("\n"))


@pytest.fixture(scope="module")
def before(hosts: Hosts) -> Doors:
    return look(hosts)


def test_an_untouched_host_has_none(before: Doors) -> None:
    assert before.sudoers == ()
    assert before.login_files == ()
    assert before.running_hosts == before.next_hosts == ()
    assert before.containers == ()
    assert before.jobs == ()
    assert before.agents == ()
    assert [(one.owner, oct(one.mode)[2:]) for one in before.sockets if "docker" in one.path] == [
        ("root", "660")
    ]
    assert {one.port for one in before.listeners if one.protocol == "tcp" and not one.loopback} == {
        22
    }
    [(_, command)] = before.ssh_servers
    assert "sshd" in command


def test_sudo_itself_says_what_aliases_groups_and_numbers_mean(hosts: Hosts, before: Doors) -> None:
    hosts.run(
        "rk1",
        "useradd -M guest; useradd -M other; useradd -M -u 1234 third; useradd -M nobodys; "
        "groupadd -f web; usermod -aG web other; cp -a /etc/sudoers /run/sudoers",
    )
    rules = (
        "User_Alias PEOPLE = guest\n"
        "PEOPLE ALL=(root) NOPASSWD: /usr/bin/vi\n"
        "%web ALL=(ALL) /bin/sh\n"
        "#1234 ALL=(ALL) ALL\n"
    )
    hosts.run("rk1", "cat >> /etc/sudoers; visudo -qc", text=rules)
    try:
        told = dict(look(hosts).sudoers)
        assert {*told} == {"guest", "other", "third"}
        assert any("/usr/bin/vi" in rule for rule in told["guest"])
    finally:
        people = "guest other third nobodys"
        hosts.run("rk1", f"cp -a /run/sudoers /etc/sudoers; for n in {people}; do userdel $n; done")


def test_accounts_as_they_are(hosts: Hosts, before: Doors) -> None:
    hosts.run(
        "rk1",
        "groupadd -f disk; useradd -o -u 0 -g 0 -M toor; useradd -M -g disk ann; "
        " useradd -M ben; passwd -d ben; "
        "echo toor:guess-me | chpasswd",
    )
    try:
        seen = look(hosts)
        accounts = {one.name: one for one in seen.accounts}
        assert accounts["toor"].uid == 0
        assert accounts["toor"].password == "set"
        assert accounts["ben"].password == "empty"
        [disk] = [group for group in seen.groups if group.name == "disk"]
        assert disk.members == ("ann",)
    finally:
        hosts.run("rk1", "sed -i /^toor:/d /etc/passwd /etc/shadow; userdel ann; userdel ben")


def test_a_second_ssh_server_is_seen_beside_logins(hosts: Hosts, before: Doors) -> None:
    hosts.run("rk1", "/usr/sbin/sshd -p 2222 -o ListenAddress=127.0.0.1 -o PidFile=/run/other.pid")
    try:
        seen = look(hosts)
        [other] = [one for one in seen.listeners if one.port == 2222]
        assert other.loopback
        commands = dict(seen.ssh_servers)
        assert "2222" in commands[other.pids[0]]
        assert "listener" in commands[other.pids[0]]
    finally:
        hosts.run("rk1", "kill $(cat /run/other.pid)")


def test_what_listens_in_either_family_and_protocol(hosts: Hosts, before: Doors) -> None:
    hosts.run(
        "rk1",
        "python3 - >/dev/null 2>&1 <<'END' &\n"
        "import socket, time\n"
        "one = socket.socket(); one.bind(('0.0.0.0', 4444)); one.listen()\n"
        "two = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); two.bind(('::', 4445))\n"
        "time.sleep(300)\n"
        "END\n"
        "echo $! > /run/listens.pid; sleep 1",
    )
    try:
        told = {(one.protocol, one.port): one for one in look(hosts).listeners}
        assert told["tcp", 4444].address == "0.0.0.0"
        assert told["udp", 4445].address in ("::", "*")
        assert told["tcp", 4444].processes == told["udp", 4445].processes
        assert told["tcp", 4444].processes[0].startswith("python")
    finally:
        hosts.run("rk1", "kill $(cat /run/listens.pid)")


def test_containers_that_are_as_good_as_root(hosts: Hosts, before: Doors) -> None:
    run = "run -d --network none --name"
    wait = "busybox sleep 300"
    for name, more in {
        "plain": "",
        "chief": "--privileged",
        "holder": "-v /run/docker.sock:/run/docker.sock:ro",
        "all": "-v /:/host:ro",
    }.items():
        hosts.docker("rk1", *f"{run} {name} {more} {wait}".split())
    try:
        told = {one.name: (one.privileged, one.held) for one in look(hosts).containers}
        assert told == {
            "chief": (True, ""),
            "holder": (False, "/run/docker.sock"),
            "all": (False, "/"),
        }
    finally:
        hosts.docker("rk1", "rm", "-f", "plain", "chief", "holder", "all")


def test_an_engine_that_answers_over_tcp_is_seen(hosts: Hosts, before: Doors) -> None:
    hosts.run("rk1", "mkdir -p /etc/docker; cp /etc/docker/daemon.json /run/kept 2>/dev/null || :")
    hosts.run("rk1", """echo '{"hosts": ["tcp://127.0.0.1:2375"]}' > /etc/docker/daemon.json""")
    try:
        seen = look(hosts)
        assert seen.next_hosts == ("tcp://127.0.0.1:2375",)
        assert seen.running_hosts == ()
    finally:
        hosts.run("rk1", "rm /etc/docker/daemon.json; cp /run/kept /etc/docker/daemon.json || :")


def test_a_drop_in_that_the_next_reload_reads_is_seen(hosts: Hosts, before: Doors) -> None:
    folder = "/etc/systemd/system/docker.service.d"
    command = "/usr/bin/dockerd -H fd:// -H tcp://0.0.0.0:2375"
    lines = f"[Service]\nExecStart=\nExecStart={command}\n"
    hosts.run("rk1", f"mkdir -p {folder}; cat > {folder}/tcp.conf", text=lines)
    try:
        seen = look(hosts)
        assert (seen.next_hosts, seen.running_hosts) == (("tcp://0.0.0.0:2375",), ())
    finally:
        hosts.run("rk1", f"rm {folder}/tcp.conf")


def told_by(hosts: Hosts, tmp_path: Any, **sections: Any) -> dict[str, str]:
    settings = hosts.settings(["rk1"], firewall={"enabled": False}, **sections)
    reasons = tmp_path / "reasons"
    reasons.unlink(missing_ok=True)
    ran = hosts.pyinfra(
        "--dry",
        "inventory.py",
        "deploys/doors.py",
        settings=settings,
        env={"SWARM_REASONS": str(reasons)},
    )
    assert ran.returncode == 0, ran.output
    lines = [json.loads(line) for line in reasons.read_text().splitlines()]
    return {one["what"]: one["reason"] for one in lines if one["kind"] == "notice"}


def test_the_deploy_names_them_and_is_quiet_about_what_is_declared(
    hosts: Hosts, before: Doors, tmp_path: Any
) -> None:
    usual = told_by(hosts, tmp_path)
    hosts.run("rk1", "chmod 666 /run/docker.sock; echo '@daily root puppet agent' > /etc/cron.d/p")
    hosts.run("rk1", "mkdir -p /root/.ssh; echo : > /root/.ssh/rc")
    try:
        told = told_by(hosts, tmp_path)
        assert {*told} - {*usual} == {"/run/docker.sock", "/etc/cron.d/p", "/root/.ssh/rc"}
        access = {"jobs": ["/etc/cron.d/p"], "login_files": ["/root/.ssh/rc"]}
        told = told_by(hosts, tmp_path, access=access)
        assert {*told} - {*usual} == {"/run/docker.sock"}
    finally:
        hosts.run("rk1", "chmod 660 /run/docker.sock; rm /etc/cron.d/p /root/.ssh/rc")
