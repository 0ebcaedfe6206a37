"""Ways to root, and in, that nobody has declared."""

from __future__ import annotations

from pyinfra_swarm.ssh.sshd import DROP_INS
from tests.scenarios.drift_kinds.docker import RESTARTED
from tests.scenarios.drift_kinds.kind import Kind, Quiet


def _door(name: str, what: str, reason: str, breaks: str, undo: str, **more: object) -> Kind:
    given = {"kind": "notice", "group": "together", **more}
    return Kind(name, "doors", what, reason, breaks, undo=undo, **given)  # type: ignore[arg-type]


_SSHD = "systemctl reload ssh 2>/dev/null || systemctl restart ssh"
_READ = f"if systemctl -q is-active ssh.socket; then systemctl try-restart ssh; else {_SSHD}; fi"


def _sshd(name: str, keyword: str, line: str, reason: str) -> Kind:
    path = f"{DROP_INS}/90-{keyword}.conf"
    return _door(
        name,
        *(f"sshd {keyword}", reason),
        f"echo '{line}' > {path}; {_READ}",
        f"rm {path}; {_READ}",
        also=("ssh/sshd",),
    )


_IMAGE = "docker image inspect waits >/dev/null 2>&1 || curl -fsS $IMAGE | docker import - waits"
_NO_IMAGE = "docker image rm waits 2>/dev/null || :"  # another one on the host may still use it

_UNIT = "/etc/systemd/system/docker.service.d"


def _started(host: str) -> str:
    """A drop-in by which the engine listens there as well."""
    command = f"/usr/bin/dockerd -H fd:// -H {host} --tls=false"
    return f"printf '[Service]\\nExecStart=\\nExecStart={command}\\n' > {_UNIT}/tcp.conf"


