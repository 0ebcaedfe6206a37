"""The process behind a running lab: it holds the lock, the network and the power switches.

Started by ``lab up`` as ``python -m lab.supervisor LOCK-DESCRIPTOR PROGRESS-DESCRIPTOR`` with a
`Plan` on standard input. It reports its progress as lines of JSON until the lab is up, then
takes orders on a socket. Whatever it set up is gone when it ends; what it could not remove,
because it was killed, `lab.ledger` finds.
"""

import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lab import (
    addresses,
    authority,
    board,
    description,
    forward,
    lock,
    login,
    machine,
    network,
    places,
    registry,
    repository,
    web_image,
    world,
)
from lab.commands import record, run
from lab.errors import LabError
from lab.ledger import Ledger
from lab.log import note
from lab.orders import Control
from lab.power import Host
from lab.service import Service, module

BOOT_TIMEOUT = 180
"""Seconds after which a host that does not answer SSH counts as lost; see `Machine.slowness`."""


@dataclass(frozen=True)
class Size:
    """How many hosts, and how large.

    memory: megabytes per host
    """

    managers: int
    workers: int
    memory: int


@dataclass(frozen=True)
class System:
    """What a host is flashed with, and what is offered to it.

    userland: its name in `lab.userland`
    netplan: whether its network is netplan's
    base_image: the disk image
    docker_site: the folder to serve as Docker's
    archive: the folder to serve as the distribution's
    architecture: dpkg's name of it
    kernel: what a board boots; empty where the hosts run the plan's
    """

    userland: str
    distribution: str
    netplan: bool
    base_image: str
    docker_site: str
    archive: str
    architecture: str = "amd64"
    kernel: str = ""


@dataclass(frozen=True)
class Plan:
    """What a lab shall consist of.

    systems: the hosts' systems, in their order
    iptables: the hosts' back ends, in their order: `nft`, `legacy`
    kernel: the hosts' kernel, a program
    busybox: what the images are made of
    registry: the registries' program
    busybox_arm64: what they are made of for arm64; empty where no host has it
    """

    size: Size
    systems: tuple[System, ...]
    iptables: tuple[str, ...]
    kernel: str
    docker_versions: tuple[str, ...]
    busybox: str
    registry: str
    busybox_arm64: str = ""

    @classmethod
    def parse(cls, text: str) -> "Plan":
        """Read what `json.dumps(asdict(plan))` wrote."""
        found = json.loads(text)
        lists = {name: tuple(found[name]) for name in ("docker_versions", "iptables")}
        systems = tuple(System(**each) for each in found["systems"])
        return cls(**{**found, **lists, "systems": systems, "size": Size(**found["size"])})


