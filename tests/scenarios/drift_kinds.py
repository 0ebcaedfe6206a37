"""The kinds of drift that a check has to find: how each comes about, and how it is reported.

To add one, add a :class:`Kind` to a group. Each is brought about by itself, on a random host;
checked; mended by the deploys that the report names; and checked again.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.access.plan import SUDOERS
from pyinfra_swarm.docker.daemon import FORWARDING
from pyinfra_swarm.docker.paths import KEYRING, SOURCES, UNIT_DROP_IN
from pyinfra_swarm.ssh.sshd import DROP_IN, DROP_INS
from pyinfra_swarm.updates.plan import CONFIGURATION


@dataclass(frozen=True)
class Kind:
    """A kind of drift.

    name: what happens; part, what: how the finding is called; reason: words of its reason.
    breaks: shell, run as root on the host that drifts. There, ``$STRANGER`` and ``$SPARE`` are
        public keys (the second a declared one), ``$LOGIN`` the declared admin, ``$NODE`` the host.
    first: shell, run before on the host that drifts, where ``breaks`` runs on a manager.
    kind: ``change`` (mended by a deploy), ``notice`` or ``refusal`` (mended by ``undo``).
    on: what the host has to be: ``any``, ``manager`` or ``worker``.
    by_manager: ``breaks`` and ``undo`` run on a manager that does not drift, about ``$NODE``;
        with undo_there, ``undo`` runs on the host.
    of_cluster: it is reported on the manager that speaks for the swarm.
    also: findings (``part/what``, as shell patterns) that may come with it.
    """

    name: str
    part: str
    what: str
    reason: str
    breaks: str
    first: str = ""
    kind: str = "change"
    undo: str = ""
    on: str = "any"
    by_manager: bool = False
    undo_there: bool = False
    of_cluster: bool = False
    also: tuple[str, ...] = ()


def _sshd(name: str, what: str, reason: str, breaks: str, **more: object) -> Kind:
    # A file of sshd's that was touched is one it has not read.
    given = {"also": ("ssh/sshd",), **more}
    return Kind(name, "ssh", what, reason, breaks, **given)  # type: ignore[arg-type]


HOSTS = (
    # access
    Kind(
        "an extra authorised key",
        *("access", "keys of debian", "an undeclared key opens"),
        'echo "$STRANGER" >> /home/$LOGIN/.ssh/authorized_keys',
    ),
    Kind(
        "a declared key gone",
        *("access", "keys of debian", "a declared key is missing"),
        'grep -vF "${SPARE#* }" /home/$LOGIN/.ssh/authorized_keys > /tmp/kept; '
        "cat /tmp/kept > /home/$LOGIN/.ssh/authorized_keys",
    ),
    Kind(
        "a sudo rule of ours edited",
        *("access", f"sudo {SUDOERS}", "exactly the declared admins"),
        f"echo '# mine' >> {SUDOERS}",
    ),
    Kind(
        "an admin out of the group sudo",
        *("access", "user debian", "is not in the group sudo"),
        "gpasswd -d $LOGIN sudo",
    ),
    Kind(
        "somebody else with a key",
        *("access", "keys of visitor", "this undeclared user can log in"),
        "useradd -m -p '*' visitor; mkdir -p ~visitor/.ssh; "
        'echo "$STRANGER" > ~visitor/.ssh/authorized_keys',
        kind="notice",
        undo="userdel -r visitor 2>/dev/null",
    ),
    # ssh
    _sshd(
        "our drop-in gone",
        *("sshd PasswordAuthentication", "guess"),
        f"rm {DROP_IN}",
        also=("ssh/sshd*",),
    ),
    _sshd(
        "root let in by an edit of our drop-in",
        *("sshd PermitRootLogin", "root"),
        f"sed -i 's/^PermitRootLogin.*/PermitRootLogin yes/' {DROP_IN}",
    ),
    _sshd(
        "passwords for one user",
        *("sshd PasswordAuthentication", "a Match block sets it"),
        "printf 'Match User visitor\\n  PasswordAuthentication yes\\n' "
        f"> {DROP_INS}/90-visitor.conf",
        kind="notice",
        undo=f"rm {DROP_INS}/90-visitor.conf",
    ),
    _sshd(
        "files that the running sshd has not read",
        *("sshd", "has not read its files"),
        f"touch {DROP_IN}",
    ),
    # updates
    Kind(
        "a stopped timer",
        *("updates", "apt-daily-upgrade.timer", "daily work is not started"),
        "systemctl stop apt-daily-upgrade.timer",
    ),
    Kind(
        "our configuration of updates gone",
        *(
            "updates",
            "Unattended-Upgrade::Package-Blacklist",
            "Docker would be updated automatically",
        ),
        f"rm {CONFIGURATION}",
        also=("updates/*",),
    ),
    Kind(
        "our configuration of updates overruled",
        *("updates", "APT::Periodic::Unattended-Upgrade", "another file overrules"),
        "echo 'APT::Periodic::Unattended-Upgrade \"0\";' > /etc/apt/apt.conf.d/99-mine",
        kind="notice",
        undo="rm /etc/apt/apt.conf.d/99-mine",
    ),
    Kind(
        "nothing that keeps the clock right",
        *("updates", "time synchronisation", "nothing synchronises the clock"),
        "systemctl disable --now systemd-timesyncd",
    ),
    Kind(
        "a reboot waited for",
        *("updates", "reboot", "the host waits for one"),
        "touch /run/reboot-required",
        kind="notice",
        undo="rm /run/reboot-required",
    ),
    # docker
    Kind(
        "a held package released",
        *("docker", "Docker's packages", "not held"),
        "apt-mark unhold docker-ce",
    ),
    Kind(
        "a changed daemon.json",
        *("docker", "daemon.json", "differs from what is declared"),
        "echo '{\"debug\": true}' > /etc/docker/daemon.json",
    ),
    Kind(
        "Docker not started at boot",
        *("docker", "docker.service", "does not start at boot"),
        "systemctl disable docker.service",
    ),
    Kind(
        "our drop-in for Docker's unit gone",
        *("docker", "docker.service", "does not record"),
        f"rm {UNIT_DROP_IN}; systemctl daemon-reload",
    ),
    Kind(
        "a sysctl changed",
        *("docker", FORWARDING, "switched off"),
        f"sysctl -w {FORWARDING}=0",
    ),
    Kind(
        "Docker's repository edited",
        *("docker", "Docker's apt repository", "differs from what is declared"),
        f"sed -i 's/stable/test/' {SOURCES}",
    ),
    Kind(
        "another key for Docker's repository",
        *("docker", "Docker's apt key", "is not the pinned one"),
        f"echo 'no key' > {KEYRING}",
    ),
    Kind(
        "an older entry for Docker's repository",
        *("docker", "apt sources", "conflicts with the managed one"),
        "echo 'deb https://download.docker.com/linux/debian trixie stable' "
        "> /etc/apt/sources.list.d/old.list",
    ),
    Kind(
        "an admin out of the group docker",
        *("docker", "group docker", "lacks declared admins"),
        "gpasswd -d $LOGIN docker",
    ),
    Kind(
        "a user added to the group docker",
        *("docker", "group docker", "as good as root"),
        "useradd -M guest; usermod -aG docker guest",
        kind="notice",
        undo="userdel guest",
    ),
    # swarm
    Kind(
        "a node drained",
        *("swarm", "availability", "was set by hand"),
        "docker node update --availability drain $NODE",
        kind="notice",
        undo="docker node update --availability active $NODE",
        by_manager=True,
    ),
    Kind(
        "a label added",
        *("swarm", "label colour", "is set by hand"),
        "docker node update --label-add colour=red $NODE",
        kind="notice",
        undo="docker node update --label-rm colour $NODE",
        by_manager=True,
    ),
    Kind(
        "a node relabelled",
        *("swarm", "label zone", "is declared"),
        "docker node update --label-add zone=elsewhere $NODE",
        by_manager=True,
    ),
    Kind(
        "an overlay network without encryption",
        *("swarm", "overlay clear", "is not encrypted; nothing uses it"),
        "docker network create --driver overlay clear",
        kind="notice",
        undo="docker network rm clear",
        by_manager=True,
        of_cluster=True,
    ),
    Kind(
        "a declared overlay network removed",
        *("swarm", "overlay apps", "is declared and does not exist"),
        "docker network rm apps",
        by_manager=True,
        of_cluster=True,
    ),
)

FIREWALL = (
    Kind(
        "a rule inserted above ours",
        *("firewall", "INPUT (IPv4)", "a rule above the managed one lets packets pass"),
        "iptables -I INPUT -s 203.0.113.77 -j ACCEPT",
        undo="iptables -D INPUT -s 203.0.113.77 -j ACCEPT",
    ),
    Kind(
        "a rule deleted",
        *("firewall", "SWARM-FORWARD (IPv4)", "lacks"),
        "iptables -D SWARM-FORWARD 1",
    ),
    Kind(
        "a chain flushed",
        *("firewall", "SWARM-INPUT (IPv4)", "its rules are gone"),
        "iptables -F SWARM-INPUT",
    ),
    Kind(
        "a rule of somebody else's among ours",
        *("firewall", "SWARM-WEB (IPv4)", "not declared"),
        "iptables -I SWARM-WEB -j RETURN",
    ),
    Kind(
        "the jump gone from DOCKER-USER",
        *("firewall", "DOCKER-USER (IPv4)", "does not lead to"),
        "iptables -D DOCKER-USER -j SWARM-FORWARD",
    ),
    Kind(
        "the jump gone from OUTPUT",
        *("firewall", "OUTPUT (IPv4)", "does not lead to"),
        "iptables -D OUTPUT -j SWARM-OUTPUT",
    ),
    Kind(
        "an IPv6 rule gone",
        *("firewall", "SWARM-INPUT (IPv6)", "lacks"),
        "ip6tables -D SWARM-INPUT -j DROP",
    ),
    Kind(
        "the firewall not loaded at boot",
        *("firewall", "pyinfra-swarm-firewall.service", "is not started at boot"),
        "systemctl disable --quiet pyinfra-swarm-firewall",
    ),
    Kind(
        "ranges that nobody refreshes",
        *("firewall", "pyinfra-swarm-web-ranges.timer", "is not active"),
        "systemctl stop pyinfra-swarm-web-ranges.timer",
    ),
    Kind(
        "new bridges of Docker's that nobody sees",
        *("firewall", "pyinfra-swarm-interfaces.service", "is not active"),
        "systemctl stop pyinfra-swarm-interfaces.service",
    ),
    Kind(
        "a network that is let in as if it were Docker's",
        *("firewall", "SWARM-BRIDGES (IPv4)", "has a rule that"),
        "iptables -A SWARM-BRIDGES -i br-lan -j ACCEPT",
    ),
    Kind(
        "a stale range list",
        *("firewall", "web ranges", "9 days ago"),
        "touch -d '9 days ago' /var/lib/pyinfra-swarm/web-ranges/ipv4",
    ),
    Kind(
        "a range list lost",
        *("firewall", "web ranges", "no list for IPv6"),
        "rm /var/lib/pyinfra-swarm/web-ranges/ipv6",
        also=("firewall/SWARM-WEB (IPv6)",),
    ),
    Kind(
        "Docker that would start without the firewall",
        *("firewall", "docker.service", "would start without the firewall"),
        "rm /etc/systemd/system/docker.service.d/pyinfra-swarm-firewall.conf; "
        "systemctl daemon-reload",
        also=("firewall//etc/systemd/system/docker.service.d/*",),
    ),
)

REFUSALS = (
    _sshd(
        "a drop-in that turns passwords back on",
        *("sshd PasswordAuthentication", "another setting overrides the managed one"),
        f"echo 'PasswordAuthentication yes' > {DROP_INS}/00-aaa.conf",
        kind="refusal",
        undo=f"rm {DROP_INS}/00-aaa.conf",
    ),
    Kind(
        "a module blacklisted",
        *("preflight", "kernel module esp4", "loading it is blocked"),
        "echo 'install esp4 /bin/true' > /etc/modprobe.d/block.conf",
        kind="refusal",
        undo="rm /etc/modprobe.d/block.conf",
    ),
    Kind(
        "a full disk",
        *("preflight", "disk space on /var", "too little"),
        "fallocate -l $(($(df --output=avail -B1 / | tail -n1) - 150000000)) /full",
        kind="refusal",
        undo="rm /full",
        also=("preflight/disk space on *",),
    ),
    Kind(
        "another hostname",
        *("preflight", "hostname", "under another name"),
        "hostname other",
        kind="notice",
        undo="hostname $NODE",
    ),
)

ROLES = (
    Kind(
        "a worker promoted",
        *("swarm", "role", "is declared a worker"),
        "docker node promote $NODE; i=0; until docker node inspect $NODE | grep -q reachable; "
        "do i=$((i + 1)); [ $i -lt 60 ] || exit 1; sleep 1; done",
        # Our firewall keeps the managers' port shut on a worker, and a promotion without it is
        # never finished.
        first="iptables -I SWARM-INPUT -p tcp --dport 2377 -j ACCEPT",
        on="worker",
        by_manager=True,
        also=("firewall/*", "swarm/2377/tcp"),
    ),
    Kind(
        "a manager demoted",
        *("swarm", "role", "is declared a manager"),
        "docker node demote $NODE",
        on="manager",
        by_manager=True,
    ),
    Kind(
        "the ingress network recreated without encryption",
        *("swarm", "ingress", "is not encrypted"),
        "yes | docker network rm ingress; "
        "while docker network inspect ingress >/dev/null 2>&1; do sleep 0.2; done; "
        "until docker network create --driver overlay --ingress --subnet 10.201.0.0/24 ingress; "
        "do sleep 0.5; done",
        by_manager=True,
        of_cluster=True,
    ),
)

ABSENT = (
    Kind(
        "a node that left",
        *("swarm", "the swarm", "this host is not in it yet"),
        "docker swarm leave",
        on="worker",
        also=("swarm/node *", "swarm/label zone"),
    ),
    Kind(
        "Docker stopped on a manager",
        *("docker", "docker.service", "is not running"),
        "systemctl stop docker.socket docker.service",
        on="manager",
    ),
)

REMOVAL = (
    Kind(
        "a node removed behind its back",
        *("swarm", "the swarm", "was removed from it and does not know"),
        "docker node rm --force $NODE",
        kind="refusal",
        undo="docker swarm leave --force",
        on="worker",
        by_manager=True,
        undo_there=True,
    ),
)

GROUPS: dict[str, tuple[Kind, ...]] = {
    "hosts": HOSTS,
    "firewall": FIREWALL,
    "refusals": REFUSALS,
    "roles": ROLES,
    "absent": ABSENT,
    "removal": REMOVAL,
}
