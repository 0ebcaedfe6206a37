"""A real sshd with the managed drop-in, judged by ssh-audit; and that our own client still gets in.

And whom rules of others keep out, asked of sshd itself.

It runs on a port of loopback, below a root of its own: this machine's, with OpenSSH's packages laid
over it, which are unpacked and never installed.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from paramiko import AuthenticationException, BadAuthenticationType, Transport
from pyinfra.api import Config, Host, State
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_state

from lab.errors import LabError
from pyinfra_swarm.run.answer import asked
from pyinfra_swarm.run.answer import sections as taken_apart
from pyinfra_swarm.run.findings import refusals
from pyinfra_swarm.run.pyinfra_internals import another_connection, transport
from pyinfra_swarm.ssh.algorithms import (
    STRICT,
    Client,
    LearnHostKeys,
    plan_algorithms,
    strict,
)
from pyinfra_swarm.ssh.facts import Effective, parse
from pyinfra_swarm.ssh.known_hosts_operations import known_types, learn
from pyinfra_swarm.ssh.plan import plan
from pyinfra_swarm.ssh.sshd import DROP_IN, Sshd, Wanted
from tests.engines import programs
from tests.tools import must_run
from tests.unit.ssh.servers import FRESH_VALUES

pytestmark = pytest.mark.lifecycle  # new host keys for each test, and ssh-audit, take their time

MAIN = """\
Include /etc/ssh/sshd_config.d/*.conf
KbdInteractiveAuthentication no
UsePAM yes
X11Forwarding yes
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""
"""What Debian's package has."""

UNITS = """\
#!/bin/sh
printf 'Id=ssh.service\\nActiveState=active\\nStateChangeTimestamp=%s\\n\\n' \\
  "$(TZ=UTC date -d '1 hour' '+%a %Y-%m-%d %H:%M:%S UTC')"
printf 'Id=ssh.socket\\nActiveState=inactive\\nStateChangeTimestamp=n/a\\n'
"""
"""``systemctl show``, of which there is none here."""


@dataclass
class Server:
    """A host's sshd. pid: of its namespace; root: its root there; port: on loopback."""

    pid: int
    root: Path
    port: int
    daemon: subprocess.Popen[bytes] | None = None

    def words(self, *command: str) -> list[str]:
        return ["nsenter", "-t", str(self.pid), "-m", "--", "chroot", str(self.root), *command]

    def run(self, text: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            self.words("sh", "-c", text),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def seen(self) -> Sshd:
        said = self.run("SUDO_USER=ubuntu; export SUDO_USER\n" + asked(Effective().script()))
        found = parse(taken_apart(said.splitlines()))
        assert not found.problem
        return found

    def write(self, path: str, text: str) -> None:
        self.run(f"cat > {path}", stdin=text)

    def start(self) -> None:
        self.stop()
        self.run("sshd -t")
        options = ("-p", str(self.port), "-o", "ListenAddress=127.0.0.1")
        self.daemon = subprocess.Popen(
            self.words("/usr/sbin/sshd", "-D", "-e", *options),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("sshd does not listen")

    def stop(self) -> None:
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(10)
            self.daemon = None

    def audit(self) -> dict[str, dict[str, list[str]]]:
        """By level, ``fail`` and ``warn``, what ssh-audit says of each algorithm.

        Once for each start: sshd shuts an address out that comes often and never logs in.
        """
        done = subprocess.run(
            [sys.executable, "-m", "ssh_audit", "-j", "-p", str(self.port), "127.0.0.1"],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        report: dict[str, Any] = json.loads(done.stdout)
        return {
            level: {
                algorithm["algorithm"]: algorithm["notes"][level]
                for kind in ("kex", "key", "enc", "mac")
                for algorithm in report[kind]
                if level in algorithm.get("notes", {})
            }
            for level in ("fail", "warn")
        }


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    try:
        packages = programs.programs(programs.versions()[0])
    except LabError as error:
        must_run.give_up(str(error))
    root = tmp_path / "root"
    root.mkdir()
    users = Path("/etc/passwd").read_text()
    users += "" if "\nsshd:" in users else "sshd:x:991:65534::/run/sshd:/usr/sbin/nologin\n"
    lines = [
        "set -e",
        f"mount -t tmpfs tmpfs {root}; cd {root}",
        "mkdir upper work root",
        f"mount -t overlay overlay root -o lowerdir=/,upperdir={root}/upper,workdir={root}/work",
        # Not as a layer: it is a part of the other one.
        f"cp -a {packages}/usr/lib/. root/usr/lib; cp -a {packages}/usr/sbin/sshd root/usr/sbin",
        "mount --rbind /dev root/dev; mount -t proc proc root/proc; cd root",
        "rm -rf etc/ssh; mkdir -p run/sshd etc/ssh/sshd_config.d",
        "echo up",
        "exec cat",
    ]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    holder = subprocess.Popen(
        ["unshare", "-m", "sh", "-c", "\n".join(lines)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout
    server = Server(holder.pid, root / "root", port)
    try:
        assert holder.stdout.readline() == b"up\n"
        server.write("/etc/passwd", users)
        server.write("/etc/ssh/sshd_config", MAIN)
        server.write("/usr/sbin/systemctl", UNITS)
        server.run("chmod 755 /usr/sbin/systemctl; ssh-keygen -A")
        yield server
    finally:
        server.stop()
        holder.kill()
        holder.wait()


def test_what_ssh_audit_fails_is_gone_and_what_it_warns_of_has_its_reason(server: Server) -> None:
    fresh = server.seen()
    assert len(fresh.host_keys) == 3
    server.start()
    before = server.audit()
    assert {"ecdh-sha2-nistp256", "ecdsa-sha2-nistp256", "hmac-sha1"} <= set(before["fail"])

    wanted = Wanted(users=("ubuntu",), algorithms=strict(fresh), penalties=fresh.penalizes)
    assert set(wanted.algorithms) == set(STRICT)
    server.write(DROP_IN, wanted.drop_in())
    server.start()
    after = server.audit()
    # paramiko knows no exchange that is safe from quantum computers (docs/judged.md).
    assert set(after["warn"]) == {"curve25519-sha256", "curve25519-sha256@libssh.org"}
    assert all("quantum" in why for reasons in after["warn"].values() for why in reasons)
    assert after["fail"] == {}

    hardened = server.seen()
    assert plan(wanted, hardened) == []
    assert strict(hardened) == wanted.algorithms, "it knows what it knew, whatever is allowed"


OFFERED = {
    "kexalgorithms": ("curve25519-sha256@libssh.org",),
    "ciphers": ("aes256-ctr",),
    "macs": ("hmac-sha2-256-etm@openssh.com",),
}


def test_the_client_of_the_runs_gets_in_by_what_is_left(server: Server) -> None:
    seen = server.seen()
    algorithms = strict(seen)
    server.write(DROP_IN, Wanted(users=("ubuntu",), algorithms=algorithms).drop_in())
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as connected:
        transport = Transport(connected)
        can = transport.get_security_options()
        offers = {
            "kexalgorithms": tuple(can.kex),
            "ciphers": tuple(can.ciphers),
            "macs": tuple(can.digests),
            "hostkeyalgorithms": tuple(can.key_types),
        }
        assert plan_algorithms(algorithms, seen, Client(offers), {}) == []
        transport.start_client(timeout=20)
        assert transport.get_remote_server_key().get_name() == "ssh-ed25519"
        transport.close()


LOCKED_OUT = "Host key for 127.0.0.1 does not match"


def test_a_computer_that_knew_the_host_by_ecdsa_gets_in_once_it_has_learnt(
    server: Server, tmp_path: Path
) -> None:
    key, known, old = (tmp_path / name for name in ("key", "known_hosts", "older_known_hosts"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    server.write("/etc/ssh/authorized_keys", key.with_suffix(".pub").read_text())
    wanted = Wanted(users=("root",), algorithms=strict(server.seen()))
    # The account of these tests is root's, and its keys are not in this machine's home.
    root_in = "PermitRootLogin yes\nUsePAM no\nAuthorizedKeysFile /etc/ssh/authorized_keys\n"
    server.write("/etc/ssh/sshd_config.d/00-a.conf", root_in)
    server.write("/etc/shadow", "root:*:20000:0:99999:7:::\n")
    server.start()
    [ecdsa] = [one for one in server.seen().host_keys if one.startswith("ecdsa-")]
    for path in (known, old):
        path.write_text(f"[127.0.0.1]:{server.port} {ecdsa}\n")

    def host(known_hosts: Path) -> tuple[State, Host]:
        data = {
            "ssh_hostname": "127.0.0.1",
            "ssh_port": server.port,
            "ssh_user": "root",
            "ssh_key": str(key),
            "ssh_known_hosts_file": str(known_hosts),
            "ssh_strict_host_key_checking": "yes",
        }
        state = State(Inventory(([("rk1", data)], {})), Config())
        return state, state.inventory.get_host("rk1")

    state, mine = host(known)
    with ctx_state.use(state):
        mine.connect(raise_exceptions=True)
        connection = transport(mine)
        assert connection is not None
        can = connection.get_security_options()
        offers = {"hostkeyalgorithms": tuple(can.key_types)}
        client = Client({**OFFERED, **offers}, known=tuple(known_types(mine)))
        [step] = plan_algorithms(wanted.algorithms, server.seen(), client, {})
        assert isinstance(step, LearnHostKeys)
        learn(mine, step.keys)
        server.write(DROP_IN, wanted.drop_in())
        server.start()
        with another_connection(state, mine) as again:
            assert again.is_authenticated()
            assert again.get_remote_server_key().get_name() == "ssh-ed25519"
    state, other = host(old)
    with ctx_state.use(state), pytest.raises(ConnectError, match=LOCKED_OUT):
        other.connect(raise_exceptions=True)


def test_an_sshd_says_itself_whether_it_knows_penalties(server: Server) -> None:
    seen = server.seen()
    version = server.run("sshd -V 2>&1 || ssh -V 2>&1")
    number = tuple(map(int, version.split("OpenSSH_")[1].split("p")[0].split(".")))
    assert seen.penalizes is (number >= (9, 8))
    with_them = Wanted(users=("ubuntu",), penalties=seen.penalizes)
    server.write(DROP_IN, with_them.drop_in())
    server.run("sshd -t")
    assert plan(with_them, server.seen()) == []


@pytest.mark.parametrize(
    ("rule", "let_in"),
    [
        ("DenyUsers * !ann", False),
        ("DenyUsers !ann", True),
        ("DenyUsers a* !ann@127.0.0.*", False),
        ("DenyUsers ann@10.*", True),
        ("DenyUsers ann@*,!127.0.0.1", True),
        ("DenyUsers [a]nn", True),
        ("AllowUsers a* !ann", True),
        ("AllowUsers !eve", False),
        ("AllowUsers ann@127.0.0.0/8", True),
        ("AllowUsers ann@127.*,!127.0.0.1", False),
        ("AllowUsers ann@10.0.0.1 a*", True),
        ("DenyGroups * !staff", False),
        ("DenyGroups !staff", True),
        ("AllowGroups s* !staff", True),
        ("AllowGroups !guests", False),
    ],
)
def test_a_rule_of_others_keeps_out_whom_sshd_keeps_out(
    server: Server, rule: str, let_in: bool
) -> None:
    server.run("cat >> /etc/passwd; mkdir -p /home/ann", "ann:x:4711:50::/home/ann:/bin/sh\n")
    server.write("/etc/shadow", "ann::20000:0:99999:7:::\n")
    assert server.run("id -Gn ann").split() == ["staff"]
    # Whoever may log in needs nothing more to get in.
    rules = f"UsePAM no\nPasswordAuthentication yes\nPermitEmptyPasswords yes\n{rule}\n"
    server.write("/etc/ssh/sshd_config.d/00-a.conf", rules)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as connected:
        transport = Transport(connected)
        transport.start_client(timeout=20)
        with suppress(AuthenticationException, BadAuthenticationType):
            transport.auth_none("ann")
        assert transport.is_authenticated() is let_in
        transport.close()
    keyword, _, value = rule.partition(" ")
    seen = Sshd(
        installed=True,
        login_user="ann",
        login_from="127.0.0.1",
        login_groups=("staff",),
        effective={"ann": {**FRESH_VALUES, keyword.lower(): value}},
    )
    told = [one.what for one in refusals(plan(Wanted(users=("ann",)), seen))]
    assert told == [f"sshd {keyword}"] * (not let_in)