class Lab:
    """The whole of it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.nodes = addresses.nodes(plan.size.managers, plan.size.workers)
        self.hosts: dict[str, Host] = {}
        self.stop = threading.Event()
        self._ledger = Ledger()
        self._helpers: list[Service] = []
        self._private = registry.private(secrets.token_urlsafe(12))
        self._registries = (registry.public(), self._private)
        self._listeners: dict[str, socket.socket] = {}
        self._control: Control | None = None

    def start(self, say: Callable[[str], None]) -> None:
        """Bring everything up.

        say: is told each step
        Raises LabError when a host does not come up; nothing is taken down yet.
        """
        state = places.state()
        self._ledger.note("supervisor", record(os.getpid()), "lab.supervisor")
        network.create(self.nodes)
        say("network ready")
        self._start_registries()
        self._start_world(state)
        self._make_keys(state)
        self._start_forward()
        for node in self.nodes:
            one = self._machine(node)
            self.hosts[node.name] = Host(one, self._ledger)
            self.hosts[node.name].on()
        say(f"{len(self.hosts)} hosts switched on")
        self._control = Control(self.obey)
        self._fill_registries()
        self.wait_for_ssh(list(self.hosts), say)
        description.write(self.describe())

    def finish(self) -> None:
        """Take everything down, whatever state it is in."""
        description.path().unlink(missing_ok=True)
        if self._control is not None:
            self._control.close()
        with ThreadPoolExecutor(MOST) as pool:
            list(pool.map(Host.off, self.hosts.values()))
        for helper in self._helpers:
            helper.end()
        for listener in self._listeners.values():
            listener.close()
        network.destroy()
        for folder in (places.state(), places.disks()):
            shutil.rmtree(folder, ignore_errors=True)

    def _start_registries(self) -> None:
        for one in self._registries:
            command = one.prepare(self.plan.registry)
            self._helpers.append(Service(one.host, registry.PROGRAM, command, self._ledger))

    def _fill_registries(self) -> None:
        others = {"arm64": Path(self.plan.busybox_arm64)} if self.plan.busybox_arm64 else {}
        registry.fill(self._registries, Path(self.plan.busybox), others)

    def _start_world(self, state: Path) -> None:
        plan = self.plan
        world.write_cloudflare(state / "cloudflare")
        downloads = state / "downloads"
        (downloads / "debian").parent.mkdir(parents=True, exist_ok=True)
        web_image.write(Path(plan.busybox), downloads / "web.tar")
        archive, docker = state / "archive", state / "docker"
        keys = authority.authority()
        for system in dict.fromkeys(plan.systems):
            lay_into(archive / system.distribution, Path(system.archive))
            lay_into(docker, Path(system.docker_site))
        for distribution in {system.distribution for system in plan.systems}:
            repository.join(archive / distribution, keys.distribution)
            repository.join(docker / "linux" / distribution, keys.docker)
        certificate = keys.server_certificate(list(addresses.WEB_HOSTS), state)
        folders = {
            addresses.DOCKER_HOST: docker,
            addresses.CLOUDFLARE_HOST: state / "cloudflare/www",
            addresses.CLOUDFLARE_API_HOST: state / "cloudflare/api",
            addresses.DISTRIBUTION_HOST: archive,
            addresses.DOWNLOAD_HOST: downloads,
        }
        sites = [f"{name}={folder}" for name, folder in folders.items()]
        sites += [f"{one.host}={one.socket}" for one in self._registries]
        command = module("lab.world", str(certificate), str(places.faults()), *sites)
        self._helpers.append(Service("world", "lab.world", command, self._ledger))

    def _make_keys(self, state: Path) -> None:
        """The user's key, the hosts' keys, and the seeds with them."""
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", login.ssh_key()])
        authorized = login.ssh_key().with_suffix(".pub").read_text()
        known = []
        for number, node in enumerate(self.nodes):
            listener = forward.listen(addresses.FIRST_SSH_PORT + number)
            self._listeners[node.name] = listener
            keys = machine.HostKeys.generate(state / "host-keys" / node.name)
            port = listener.getsockname()[1]
            known.append(keys.known_hosts(f"[127.0.0.1]:{port}", node.address, node.address6))
            system = self.plan.systems[number]
            its_interface = {"interface": board.INTERFACE} if system.kernel else {}
            kind = machine.Kind(self.plan.iptables[number], system.netplan, **its_interface)
            machine.write_seed(node, keys, authorized, kind, self._machine(node).seed)
        login.known_hosts().write_text("".join(known))

    def _machine(self, node: addresses.Node) -> machine.Machine:
        plan = self.plan
        system = plan.systems[self.nodes.index(node)]
        image = Path(system.base_image)
        if system.kernel:
            return board.Board(node, Path(system.kernel), image, plan.size.memory)
        return machine.UserMode(node, Path(plan.kernel), image, plan.size.memory)

    def _start_forward(self) -> None:
        descriptors = {self._listeners[node.name].fileno(): node.address for node in self.nodes}
        pairs = [f"{fd}={address}" for fd, address in descriptors.items()]
        command = module("lab.forward", *pairs)
        kept = tuple(descriptors)
        self._helpers.append(Service("forward", "lab.forward", command, self._ledger, kept))

    def describe(self) -> description.Description:
        """The lab as others see it."""
        return description.Description(
            hosts=tuple(
                description.Host(
                    name=node.name,
                    address=node.address,
                    address6=node.address6,
                    role=node.role,
                    ssh_host="127.0.0.1",
                    ssh_port=self._listeners[node.name].getsockname()[1],
                    user=addresses.USER,
                    iptables=back_end,
                    userland=system.userland,
                    architecture=system.architecture,
                )
                for node, back_end, system in zip(
                    self.nodes, self.plan.iptables, self.plan.systems, strict=True
                )
            ),
            ssh_key=str(login.ssh_key()),
            known_hosts=str(login.known_hosts()),
            docker_key_fingerprint=authority.authority().docker.fingerprint,
            docker_versions=self.plan.docker_versions,
            namespace=addresses.NAMESPACE,
            bridge=addresses.BRIDGE,
            clients={
                client.name: description.Client(client.namespace, client.address, client.address6)
                for client in addresses.CLIENTS
            },
            web_image=str(places.state() / "downloads/web.tar"),
            web_image_url=f"https://{addresses.DOWNLOAD_HOST}/web.tar",
            web_image_command=web_image.COMMAND,
            registry=self._registries[0].host,
            private_registry=description.PrivateRegistry(
                self._private.host, registry.USER, self._private.password
            ),
            console_folder=str(places.state()),
            started=datetime.now().astimezone().isoformat(timespec="seconds"),
            supervisor=os.getpid(),
        )

    def wait_for_ssh(self, names: Sequence[str], say: Callable[[str], None]) -> None:
        """Return when each of these hosts runs a command for its user.

        Raises LabError: naming those that do not, with the end of their consoles.
        """
        begin = time.monotonic()
        lost: list[str] = []

        def watch(name: str) -> None:
            limit = BOOT_TIMEOUT * self.hosts[name].machine.slowness
            while time.monotonic() - begin < limit and not self.stop.is_set():
                if self.hosts[name].problem:
                    break
                if self._answers(name):
                    say(f"{name} answers SSH after {time.monotonic() - begin:.0f} s")
                    return
                time.sleep(0.5)
            lost.append(name)

        with ThreadPoolExecutor(MOST) as pool:
            list(pool.map(watch, names))
        if self.stop.is_set():
            raise LabError("interrupted")
        if lost:
            raise LabError("\n".join(self._obituary(name) for name in sorted(lost)))

    def _obituary(self, name: str) -> str:
        host = self.hosts[name]
        state = host.problem or ("it runs" if host.machine.is_on else "it is off")
        lines = machine.last_lines(name, 25).replace("\n", "\n    | ")
        return (
            f"{name} does not answer SSH ({state}). The end of its console:\n    | {lines}\n"
            "  Try `pyinfra-swarm lab up` again; if it is short of memory (`free -m`), with a"
            " smaller --memory or fewer hosts."
        )

    def _answers(self, name: str) -> bool:
        return login.answers(self._listeners[name].getsockname()[1])

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out one order.

        Raises LabError when it cannot be carried out.
        """
        what = order.get("order")
        if what == "move-tag":
            self._registries[0].move_tag(order["repository"], order["tag"], order["to"])
            return {}
        names = order.get("hosts") or list(self.hosts)
        unknown = [name for name in names if name not in self.hosts]
        if unknown:
            raise LabError(
                f"the lab has no host {', '.join(unknown)}\n"
                f"    instead: one of {', '.join(self.hosts)}"
            )
        if what == "status":
            return {
                name: {
                    "on": host.machine.is_on,
                    "problem": host.problem,
                    "answers": host.machine.is_on and self._answers(name),
                    "pid": host.machine.recorded.pid if host.machine.recorded else None,
                }
                for name, host in self.hosts.items()
            }
        if what == "down":
            self.stop.set()
            return {}
        hosts = [self.hosts[name] for name in names]
        with ThreadPoolExecutor(MOST) as pool:
            if what == "power-cut":
                list(pool.map(Host.off, hosts))
            elif what == "power-on":
                list(pool.map(Host.on, hosts))
            elif what == "reset":
                if not order.get("hosts"):
                    places.faults().unlink(missing_ok=True)
                    self._fill_registries()
                list(pool.map(Host.flash, hosts))
                list(pool.map(Host.on, hosts))
            else:
                raise LabError(f"no such order: {what}")
        if order.get("wait", True) and what in ("power-on", "reset"):
            self.wait_for_ssh(names, note)
        return {}


