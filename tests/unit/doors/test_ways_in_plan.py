"""What is named of a host's ways to root, and in; and what is quiet, because it is declared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.access.plan import Account as Login
from pyinfra_swarm.doors.plan import plan
from pyinfra_swarm.doors.seen import Account, Agent, Container, Doors, Group, Job, Listener, Socket
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.settings.paths import ROOT as ROOT_OF_THE_PROJECT
from tests.builders import declared

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHkWKqoUoc9qoF2pQ0i2nY0m8B5j2m5yZ3C7h1kq0y1x"
ROOT = Account("root", 0, 0, "/root", "/bin/bash", "none")
UBUNTU = Account("ubuntu", 1000, 1000, "/home/ubuntu", "/bin/bash", "none")
SYNC = Account("sync", 4, 65534, "/bin", "/bin/sync", "none")
SSHD = Listener("tcp", "0.0.0.0", 22, ("sshd", "systemd"), (700, 1))

USUAL = Doors(
    accounts=(ROOT, SYNC, UBUNTU),
    groups=(
        Group("root", ("root",)),
        Group("sudo", ("ubuntu",)),
        Group("adm", ("syslog", "ubuntu")),
    ),
    listeners=(
        SSHD,
        replace(SSHD, address="::"),
        Listener("udp", "192.168.1.11", 68, ("systemd-network",), (500,)),
        Listener("udp", "127.0.0.53", 53, ("systemd-resolve",), (501,)),
        Listener("tcp", "::1", 631, ("cupsd",), (502,)),
        Listener("udp", "*", 7946, ("dockerd",), (800,)),
        Listener("tcp", "*", 2377, ("dockerd",), (800,)),
        Listener("udp", "0.0.0.0", 4789),
        Listener("tcp", "*", 8443, ("dockerd",), (800,)),
        Listener("tcp", "0.0.0.0", 5432, ("docker-proxy",), (801,)),
        Listener("udp", "0.0.0.0", 41234, ("systemd-timesyn",), (503,)),
    ),
    ssh_servers=((700, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"),),
    sockets=(
        Socket("/run/docker.sock", 0o660, "root", "docker"),
        Socket("/run/containerd/containerd.sock", 0o660, "root", "root"),
    ),
    jobs=(Job("/etc/cron.d/watch", "* * * * * root iptables -nvL | logger"),),
)
"""What every board has."""

SETTINGS: dict[str, Any] = {"ssh": {"user": "ubuntu"}}


def named(
    seen: Doors,
    *,
    effective: dict[str, dict[str, str]] | None = None,
    root: Login | None = None,
    **sections: Any,
) -> list[Finding]:
    settings = declared(**{**SETTINGS, **sections})
    return plan(
        settings,
        settings.hosts[0],
        seen,
        effective=effective or {"root": {}, "ubuntu": {}},
        root=root,
        ssh_ports=(22,),
    )


def test_what_every_host_has_is_not_named() -> None:
    assert named(USUAL) == []


def changed(**values: Any) -> Doors:
    return replace(USUAL, **{key: (*getattr(USUAL, key), value) for key, value in values.items()})


MALLORY = Account("mallory", 1001, 1001, "/home/mallory", "/bin/bash", "none")
WEB = Account("www-data", 33, 33, "/var/www", "/usr/sbin/nologin", "none")

KINDS: dict[str, tuple[Doors, str, str, str, Any]] = {
    "a second root": (
        changed(accounts=Account("toor", 0, 0, "/root", "/bin/sh", "none")),
        *("user toor", "is root under another name"),
        *("access.root_equals", ["toor"]),
    ),
    "a password": (
        changed(accounts=replace(MALLORY, password="set")),
        *("password of mallory", "lets somebody in at the console"),
        *("access.passwords", ["mallory"]),
    ),
    "an empty password": (
        changed(accounts=replace(MALLORY, password="empty")),
        *("password of mallory", "nobody is asked"),
        *("access.passwords", ["mallory"]),
    ),
    "a password of root": (
        replace(USUAL, accounts=(replace(ROOT, password="set"), UBUNTU)),
        *("password of root", "lets somebody in"),
        *("access.passwords", ["root"]),
    ),
    "a member of sudo": (
        changed(accounts=MALLORY, groups=Group("sudo", ("mallory",))),
        *("group sudo", "become root by sudo"),
        *("access.root_equals", ["mallory"]),
    ),
    "a member of lxd": (
        changed(groups=Group("lxd", ("mallory", "ubuntu"))),
        *("group lxd", "have the host's disk"),
        *("access.root_equals", ["mallory"]),
    ),
    "a member of disk": (
        changed(groups=Group("disk", ("mallory",))),
        *("group disk", "past every permission"),
        *("access.root_equals", ["mallory"]),
    ),
    "a member of adm": (
        changed(groups=Group("adm", ("syslog", "mallory"))),
        *("group adm", "read every log"),
        *("access.root_equals", ["mallory"]),
    ),
    "a rule of sudo": (
        changed(sudoers=("www-data", ("(root) NOPASSWD: /usr/bin/vim",))),
        *("sudo of www-data", "lets it run commands"),
        *("access.root_equals", ["www-data"]),
    ),
    "a program at each login": (
        changed(login_files="/home/ubuntu/.ssh/rc"),
        *("/home/ubuntu/.ssh/rc", "runs it at each login"),
        *("access.login_files", ["/home/ubuntu/.ssh/rc"]),
    ),
    "another SSH server": (
        changed(
            listeners=Listener("tcp", "127.0.0.1", 2222, ("sshd",), (999,)),
            ssh_servers=(999, "sshd: /usr/sbin/sshd -p 2222 [listener] 0 of 10-100 startups"),
        ),
        *("SSH server at 2222/tcp", "another SSH server"),
        *("access.listening", ["2222/tcp"]),
    ),
    "dropbear": (
        changed(
            listeners=Listener("tcp", "0.0.0.0", 2222, ("dropbear",), (998,)),
            ssh_servers=(998, "dropbear -p 2222"),
        ),
        *("SSH server at 2222/tcp", "another SSH server"),
        *("access.listening", ["2222/tcp"]),
    ),
    "a listener": (
        changed(listeners=Listener("tcp", "0.0.0.0", 9100, ("node_exporter",), (997,))),
        *("listening 9100/tcp", "node_exporter listens there, which is not declared; the firewall"),
        *("access.listening", ["node_exporter"]),
    ),
    "a listener over UDP in IPv6": (
        changed(listeners=Listener("udp", "::", 161, ("snmpd",), (996,))),
        *("listening 161/udp", "snmpd listens there"),
        *("access.listening", ["161/udp"]),
    ),
    "what listens at SSH's port and is no SSH server": (
        replace(USUAL, listeners=(Listener("tcp", "0.0.0.0", 22, ("nc",), (995,)),)),
        *("listening 22/tcp", "nc listens there"),
        *("access.listening", ["22/tcp"]),
    ),
    "the API that runs": (
        changed(running_hosts="tcp://0.0.0.0:2375"),
        *("the engine's API over TCP", "whoever reaches it is root"),
        *("docker.api", ["tcp://0.0.0.0:2375"]),
    ),
    "the API of the next start": (
        changed(next_hosts="tcp://0.0.0.0:2375"),
        *("the engine's API over TCP", "when it is started the next time"),
        *("docker.api", ["tcp://0.0.0.0:2375"]),
    ),
    "a privileged container": (
        changed(containers=Container("agent", True, "")),
        *("container agent", "is privileged"),
        *("docker.trusted", ["agent"]),
    ),
    "a container with the socket": (
        changed(containers=Container("portainer_agent", False, "/run/docker.sock")),
        *("container portainer_agent", "holds the engine's socket"),
        *("docker.trusted", ["portainer_agent"]),
    ),
    "another tool's agent": (
        changed(agents=Agent("salt-minion", "running")),
        *("salt-minion.service", "another configuration tool"),
        *("access.jobs", ["salt-minion"]),
    ),
    "another tool's job": (
        changed(jobs=Job("/etc/cron.d/pull", "*/5 * * * * root ansible-pull -U https://x")),
        *("/etc/cron.d/pull", "runs another configuration tool"),
        *("access.jobs", ["/etc/cron.d/pull"]),
    ),
    "a job that adds a rule": (
        changed(jobs=Job("/etc/cron.d/rule", "@reboot root iptables -A INPUT -j ACCEPT")),
        *("/etc/cron.d/rule", "changes the rules"),
        *("access.jobs", ["/etc/cron.d/rule"]),
    ),
    "a job that saves the rules": (
        changed(jobs=Job("/etc/cron.d/save", "@daily root netfilter-persistent save")),
        *("/etc/cron.d/save", "changes the rules"),
        *("access.jobs", ["/etc/cron.d/save"]),
    ),
    "a job that takes the rules away": (
        changed(jobs=Job("/etc/cron.d/flush", "@hourly root iptables -t filter -F INPUT")),
        *("/etc/cron.d/flush", "takes the managed rules of the firewall away"),
        *("access.jobs", ["/etc/cron.d/flush"]),
    ),
    "a script that takes the rules away": (
        changed(jobs=Job("/usr/local/bin/fw", "ip6tables-restore < /etc/old", True)),
        *("/usr/local/bin/fw", "a script that a job runs takes the managed rules"),
        *("access.jobs", ["/usr/local/bin/fw"]),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_named_with_a_remedy_and_can_be_declared(kind: str) -> None:
    seen, what, reason, setting, value = KINDS[kind]
    [finding] = named(seen)
    assert finding.what == what
    assert reason in finding.reason
    assert setting in finding.remedy
    section, key = setting.split(".")
    more: Any = {section: {key: value}}
    assert named(seen, **more) == [], "it is declared, and told all the same"


def test_only_a_job_that_undoes_what_is_managed_is_a_refusal() -> None:
    refused = {name for name, (seen, *_) in KINDS.items() if isinstance(named(seen)[0], Refusal)}
    assert refused == {"a job that takes the rules away", "a script that takes the rules away"}
    seen = KINDS["a job that takes the rules away"][0]
    [finding] = named(seen, firewall={"enabled": False})
    assert isinstance(finding, Notice)


def test_whether_a_port_is_reached_is_said_by_what_the_firewall_is_declared_to_do() -> None:
    seen = KINDS["a listener"][0]
    assert "shuts it to the outside" in named(seen)[0].reason
    assert "everybody reaches it" in named(seen, firewall={"inbound": "accept"})[0].reason
    assert "no firewall of this project" in named(seen, firewall={"enabled": False})[0].reason


def test_a_port_is_told_once_with_all_its_addresses() -> None:
    both = tuple(Listener("tcp", at, 9100, ("exporter",), (9,)) for at in ("0.0.0.0", "::"))
    [finding] = named(replace(USUAL, listeners=(SSHD, *both)))
    assert finding.found == "all IPv4 addresses and all IPv6 addresses"


def test_its_page_quotes_what_is_said_of_a_listener() -> None:
    listener = Listener("tcp", "*", 9100, ("node_exporter",), (9,))
    [finding] = named(replace(USUAL, listeners=(SSHD, listener)))
    assert f"rk2: {finding.sentence()}\n" in (ROOT_OF_THE_PROJECT / "docs/ways-in.md").read_text()


def test_opened_and_web_ports_are_declared() -> None:
    seen = replace(
        USUAL,
        listeners=(
            Listener("tcp", "0.0.0.0", 443, ("nginx",), (9,)),
            Listener("udp", "0.0.0.0", 51820),
            Listener("tcp", "0.0.0.0", 8005, ("app",), (10,)),
        ),
    )
    opened = [{"port": 51820, "protocol": "udp"}, {"port": "8000-8010"}]
    assert named(seen, firewall={"open": opened}) == []
    assert len(named(seen)) == 2


def test_the_declared_vpns_own_sockets_are_declared() -> None:
    kernel = Listener("udp", "0.0.0.0", 51820)
    daemon = Listener("tcp", "100.64.0.1", 39871, ("tailscaled",), (9,))
    assert len(named(replace(USUAL, listeners=(kernel,)))) == 1
    assert len(named(replace(USUAL, listeners=(daemon,)))) == 1
    assert named(replace(USUAL, listeners=(daemon,)), access={"vpn": "tailscale"}) == []
    assert named(replace(USUAL, listeners=(kernel,)), access={"vpn": "netbird"}) == []
    for vpn, program in (
        ("netbird", "netbird"),
        ("netbird", "tailscaled"),
        ("tailscale", "netbird"),
    ):
        seen = replace(USUAL, listeners=(replace(daemon, processes=(program,)),))
        assert bool(named(seen, access={"vpn": vpn})) == (vpn != program), program


def test_another_program_at_a_port_of_the_swarm_is_named() -> None:
    seen = replace(USUAL, listeners=(Listener("tcp", "0.0.0.0", 2377, ("nc",), (9,)),))
    assert [one.what for one in named(seen)] == ["listening 2377/tcp"]


def test_the_kernel_itself_listens_at_the_port_of_the_data_path_alone() -> None:
    vxlan = Listener("udp", "0.0.0.0", 4790)
    seen = replace(USUAL, listeners=(vxlan,))
    assert named(seen, swarm={"data_path_port": 4790}) == []
    assert len(named(seen)) == 1
    for other in (replace(vxlan, protocol="tcp"), replace(vxlan, processes=("nc",), pids=(9,))):
        seen = replace(USUAL, listeners=(other,))
        assert len(named(seen, swarm={"data_path_port": 4790})) == 1


def test_a_login_that_forwards_a_port_is_no_ssh_server() -> None:
    seen = changed(
        listeners=Listener("tcp", "127.0.0.1", 6010, ("sshd",), (990,)),
        ssh_servers=(990, "sshd: ubuntu@pts/0"),
    )
    assert named(seen) == []


def test_an_account_that_cannot_work_needs_no_word_about_its_password() -> None:
    assert named(changed(accounts=replace(WEB, password="set"))) == []


@pytest.mark.parametrize(
    ("keyword", "value", "spelling"),
    [
        ("authorizedkeyscommand", "/usr/bin/keys", "AuthorizedKeysCommand"),
        ("trustedusercakeys", "/etc/ssh/ca.pub", "TrustedUserCAKeys"),
        ("authorizedprincipalsfile", "/etc/ssh/p/%u", "AuthorizedPrincipalsFile"),
        ("authorizedprincipalscommand", "/usr/bin/p", "AuthorizedPrincipalsCommand"),
        ("permituserenvironment", "yes", "PermitUserEnvironment"),
    ],
)
def test_what_sshd_lets_in_besides_is_named(keyword: str, value: str, spelling: str) -> None:
    effective = {"root": {keyword: value}, "ubuntu": {keyword: value}}
    [finding] = named(USUAL, effective=effective)
    assert (finding.what, finding.found) == (f"sshd {spelling}", value)
    assert "(for" not in finding.reason
    assert named(USUAL, effective=effective, access={"sshd": [spelling]}) == []
    [finding] = named(USUAL, effective={"root": {}, "ubuntu": {keyword: value}})
    assert "(for ubuntu)" in finding.reason


def test_variables_of_a_user_matter_only_where_sshd_takes_them() -> None:
    seen = changed(login_files="/home/ubuntu/.ssh/environment")
    assert named(seen) == []
    told = named(seen, effective={"ubuntu": {"permituserenvironment": "yes"}})
    assert [one.what for one in told] == [
        "sshd PermitUserEnvironment",
        "/home/ubuntu/.ssh/environment",
    ]


def test_a_users_program_is_not_run_where_sshd_is_told_so() -> None:
    seen = changed(login_files="/home/ubuntu/.ssh/rc")
    off = {"root": {"permituserrc": "no"}, "ubuntu": {"permituserrc": "no"}}
    assert named(seen, effective=off) == []


CLOUD = (
    "no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command=\"echo 'Please login as the "
    'user \\"ubuntu\\" rather than the user \\"root\\".\';echo;sleep 10;exit 142" '
)


def roots(*keys: str, **more: Any) -> Login:
    return Login("root", 0, "/root", "/bin/bash", "star", keys=keys, **more)


def test_keys_of_root_are_named_even_while_its_login_is_off() -> None:
    [finding] = named(USUAL, root=roots(f"{KEY} old@laptop"))
    assert finding.what == "keys of root"
    assert named(USUAL, root=roots(f"{KEY} x"), access={"root_keys": [KEY]}) == []


def test_the_key_that_cloud_init_gives_root_opens_nothing() -> None:
    assert named(USUAL, root=roots(f"{CLOUD}{KEY}")) == []
    cunning = CLOUD.replace("exit 142", "sh")
    assert len(named(USUAL, root=roots(f"{cunning}{KEY}"))) == 1


def test_keys_of_root_that_cannot_be_read_are_named() -> None:
    [finding] = named(USUAL, root=roots(unread=("/root/.ssh/authorized_keys is a link",)))
    assert "cannot be read" in finding.reason


def test_a_program_that_asks_over_udp_does_not_listen() -> None:
    asking = Listener("udp", "0.0.0.0", 45678, ("named",), (9,))
    assert named(replace(USUAL, listeners=(asking,))) == []
    by_the_kernel = replace(asking, processes=(), pids=())
    assert [one.what for one in named(replace(USUAL, listeners=(by_the_kernel,)))] == [
        "listening 45678/udp"
    ]


PORTS = st.builds(
    Listener,
    st.sampled_from(["tcp", "udp"]),
    st.sampled_from(["0.0.0.0", "::", "*", "127.0.0.1", "::1", "192.168.1.11"]),
    st.integers(1, 65535),
    st.sampled_from([(), ("sshd",), ("dockerd",), ("nc",), ("dockerd", "nc")]),
    st.just(()),
)


@given(st.lists(PORTS, max_size=8))
def test_whatever_listens_over_tcp_beyond_loopback_is_declared_or_named_once(
    ports: list[Listener],
) -> None:
    told = [one.what for one in named(replace(USUAL, listeners=tuple(ports)))]
    assert len(told) == len({*told})
    for one in ports:
        strange = one.protocol == "tcp" and not one.loopback and "nc" in one.processes
        if strange and one.port not in (80, 443):
            assert f"listening {one.port}/tcp" in told
        if one.loopback and not any(other.port == one.port and other is not one for other in ports):
            assert f"listening {one.port}/{one.protocol}" not in told


def test_who_becomes_root_by_the_group_is_told_once_whether_sudo_was_asked_or_not() -> None:
    seen = changed(accounts=MALLORY, groups=Group("sudo", ("mallory",)))
    asked = replace(seen, sudoers=(("mallory", ("(ALL : ALL) ALL",)), ("www-data", ("(root) vi",))))
    assert [one.what for one in named(seen)] == ["group sudo"]
    assert [one.what for one in named(asked)] == ["group sudo", "sudo of www-data"]