KINDS = (
    _door(
        "the engine's API over TCP, now",
        *("the engine's API over TCP", "the engine answers there"),
        f"{_started('tcp://127.0.0.1:2375')}; systemctl daemon-reload; {RESTARTED}",
        f"rm {_UNIT}/tcp.conf; systemctl daemon-reload; {RESTARTED}",
    ),
    _door(
        "a second root",
        *("user toor", "root under another name"),
        "useradd -o -u 0 -M -p '*' toor",
        "sed -i /^toor:/d /etc/passwd /etc/shadow /etc/group /etc/gshadow",
    ),
    _door(
        "a password that lets somebody in",
        *("password of ann", "at the console"),
        "useradd -M -s /bin/bash ann; echo ann:guess-me | chpasswd",
        "userdel ann",
    ),
    _door(
        "an empty password",
        *("password of ben", "nobody is asked"),
        "useradd -M -s /bin/bash ben; passwd -d ben",
        "userdel ben",
    ),
    _door(
        "a member of the group sudo",
        *("group sudo", "become root by sudo"),
        "useradd -M -p '*' cleo; usermod -aG sudo cleo",
        "userdel cleo",
    ),
    _door(
        "a member of the group disk",
        *("group disk", "past every permission"),
        "useradd -M -p '*' -G disk dora",
        "userdel dora",
    ),
    _door(
        "a member of a group for containers",
        *("group lxd", "have the host's disk"),
        "groupadd lxd; useradd -M -p '*' -G lxd emil",
        "userdel emil; groupdel lxd",
    ),
    _door(
        "a member of the group adm",
        *("group adm", "read every log"),
        "useradd -M -p '*' -G adm fred",
        "userdel fred",
    ),
    _door(
        "a rule of sudo for somebody else",
        *("sudo of www-data", "a rule that is not declared"),
        "echo 'www-data ALL=(root) NOPASSWD: /usr/bin/vi' > /etc/sudoers.d/web; "
        "chmod 440 /etc/sudoers.d/web",
        "rm /etc/sudoers.d/web",
    ),
    _door(
        "a key of root's while its login is off",
        *("keys of root", "as soon as its login is on again"),
        'mkdir -p -m 700 /root/.ssh; echo "$STRANGER" > /root/.ssh/authorized_keys',
        "rm /root/.ssh/authorized_keys",
    ),
    _sshd(
        "a program that says whose keys count",
        "AuthorizedKeysCommand",
        "AuthorizedKeysCommand /bin/true\nAuthorizedKeysCommandUser nobody",
        "a program says whose keys",
    ),
    _sshd(
        "a CA whose certificates open every account",
        "TrustedUserCAKeys",
        "TrustedUserCAKeys /etc/ssh/ssh_host_ed25519_key.pub",
        "opens any account",
    ),
    _sshd(
        "files of principals",
        "AuthorizedPrincipalsFile",
        "AuthorizedPrincipalsFile /etc/ssh/principals/%u",
        "names in certificates",
    ),
    _sshd(
        "variables that users set at a login",
        "PermitUserEnvironment",
        "PermitUserEnvironment yes",
        "variables that run other programs",
    ),
    _door(
        "a program that runs at each login",
        *("/home/debian/.ssh/rc", "runs it at each login"),
        "echo : > /home/$LOGIN/.ssh/rc",
        "rm /home/$LOGIN/.ssh/rc",
    ),
    _door(
        "another SSH server",
        *("SSH server at 2222/tcp", "another SSH server"),
        "mkdir -p /run/sshd; systemd-run --quiet --unit=other-sshd /usr/sbin/sshd -D -p 2222 "
        "-o PidFile=none; sleep 3",
        "systemctl stop other-sshd",
    ),
    _door(
        "a program that listens over TCP",
        *("listening 4444/tcp", "which is not declared; the firewall shuts it"),
        "systemd-run --quiet --unit=listens --socket-property=ListenStream=4444 /bin/true",
        "systemctl stop listens.socket",
    ),
    _door(
        "a program that listens over UDP in IPv6",
        *("listening 4445/udp", "which is not declared"),
        "systemd-run --quiet --unit=hears --socket-property=ListenDatagram=[::]:4445 /bin/true",
        "systemctl stop hears.socket",
    ),
    _door(
        "a program that listens over UDP in IPv4 alone",
        *("listening 4448/udp", "which is not declared"),
        "systemd-run --quiet --unit=hears4 --socket-property=ListenDatagram=0.0.0.0:4448 /bin/true",
        "systemctl stop hears4.socket",
    ),
    _door(
        "the engine's API over TCP, from the next start on",
        *("the engine's API over TCP", "when it is started the next time"),
        _started("tcp://0.0.0.0:2375"),
        f"rm {_UNIT}/tcp.conf; systemctl daemon-reload",
        also=("docker/docker.service",),
    ),
    _door(
        "the engine's API over TCP, by daemon.json",
        *("the engine's API over TCP", "when it is started the next time"),
        "cp -a /etc/docker/daemon.json /root/api.json; "
        'sed -i \'0,/{/s//{"hosts": ["tcp:\\/\\/0.0.0.0:2376"],/\' /etc/docker/daemon.json',
        "mv /root/api.json /etc/docker/daemon.json",
        also=("docker/daemon.json",),
    ),
    _door(
        "a docker.sock that everybody may write to",
        *("/run/docker.sock", "can write to the engine's socket"),
        "chmod 666 /run/docker.sock",
        "chmod 660 /run/docker.sock",
    ),
    _door(
        "a job that adds a rule",
        *("/etc/cron.d/rule", "changes the rules"),
        "echo '0 0 1 1 * root iptables -A INPUT -p tcp --dport 4444 -j ACCEPT' > /etc/cron.d/rule",
        "rm /etc/cron.d/rule",
    ),
    _door(
        "a job that takes our rules away",
        *("/etc/cron.d/flush", "takes the managed rules of the firewall away"),
        "echo '0 0 1 1 * root iptables -F' > /etc/cron.d/flush",
        "rm /etc/cron.d/flush",
        kind="refusal",
    ),
    _door(
        "a unit that saves the rules",
        *("/etc/systemd/system/save.service", "changes the rules"),
        "printf '[Service]\\nExecStart=/usr/sbin/netfilter-persistent save\\n' "
        "> /etc/systemd/system/save.service",
        "rm /etc/systemd/system/save.service",
    ),
    _door(
        "a timer that starts ufw",
        *("/etc/systemd/system/wall.service", "takes the managed rules of the firewall away"),
        "printf '[Service]\\nExecStart=/usr/sbin/ufw --force enable\\n' "
        "> /etc/systemd/system/wall.service; printf '[Timer]\\nOnCalendar=2099-01-01\\n"
        "[Install]\\nWantedBy=timers.target\\n' > /etc/systemd/system/wall.timer; "
        "systemctl daemon-reload; systemctl enable --quiet --now wall.timer",
        "systemctl disable --quiet --now wall.timer; "
        "rm /etc/systemd/system/wall.service /etc/systemd/system/wall.timer; "
        "systemctl daemon-reload",
        kind="refusal",
    ),
    _door(
        "a script that a job of root's runs",
        *("/usr/local/sbin/tidy", "a script that a job runs changes the rules"),
        "printf '#!/bin/sh\\nip6tables -A INPUT -p tcp --dport 4444 -j ACCEPT\\n' "
        "> /usr/local/sbin/tidy; chmod 755 /usr/local/sbin/tidy; "
        "echo '0 0 1 1 * root /usr/local/sbin/tidy' > /etc/cron.d/tidies",
        "rm /etc/cron.d/tidies /usr/local/sbin/tidy",
    ),
    _door(
        "another tool's job",
        *("/etc/cron.d/pull", "runs another configuration tool"),
        "echo '0 0 1 1 * root ansible-pull -U https://example.org/x' > /etc/cron.d/pull",
        "rm /etc/cron.d/pull",
    ),
    _door(
        "another tool's agent",
        *("puppet.service", "another configuration tool"),
        "printf '[Service]\\nExecStart=/bin/sleep 99999\\n[Install]\\n"
        "WantedBy=multi-user.target\\n' > /etc/systemd/system/puppet.service; "
        "systemctl daemon-reload; systemctl enable --quiet --now puppet",
        "systemctl disable --quiet --now puppet; rm /etc/systemd/system/puppet.service; "
        "systemctl daemon-reload",
    ),
    _door(
        "a container that holds docker.sock",
        *("container holder", "holds the engine's socket"),
        f"{_IMAGE}; docker run -d --network none --name holder "
        "-v /var/run/docker.sock:/var/run/docker.sock waits /bin/busybox sleep 9999",
        f"docker rm -f holder; {_NO_IMAGE}",
    ),
    _door(
        "a privileged container",
        *("container chief", "is privileged"),
        f"{_IMAGE}; docker run -d --network none --name chief --privileged waits "
        "/bin/busybox sleep 9999",
        f"docker rm -f chief; {_NO_IMAGE}",
    ),
)