MOST = addresses.MOST_HOSTS


def lay_into(target: Path, folder: Path) -> None:
    """Have every file of a folder at the same place in another; what is there already stays.

    Archives of two releases share a pool, and where they share a package it is the same.
    """
    for path in sorted(folder.rglob("*")):
        link = target / path.relative_to(folder)
        if path.is_file() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)


def start(plan: Plan, lock_descriptor: int, say: Callable[[str], None]) -> None:
    """Start a supervisor and return when its lab is up.

    Raises LabError when it failed; nothing is left of it then.
    """
    state = places.state()
    state.mkdir(parents=True, mode=0o700)
    near, far = os.pipe()
    with (state / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab.supervisor", str(lock_descriptor), str(far)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(lock_descriptor, far),
            start_new_session=True,
            cwd="/",
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
    os.close(far)
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(plan)))
        process.stdin.close()
        with os.fdopen(near) as progress:
            for line in progress:
                event = json.loads(line)
                if "up" in event:
                    return
                if "failed" in event:
                    process.wait(60)
                    raise LabError(event["failed"])
                say(event["step"])
        process.wait(60)
        raise LabError(
            "the supervisor ended without a word; `pyinfra-swarm lab up` again shows whether it"
            " was chance"
        )
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        process.wait()
        raise


def _main(lock_descriptor: int, progress_descriptor: int) -> int:
    plan = Plan.parse(sys.stdin.read())
    lock.sign(lock_descriptor)
    os.set_inheritable(lock_descriptor, False)
    os.set_inheritable(progress_descriptor, False)
    lab = Lab(plan)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: lab.stop.set())
    speaking = threading.Lock()

    def tell(event: dict[str, Any]) -> None:
        with speaking, contextlib.suppress(BrokenPipeError):
            os.write(progress_descriptor, json.dumps(event).encode() + b"\n")

    def listen() -> None:
        """End with whoever waits for this lab, until it is up."""
        poll = select.poll()
        poll.register(progress_descriptor, 0)
        poll.poll()
        if not told.is_set():
            lab.stop.set()

    def say(step: str) -> None:
        note(step)
        tell({"step": step})

    told = threading.Event()
    threading.Thread(target=listen, daemon=True).start()
    try:
        lab.start(say)
        told.set()
        tell({"up": True})
        lab.stop.wait()
        note("going down")
        lab.finish()
    except BaseException as error:
        note(f"failed: {error!r}")
        lab.finish()
        tell({"failed": str(error)})
        if not isinstance(error, LabError):
            raise
        return 1
    finally:
        lock.release(lock_descriptor)
    return 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), int(sys.argv[2])))
