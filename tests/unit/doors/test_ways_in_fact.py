"""What a host tells of its ways in: the real script, on files of our own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.doors.facts import OURS, WaysIn
from pyinfra_swarm.doors.seen import Agent, Container, Doors, Group, Job, Listener
from pyinfra_swarm.reset.plan import WATCHED
from tests.tools.answers import recorded

_PATHS = (
    *("/etc/", "/run/docker", "/run/containerd", "/var/spool/", "/usr/local/"),
    *("/sys/fs/cgroup/", "/run/systemd/", "/usr/lib/systemd/"),
)

SS = """\
tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=700,fd=3),("systemd",pid=1,fd=60))
tcp LISTEN 0 128 [::]:22 [::]:* users:(("sshd",pid=700,fd=4))
tcp LISTEN 0 4096 *:2377 *:* users:(("dockerd",pid=800,fd=20))
udp UNCONN 0 0 192.168.1.11%eth0:68 0.0.0.0:* users:(("systemd-network",pid=500,fd=20))
udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:* users:(("dhcpcd",pid=501,fd=20))
udp UNCONN 0 0 0.0.0.0:4789 0.0.0.0:*
tcp LISTEN 0 10 0.0.0.0:9 0.0.0.0:* users:(("two
lines",pid=9,fd=3))
tcp LISTEN 0 10 0.0.0.0:7 0.0.0.0:* users:(("a"b,("c",pid=8,fd=3))
"""

SUDO = """\
#!/bin/sh
echo "$*" >> "$HERE/asked"
case "$*" in
  *www-data*) echo "User www-data may run the following commands on rk1:"
              echo "    (root) NOPASSWD: /usr/bin/vim" ;;
  *) echo "User somebody is not allowed to run sudo on rk1." ;;
esac
"""

SYSTEMCTL = """\
#!/bin/sh
printf '# /usr/lib/systemd/system/docker.service\\n[Service]\\n'
echo 'ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock'
[ ! -f "$HERE/drop-in" ] || cat "$HERE/drop-in"
"""

DOCKER = """\
#!/bin/sh
cat "$HERE/containers"
[ ! -e "$HERE/hangs" ]
"""


@dataclass
class Machine:
    """A host whose files lie in a folder, and whose programs only pretend."""

    here: Path

    def write(self, path: str, text: str) -> None:
        file = self.here / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def program(self, name: str, text: str, folder: str = "bin") -> None:
        self.write(f"{folder}/{name}", text)
        (self.here / folder / name).chmod(0o755)

    def lines(self, admins: str = "ubuntu") -> list[str]:
        script = WaysIn().command(admins=admins)
        for path in _PATHS:
            script = script.replace(path, f"{self.here}{path}")
        for old, new in (
            ("/usr/bin/dockerd", f"{self.here}/usr/bin/dockerd"),
            ("'/(usr/local|", f"'{self.here}/(usr/local|"),
            ("PATH=/usr/sbin:/usr/bin", f"PATH={self.here}/bin:/usr/sbin:/usr/bin"),
        ):
            assert old in script
            script = script.replace(old, new)
        done = subprocess.run(
            ["/bin/sh", "-c", script],
            capture_output=True,
            text=True,
            timeout=20,
            env={"PATH": "/usr/bin:/bin", "HERE": str(self.here)},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def seen(self, admins: str = "ubuntu") -> Doors:
        return WaysIn().process(self.lines(admins))

    @property
    def asked(self) -> str:
        return (self.here / "asked").read_text() if (self.here / "asked").exists() else ""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.write(
        "etc/passwd",
        "root:x:0:0:root:/root-of-nobody:/bin/bash\n"
        "sync:x:4:65534:sync:/bin:/bin/sync\n"
        "www-data:x:33:33::/var/www:/usr/sbin/nologin\n"
        f"ubuntu:x:1000:1000:,,,:{tmp_path}/home/ubuntu:/bin/bash\n"
        "old:$1$hash$in.passwd:1001:6::/home/old:/bin/bash\n",
    )
    made.write(
        "etc/shadow",
        "root:*:20000:0:99999:7:::\nsync:*:1::::::\nwww-data:!:1::::::\n"
        "ubuntu:$y$j9T$secret$hash:20000:0:99999:7:::\nold::1::::::\n",
    )
    made.write("etc/group", "root:x:0:\nsudo:x:27:ubuntu\ndisk:x:6:\nusers:x:100:old\n")
    made.write("etc/sudoers", USUAL_RULES)
    made.write("etc/sudoers.d/90-cloud-init-users", "ubuntu ALL=(ALL) NOPASSWD:ALL\n")
    made.write("etc/sudoers.d/zz-pyinfra-swarm", "ada ALL=(ALL:ALL) NOPASSWD: ALL\n")
    made.write("ss", SS)
    made.program("ss", '#!/bin/sh\ncat "$HERE/ss"\n')
    made.program("sudo", SUDO)
    made.program("systemctl", SYSTEMCTL)
    made.program("docker", DOCKER)
    return made


USUAL_RULES = """\
# comment
Defaults env_reset
Defaults\tsecure_path="/usr/sbin:/usr/bin"
root\tALL=(ALL:ALL) ALL
%admin ALL=(ALL) ALL
%sudo   ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""


def test_accounts_groups_and_passwords(machine: Machine) -> None:
    seen = machine.seen()
    passwords = {account.name: account.password for account in seen.accounts}
    assert passwords == {
        "root": "none",
        "sync": "none",
        "www-data": "none",
        "ubuntu": "set",
        "old": "set",
    }
    assert Group("disk", ("old",)) in seen.groups, "its primary group is one, too"
    assert [group.name for group in seen.groups] == ["root", "sudo", "disk"]


def test_no_hash_leaves_the_host(machine: Machine) -> None:
    said = recorded(machine.lines())
    assert "secret" not in said
    assert "in.passwd" not in said


def test_an_empty_password_is_seen(machine: Machine) -> None:
    machine.write("etc/passwd", "old:x:1001:1001::/home/old:/bin/bash\n")
    [account] = machine.seen().accounts
    assert account.password == "empty"


def test_sudo_is_not_asked_where_its_rules_are_the_usual_ones(machine: Machine) -> None:
    assert machine.seen().sudoers == ()
    assert machine.asked == ""


@pytest.mark.parametrize(
    "rule",
    [
        "www-data ALL=(root) NOPASSWD: /usr/bin/vim",
        "root , www-data ALL=(ALL) ALL",
        "#33 ALL=(ALL) ALL",
        "@include /etc/more",
        "#includedir /etc/elsewhere",
        "%web ALL=(ALL) ALL",
        "User_Alias WEB = www-data",
        "ubuntu ALL=(ALL) ALL, \\",
        "%sudo, www-data ALL=(ALL:ALL) ALL",
    ],
)
def test_sudo_itself_says_who_may_do_what(rule: str, machine: Machine) -> None:
    machine.write("etc/sudoers.d/web", f"{rule}\n")
    assert machine.seen().sudoers == (("www-data", ("(root) NOPASSWD: /usr/bin/vim",)),)
    assert "-U ubuntu" not in machine.asked, "its rules are declared"
    assert "-U root" not in machine.asked


def test_rules_from_a_directory_service_are_asked_for(machine: Machine) -> None:
    machine.write("etc/nsswitch.conf", "passwd: files\nsudoers: files sss\n")
    assert [name for name, _ in machine.seen().sudoers] == ["www-data"]


def test_files_of_sudo_that_are_far_too_large_are_told_and_not_asked_about(
    machine: Machine,
) -> None:
    machine.write("etc/sudoers.d/web", "www-data ALL=(ALL) ALL\n" + "#" * (1 << 20))
    with pytest.raises(FactProcessError, match=r"sudoers\.d/web is larger than 1 MiB"):
        machine.seen()
    assert machine.asked == ""


def test_a_host_without_sudo_has_no_rules_of_it(machine: Machine) -> None:
    machine.write("etc/sudoers.d/web", "www-data ALL=(ALL) ALL\n")
    machine.program("sudo", "#!/bin/sh\necho 'sudo: a problem'; exit 1\n")
    assert machine.seen().sudoers == ()


def test_what_sshd_runs_at_a_login(machine: Machine) -> None:
    machine.write("home/ubuntu/.ssh/rc", "x")
    machine.write("etc/ssh/sshrc", "x")
    assert machine.seen().login_files == (
        f"{machine.here}/etc/ssh/sshrc",
        f"{machine.here}/home/ubuntu/.ssh/rc",
    )


def test_what_listens(machine: Machine) -> None:
    listeners = machine.seen().listeners
    assert Listener("tcp", "0.0.0.0", 22, ("sshd", "systemd"), (700, 1)) in listeners
    assert Listener("tcp", "::", 22, ("sshd",), (700,)) in listeners
    assert Listener("udp", "192.168.1.11", 68, ("systemd-network",), (500,)) in listeners
    assert Listener("udp", "fe80::1", 546, ("dhcpcd",), (501,)) in listeners
    assert Listener("udp", "0.0.0.0", 4789) in listeners
    assert [one.port for one in listeners] == [22, 22, 2377, 68, 546, 4789, 9, 7]


def test_a_host_that_cannot_say_what_listens_has_said_nothing(machine: Machine) -> None:
    machine.program("ss", "#!/bin/sh\necho 'Cannot open netlink socket' >&2; exit 1\n")
    with pytest.raises(FactProcessError, match="netlink"):
        machine.seen()


def test_the_door_that_the_next_start_opens(machine: Machine) -> None:
    assert machine.seen().next_hosts == ()
    machine.write("drop-in", "ExecStart=\nExecStart=/usr/bin/dockerd -H tcp://0.0.0.0:2375\n")
    machine.write("etc/docker/daemon.json", '{"hosts": ["tcp://127.0.0.1:2376"]}')
    assert machine.seen().next_hosts == ("tcp://0.0.0.0:2375", "tcp://127.0.0.1:2376")


def test_a_drop_in_that_systemd_has_not_read_counts_from_its_next_reload_on(
    machine: Machine,
) -> None:
    units = "etc/systemd/system/docker.service.d"
    machine.write(
        "usr/lib/systemd/system/docker.service", "[Service]\nExecStart=dockerd -H fd://\n"
    )
    machine.write(
        f"{units}/tcp.conf", "[Service]\nExecStart=\nExecStart=dockerd -H tcp://[::]:2375"
    )
    assert machine.seen().next_hosts == ("tcp://[::]:2375",)
    machine.write("run/systemd/system/docker.socket.d/more.conf", "# a port\nListenStream=2377")
    assert machine.seen().next_hosts == ("tcp://2377", "tcp://[::]:2375")


def test_a_link_to_nothing_takes_a_drop_in_away(machine: Machine) -> None:
    drop_in = "systemd/system/docker.service.d/tcp.conf"
    machine.write(f"usr/lib/{drop_in}", "ExecStart=dockerd -H tcp://[::]:2375")
    assert machine.seen().next_hosts == ("tcp://[::]:2375",)
    folder = (machine.here / "etc" / drop_in).parent
    folder.mkdir(parents=True)
    (folder / "tcp.conf").symlink_to("/dev/null")
    assert machine.seen().next_hosts == ()
    os.mkfifo(folder / "pipe.conf")
    assert machine.seen().next_hosts == (), "a pipe is not waited for"


def test_an_engine_that_runs_is_asked_by_its_own_arguments(machine: Machine) -> None:
    words = ["/bin/sh", "-c", "read -r wait", "dockerd", "-H", "tcp://0.0.0.0:2375"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as engine:
        machine.write("run/docker.pid", f"{engine.pid}\n")
        machine.write("run/containerd/io.containerd.runtime.v2.task/moby/abc/x", "")
        machine.write(
            "containers",
            '\n{"name":"/web.1","privileged":false,"held":"/run/docker.sock","service":"web"}\n'
            '{"name":"/web.2","privileged":true,"held":"","service":"web"}\n'
            '{"name":"/alone","privileged":true,"held":"","service":""}\n',
        )
        machine.program("dockerd", "", "usr/bin")
        seen = machine.seen()
        assert seen.running_hosts == ("tcp://0.0.0.0:2375",)
        assert seen.containers == (
            Container("web", True, "/run/docker.sock"),
            Container("alone", True, ""),
        )
        machine.write("containers", "")
        machine.write("hangs", "")
        with pytest.raises(FactProcessError, match="did not say which containers"):
            machine.seen()
        engine.communicate(b"\n")


def test_jobs_and_the_scripts_that_they_name(machine: Machine) -> None:
    script = f"{machine.here}/usr/local/bin/rules"
    machine.program("rules", "#!/bin/sh\niptables -F\n", "usr/local/bin")
    machine.write("etc/cron.d/reads", f"@reboot root cat {machine.here}/etc/default/x\n")
    machine.write("etc/default/x", "ufw reload")
    machine.write("etc/cron.d/rules", f"@reboot root {script} >/dev/null\n")
    machine.write("etc/cron.d/ignored.bak", "@reboot root iptables -F\n")
    machine.write("etc/crontab", "17 * * * * root ansible-pull -U https://x\n")
    machine.write("etc/systemd/system/fw.service", "[Service]\nExecStart=/usr/sbin/nft -f /etc/x\n")
    machine.write("etc/systemd/system/pyinfra-swarm-firewall.service", "ExecStart=iptables\n")
    machine.write("var/spool/cron/crontabs/root", "@daily ufw reload\n")
    machine.write("etc/systemd/system/multi-user.target.wants/puppet.service", "")
    seen = machine.seen()
    assert {(job.path.removeprefix(str(machine.here)), job.line) for job in seen.jobs} == {
        ("/usr/local/bin/rules", "iptables -F"),
        ("/etc/crontab", "17 * * * * root ansible-pull -U https://x"),
        ("/etc/systemd/system/fw.service", "ExecStart=/usr/sbin/nft -f /etc/x"),
        ("/var/spool/cron/crontabs/root", "@daily ufw reload"),
    }
    assert seen.agents == (Agent("puppet", "enabled"),)
    assert [job.path for job in seen.jobs if job.script] == [script]


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(machine: Machine) -> None:
    os.mkfifo(machine.here / "etc/sudoers.d/pipe")
    (machine.here / "etc/cron.d").mkdir()
    os.mkfifo(machine.here / "etc/cron.d/pipe")
    assert machine.seen().jobs == ()


def test_a_name_of_an_admin_is_no_shell() -> None:
    with pytest.raises(ValueError, match="user names"):
        WaysIn().command(admins="a;b")


def test_a_job_is_a_line(machine: Machine) -> None:
    machine.write("etc/cron.d/rules", "@reboot root iptables -A INPUT -p tcp --dport 1:2 -j DROP\n")
    [job] = machine.seen().jobs
    assert job == Job(
        f"{machine.here}/etc/cron.d/rules",
        "@reboot root iptables -A INPUT -p tcp --dport 1:2 -j DROP",
    )


def test_no_managed_program_or_unit_is_looked_into() -> None:
    """Also of what is declared no more, and is to be removed by the same run."""
    may_be_started = ("/etc/systemd/", "/usr/local/")
    managed = {path for path in WATCHED if path.startswith(may_be_started)}
    assert managed
    assert managed <= {*OURS}
