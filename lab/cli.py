"""The `lab` command."""

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence

from lab import api, description, images, lock
from lab.errors import LabError
from lab.userland import USERLANDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pyinfra-swarm lab",
        description="Four real Linux hosts on this machine, and a world around them.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start fresh hosts and wait until they answer SSH")
    up.add_argument("--managers", type=int, default=3, metavar="N")
    up.add_argument("--workers", type=int, default=1, metavar="N")
    up.add_argument("--memory", type=int, default=1536, metavar="MB", help="per host")
    up.add_argument(
        "--iptables",
        choices=("nft", "legacy", "mixed"),
        default="",
        help="the hosts' back end (nft and mixed take the kernel that `kernel` builds)",
    )
    up.add_argument(
        "--userland",
        default="",
        metavar="NAME[,NAME…]",
        help=f"the systems that the hosts have, or stand for, in turn: {', '.join(USERLANDS)}",
    )
    up.add_argument(
        "--docker-packages",
        default="",
        metavar="FOLDER",
        help="Docker's own .deb files, offered to the hosts besides the distribution's",
    )
    up.add_argument(
        "--arm64",
        type=int,
        default=0,
        metavar="N",
        help="so many hosts more, emulated boards with arm64: slower by far, and built first",
    )
    commands.add_parser("kernel", help="build a kernel that has nftables and WireGuard, once")
    commands.add_parser("down", help="end the lab and leave nothing behind")
    commands.add_parser("status", help="what is up, and how to reach it")
    commands.add_parser("settings", help="print its settings, as a cluster.toml to try others")
    ssh = commands.add_parser("ssh", help="log in, or run a command")
    ssh.add_argument("host", metavar="HOST")
    remote = ssh.add_argument("remote", nargs=argparse.REMAINDER, metavar="COMMAND")
    remote.required = False  # argparse would call for it where the host is missing
    reboot = commands.add_parser("reboot", help="reboot a host from inside")
    reboot.add_argument("host", metavar="HOST")
    cut = commands.add_parser("power-cut", help="pull a host's plug, and put it back")
    cut.add_argument("host", metavar="HOST")
    length = cut.add_mutually_exclusive_group()
    length.add_argument(
        "--for", type=_seconds, default=0.0, dest="seconds", metavar="SECONDS", help="how long"
    )
    length.add_argument("--stay-off", action="store_true", help="until `power-on`")
    on = commands.add_parser("power-on", help="give a host power")
    on.add_argument("host", metavar="HOST")
    reset = commands.add_parser("reset", help="flash hosts anew (all, if none is named)")
    reset.add_argument("hosts", nargs="*", metavar="HOST")
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of seconds from 0 to 86400')
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `lab` command and return its exit code."""
    options = _parser().parse_args(arguments)
    begin = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        if options.command == "settings":  # the package prints them: it knows what settings are
            raise LabError("instead: pyinfra-swarm lab settings, and nothing behind it")
        if options.command != "up" and os.geteuid() != 0:
            raise LabError("the lab belongs to root: run this as root, or with sudo")
        if options.command == "up":
            size = options.managers, options.workers, options.memory
            api.up(
                *size,
                _Progress(),
                iptables=options.iptables,
                docker=options.docker_packages,
                userland=options.userland,
                arm64=options.arm64,
            )
            _show()
        elif options.command == "kernel":
            print(f"its modules: {api.build_kernel(_Progress()).modules}")
        elif options.command == "down":
            print("the lab is gone" if api.down() else "there was no lab")
        elif options.command == "status":
            code = _show()
            sys.stdout.flush()  # here, where a reader who has gone is met
            return code
        elif options.command == "ssh":
            return _ssh(options.host, options.remote)
        elif options.command == "reboot":
            api.reboot(options.host)
        elif options.command == "power-cut":
            api.power_cut(options.host, None if options.stay_off else options.seconds)
        elif options.command == "power-on":
            api.power_on(options.host)
        elif options.command == "reset":
            api.reset(options.hosts)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return _end_quietly()
    except KeyboardInterrupt:
        print("\nlab: interrupted", file=sys.stderr)
        return 130
    if options.command in ("reboot", "power-cut", "power-on", "reset"):
        print(f"done in {time.monotonic() - begin:.0f} s")
    return 0


def _end_quietly() -> int:
    """Whoever read our output has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


class _Progress:
    """Prints each step with the seconds since the start."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def __call__(self, step: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            print(f"[{time.monotonic() - self._begin:4.0f} s] {step}", flush=True)


def _show() -> int:
    lab = description.read()
    if lab is None:
        holder = lock.holder() if lock.is_held() else None
        if holder is not None:
            print(f"a lab is being started by process {holder[0]}, since {holder[1]}")
        else:
            print("no lab is up; `pyinfra-swarm lab up` starts one")
        return 1
    print(f"up since {lab.started} (supervisor: process {lab.supervisor})")
    states = api.status()
    for host in lab.hosts:
        state = states[host.name]
        words = "off" if not state["on"] else "on" if state["answers"] else "on, no SSH"
        if state["problem"]:
            words += f": {state['problem']}"
        print(
            f"  {host.name:8} {host.role:8} {host.architecture:6} {host.address:15}"
            f" {host.address6:14}"
            f" ssh {host.user}@{host.ssh_host} -p {host.ssh_port}  {words}"
        )
    print(f"  Docker {', '.join(lab.docker_versions)}, key {lab.docker_key_fingerprint}")
    print(f"  images: {lab.registry}/{images.WEB}:1, and others; with a password:")
    closed = lab.private_registry
    print(f"  {closed.host}/{images.WEB}:1, for {closed.user}, {closed.password}")
    for name, client in lab.clients.items():
        print(f"  from outside: ip netns exec {client.namespace} …  ({client.address}, {name})")
    print(f"  the wire: ip netns exec {lab.namespace} tcpdump -ni {lab.bridge}")
    print(f"  log in: pyinfra-swarm lab ssh {lab.hosts[0].name}")
    return 0


def _ssh(host: str, remote: Sequence[str]) -> int:
    options = ["-t"] if not remote and sys.stdin.isatty() else []
    command = [*api.ssh_command(host, *options), *remote]
    sys.stdout.flush()
    os.execvp(command[0], command)