# What is declared as meant, and what only looks like a door
# -----------------------------------------------------------

DECLARED = {
    "SWARM_ACCESS__ROOT_EQUALS": '["gert"]',
    "SWARM_ACCESS__PASSWORDS": '["hanna"]',
    "SWARM_ACCESS__LISTENING": '["4446/tcp"]',
    "SWARM_ACCESS__JOBS": '["/etc/cron.d/meant"]',
    "SWARM_ACCESS__LOGIN_FILES": '["/etc/ssh/sshrc"]',
    "SWARM_DOCKER__TRUSTED": '["meant"]',
}

QUIET = (
    Quiet(
        "somebody who is as good as root on purpose",
        "useradd -M -p '*' gert; usermod -aG sudo gert; "
        "echo 'gert ALL=(root) NOPASSWD: /usr/bin/vi' > /etc/sudoers.d/gert; "
        "chmod 440 /etc/sudoers.d/gert",
        "rm /etc/sudoers.d/gert; userdel gert",
    ),
    Quiet(
        "a password on purpose",
        "useradd -M -s /bin/bash hanna; echo hanna:guess-me | chpasswd",
        "userdel hanna",
    ),
    Quiet(
        "a program that listens on purpose",
        "systemd-run --quiet --unit=meant --socket-property=ListenStream=4446 /bin/true",
        "systemctl stop meant.socket",
    ),
    Quiet(
        "a program that listens to its own host",
        "systemd-run --quiet --unit=own --socket-property=ListenStream=127.0.0.1:4447 /bin/true",
        "systemctl stop own.socket",
    ),
    Quiet(
        "a job on purpose",
        "echo '0 0 1 1 * root iptables -F' > /etc/cron.d/meant",
        "rm /etc/cron.d/meant",
    ),
    Quiet(
        "a job that only looks at the rules",
        "echo '0 0 1 1 * root iptables -t nat -nvL > /root/rules' > /etc/cron.d/looks",
        "rm /etc/cron.d/looks",
    ),
    Quiet("a login file on purpose", "echo : > /etc/ssh/sshrc", "rm /etc/ssh/sshrc"),
    Quiet(
        "a privileged container on purpose",
        f"{_IMAGE}; docker run -d --network none --name meant --privileged waits "
        "/bin/busybox sleep 9999",
        f"docker rm -f meant; {_NO_IMAGE}",
    ),
    Quiet(
        "a network whose encryption is called false, and is on",
        "docker network create --driver overlay --opt encrypted=false called-false",
        "docker network rm called-false",
    ),
)
"""Brought about on a manager, after all that drifts."""
