"""Hosts and clients with the distribution's `wg` and `wg-quick`, in namespaces.

The kernel's own WireGuard is used where there is one, else `wireguard-go`, as wg-quick does by
itself. Only systemd is a stand-in: its units are brought up and down at once.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.vpn import operations
from pyinfra_swarm.vpn.facts import State
from pyinfra_swarm.vpn.state import Vpns
from pyinfra_swarm.vpn.wireguard import Wanted, key_path
from tests.netns.conftest import Namespace

SYSTEMCTL = """\
#!/bin/sh
now=
for word do
  shift
  case $word in --now) now=yes ;; -*) ;; *) set -- "$@" "$word" ;; esac
done
action=$1 name=${2#wg-quick@}
name=${name%.service}
wants=/etc/systemd/system/multi-user.target.wants
case $action in
enable) mkdir -p $wants; ln -sfn /lib/systemd/system/wg-quick@.service "$wants/$2" ;;
disable)
  rm -f "$wants/$2"
  [ -z "$now" ] || "$0" stop "$2" ;;
is-active) [ -e "/run/active-$name" ] ;;
start) wg-quick up "$name" >/run/said 2>&1 && touch "/run/active-$name" ;;
stop)
  [ ! -e "/run/active-$name" ] || { rm "/run/active-$name"; wg-quick down "$name" >/run/said 2>&1; }
  ;;
esac
"""

LISTEN = """\
import socket, sys
with socket.create_server(("0.0.0.0", int(sys.argv[1])), backlog=9) as server:
    print("listens", flush=True)
    while True:
        server.accept()[0].close()
"""
CONNECT = """\
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 3, (sys.argv[3], 0)).close()
except ConnectionRefusedError:
    sys.exit(9)
"""


def why_not() -> str | None:
    """Why there can be no WireGuard on this machine; ``None`` where there can."""
    for command in ("wg", "wg-quick", "wireguard-go"):
        if shutil.which(command) is None:
            return f"there is no {command} here: apt-get install wireguard-tools wireguard-go"
    return None if Path("/dev/net/tun").exists() else "there is no /dev/net/tun here"


def prepare(place: Namespace, folder: Path) -> None:
    """Folders of its own where WireGuard's and systemd's files are; systemctl for them."""
    folder.mkdir()
    (folder / "systemctl").write_text(SYSTEMCTL)
    (folder / "systemctl").chmod(0o755)
    place.run(
        "set -e; mkdir -p -m 700 /etc/wireguard\n"
        "for at in /etc/wireguard /etc/systemd/system; do mount -t tmpfs none $at; done"
    )


def joined(one: Namespace, other: Namespace, subnet: str, name: str) -> None:
    """A wire between two; the first has ``.1`` on an interface of this name."""
    one.run(
        "set -e\n"
        f"ip link add {name} type veth peer name eth0 netns /proc/{other.pid}/ns/net\n"
        f"ip addr add {subnet}.1/24 dev {name}; ip link set {name} up\n"
        f"nsenter -t {other.pid} -n sh -c 'ip addr add {subnet}.2/24 dev eth0; "
        f"ip link set eth0 up; ip route add default via {subnet}.1'"
    )


def root(place: Namespace, folder: Path, script: str, *, check: bool = True) -> str:
    """A script as the run sends it."""
    path = f"{folder}:{os.environ['PATH']}:/usr/sbin:/sbin"
    return place.run("sh", "-c", f"set -eu\n{script}", check=check, PATH=path).stdout


def make_key(place: Namespace, folder: Path, interface: str = "wg0") -> None:
    text = program(operations.__file__, "make_key.sh", interface=interface, key=key_path(interface))
    root(place, folder, text)


def bring_up(place: Namespace, folder: Path, wanted: Wanted, *, restart: bool = True) -> None:
    """What an operation would have the host do."""
    root(place, folder, operations._bring_up(wanted, restart=restart))


def observed(place: Namespace, folder: Path, login: str = "192.0.2.7 50000 192.0.2.1 22") -> Vpns:
    """What the fact makes of the place; sshd tells the shell where the login comes from."""
    inner = folder / "fact.sh"
    inner.write_text(State().command())
    said = place.run("sh", "-c", f"sh {inner}; :", SSH_CONNECTION=login).stdout
    found: Vpns = State().process(said.splitlines())
    return found


def listens(place: Namespace, port: int) -> object:
    """A server of TCP, which goes on."""
    process = place.start(sys.executable, "-c", LISTEN, str(port))
    assert process.stdout is not None
    assert process.stdout.readline() == "listens\n"
    return process


def reaches(place: Namespace, address: str, port: int, source: str = "0.0.0.0") -> bool:
    words = (sys.executable, "-c", CONNECT, address, str(port), source)
    return place.run(*words, check=False).returncode == 0


def answers(place: Namespace, address: str) -> bool:
    """Whether it is there: nobody listens at that port, and it says so."""
    words = (sys.executable, "-c", CONNECT, address, "9", "0.0.0.0")
    return place.run(*words, check=False).returncode == 9
